"""Cases of the policy pack: of every rule what fails, with the place that is told, and what passes."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.policy.headrace_policy.gpu_network import USUAL_PORTS
from infra.policy.headrace_policy.tree import UNKNOWN, Node
from infra.policy.headrace_policy.values import GpuServers, Resource, Surroundings

DIGEST = f"example/image@sha256:{'0a' * 32}"
PLAIN = Surroundings(
    gpu_servers=GpuServers(
        networks=(ipaddress.ip_network("10.9.0.0/24"),),
        clients=(ipaddress.ip_network("10.5.0.0/16"),),
        ports=USUAL_PORTS,
    )
)
TRIED = Surroundings(production=False)
NO_SERVERS = Surroundings(gpu_servers=GpuServers(ports=USUAL_PORTS))


@dataclass(frozen=True)
class Case:
    """Resources; `where`: the places that are told, in order; none: all passes."""

    resources: Sequence[Resource]
    where: Sequence[str] = ()
    surroundings: Surroundings = field(default=PLAIN)


def resource(kind: str, name: str = "it", refers: Mapping[str, frozenset[str]] | None = None, **inputs: Any):
    return Resource(kind, name, urn(kind, name), Node(inputs), refers or {})


def urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:prod::headrace::headrace:cluster:Platform${kind}::{name}"


def case(kind: str, *where: str, surroundings: Surroundings = PLAIN, **inputs: Any) -> Case:
    return Case([resource(kind, **inputs)], where, surroundings)


# Pods

CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
SOUND = {
    "name": "main",
    "image": DIGEST,
    "securityContext": CONFINED,
    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
}
OF_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def container(**changes: Any) -> dict[str, Any]:
    return {**SOUND, **changes}


def confined(**changes: Any) -> dict[str, Any]:
    return container(securityContext={**CONFINED, **changes})


def spec(*containers: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    found = {
        "securityContext": OF_POD,
        "automountServiceAccountToken": False,
        "containers": list(containers) or [SOUND],
    }
    return {**found, **changes}


def pod(*where: str, of: Mapping[str, Any] | None = None, surroundings: Surroundings = PLAIN) -> Case:
    return case("kubernetes:core/v1:Pod", *where, surroundings=surroundings, spec=of or spec())


def deployment(*where: str, of: Mapping[str, Any]) -> Case:
    return case("kubernetes:apps/v1:Deployment", *where, spec={"template": {"spec": of}})


def patch(*where: str, **inputs: Any) -> Case:
    return case("kubernetes:apps/v1:DeploymentPatch", *where, spec={"template": {"spec": inputs}})


def function(*where: str, surroundings: Surroundings = PLAIN, **changes: Any) -> Case:
    kind = "kubernetes:headrace.dev/v1alpha1:Function"
    return case(kind, *where, surroundings=surroundings, spec={"image": DIGEST, **changes})


IMAGE = {
    "a tag": pod("container main", of=spec(container(image="nats:2.15.1-alpine"))),
    "latest": pod("container main", of=spec(container(image="nats:latest"))),
    "no tag": pod("container main", of=spec(container(image="registry.example:5000/nats"))),
    "a digest that is none": pod("container main", of=spec(container(image="nats@sha256:beef"))),
    "an init container": pod("container a", of=spec(initContainers=[container(name="a", image="a:1")])),
    "a debugging container": pod(
        "container a", of=spec(ephemeralContainers=[container(name="a", image="a")])
    ),
    "a volume": pod("volume a", of=spec(volumes=[{"name": "a", "image": {"reference": "models:7"}}])),
    "a patch": patch("container a", containers=[{"name": "a", "image": "a:1"}]),
    "a function": function("spec", image="headrace-echo:1"),
}
NO_IMAGE = {
    "a digest": pod(),
    "a digest behind a tag": pod(of=spec(container(image=f"registry.example:5000/a/{DIGEST}"))),
    "sha512": pod(of=spec(container(image=f"a@sha512:{'0' * 128}"))),
    "a stack to try things": pod(of=spec(container(image="nats")), surroundings=TRIED),
    "a function with a digest": function(),
    "a function to try": function(image="echo:1", surroundings=TRIED),
    "not known yet": pod(of=spec(container(image=UNKNOWN))),
}

PRIVILEGED = {
    "privileged": pod("container main", of=spec(confined(privileged=True))),
    "an init container": pod(
        "container a", of=spec(initContainers=[{**confined(privileged=True), "name": "a"}])
    ),
    "escalation": pod("container main", of=spec(confined(allowPrivilegeEscalation=True))),
    "escalation left out": pod(
        "container main", of=spec(container(securityContext={"capabilities": {"drop": ["ALL"]}}))
    ),
    "nothing written": pod(
        *["container main"] * 3,
        of=spec(container(securityContext={}), securityContext={"runAsNonRoot": True}),
    ),
    "a capability": pod(
        "container main", of=spec(confined(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}))
    ),
    "not all dropped": pod("container main", of=spec(confined(capabilities={"drop": ["NET_RAW"]}))),
    "no seccomp": pod("container main", of=spec(confined(seccompProfile={"type": "Unconfined"}))),
    "proc": pod("container main", of=spec(confined(procMount="Unmasked"))),
    "a host process": pod("container main", of=spec(confined(windowsOptions={"hostProcess": True}))),
    "a patch": patch("container a", containers=[{"name": "a", "securityContext": {"privileged": True}}]),
    "a patch of escalation": patch(
        "container a", containers=[{"name": "a", "securityContext": {"allowPrivilegeEscalation": True}}]
    ),
}
NOT_PRIVILEGED = {
    "confined": pod(),
    "a low port": pod(
        of=spec(confined(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})),
    ),
    "seccomp of the container": pod(
        of=spec(confined(seccompProfile={"type": "Localhost"}), securityContext={"runAsNonRoot": True})
    ),
    "a patch of something else": patch(containers=[{"name": "a", "env": []}]),
    "not known yet": pod(of=spec(container(securityContext=UNKNOWN))),
    "no pod": case("kubernetes:core/v1:ConfigMap", data={"privileged": "true"}),
}

ON_HOST = {
    "its network": pod("pod", of=spec(hostNetwork=True)),
    "its processes": pod("pod", of=spec(hostPID=True)),
    "its IPC": pod("pod", of=spec(hostIPC=True)),
    "a folder": pod("volume a", of=spec(volumes=[{"name": "a", "hostPath": {"path": "/etc"}}])),
    "a port": pod("container main", of=spec(container(ports=[{"containerPort": 80, "hostPort": 80.0}]))),
    "all at once": deployment(
        "pod",
        "pod",
        "volume a",
        of=spec(hostPID=True, hostIPC=True, volumes=[{"name": "a", "hostPath": {"path": "/"}}]),
    ),
    "a patch": patch("pod", hostNetwork=True),
    "by a claim": case("kubernetes:core/v1:PersistentVolume", "spec", spec={"hostPath": {"path": "/etc"}}),
}
NOT_ON_HOST = {
    "none of it": pod(of=spec(hostNetwork=False, volumes=[{"name": "a", "emptyDir": {}}])),
    "a disk by a claim": case("kubernetes:core/v1:PersistentVolume", spec={"local": {"path": "/mnt/disk"}}),
    "a port of the container": pod(of=spec(container(ports=[{"containerPort": 80}]))),
    "a port of its own": pod(of=spec(container(ports=[{"containerPort": 80, "hostPort": 0}]))),
    "not known yet": pod(of=spec(volumes=[{"name": "a", "hostPath": UNKNOWN}])),
    "a port not known yet": pod(of=spec(container(ports=[{"hostPort": UNKNOWN}]))),
}

ROOT = {
    "user 0": pod("container main", of=spec(securityContext={**OF_POD, "runAsUser": 0})),
    "user 0 of the container": pod("container main", of=spec(confined(runAsUser=0.0))),
    "whatever the image says": pod("container main", of=spec(securityContext={"runAsUser": 1000})),
    "not said": pod("container main", of=spec(securityContext={})),
    "unsaid by the container": pod("container main", of=spec(confined(runAsNonRoot=False))),
    "a patch": patch("container a", containers=[{"name": "a", "securityContext": {"runAsUser": 0}}]),
    "a function": function("spec.security", security={"profile": "baseline"}),
}
NOT_ROOT = {
    "said of the pod": pod(),
    "said of the container": pod(of=spec(confined(runAsNonRoot=True), securityContext={})),
    "a patch of something else": patch(containers=[{"name": "a"}]),
    "a function": function(),
    "a function of somebody else": case(
        "kubernetes:example.dev/v1:Function", spec={"image": "a", "security": {"profile": "baseline"}}
    ),
    "a function with a user": function(security={"profile": "baseline", "runAsUser": 1000}),
    "not known yet": pod(of=spec(securityContext={"runAsNonRoot": UNKNOWN})),
}

UNLIMITED = {
    "neither": pod(*["container main"] * 2, of=spec(container(resources={}))),
    "no memory limit": pod(
        "container main", of=spec(container(resources={"requests": {"cpu": 1, "memory": "1Gi"}}))
    ),
    "no cpu request": pod("container main", of=spec(container(resources={"limits": {"memory": "1Gi"}}))),
    "an init container": pod(*["container a"] * 2, of=spec(initContainers=[{"name": "a", "image": DIGEST}])),
    "one of two": pod(*["container a"] * 2, of=spec(SOUND, {"name": "a", "image": DIGEST})),
}
LIMITED = {
    "both": pod(),
    "a cpu limit": pod(of=spec(container(resources={"limits": {"memory": "1Gi", "cpu": 2}}))),
    "of the whole pod": pod(
        of=spec(container(resources={}), resources={"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}})
    ),
    "a debugging container, which can't": pod(of=spec(ephemeralContainers=[{"name": "a", "image": DIGEST}])),
    "a patch": patch(containers=[{"name": "a"}]),
    "not known yet": pod(of=spec(container(resources=UNKNOWN))),
}

TOKEN = {
    "by omission": pod("pod", of={"containers": [SOUND]}),
    "by name": pod("pod", of={"containers": [SOUND], "serviceAccountName": "default"}),
    "asked for": pod("pod", of=spec(automountServiceAccountToken=True)),
}
NO_TOKEN = {
    "none": pod(),
    "an account of its own": pod(of={"containers": [SOUND], "serviceAccountName": "scaler"}),
    "an account by its former name": pod(of={"containers": [SOUND], "serviceAccount": "scaler"}),
    "a patch": patch(containers=[{"name": "a"}]),
    "not known yet": pod(of={"containers": [SOUND], "serviceAccountName": UNKNOWN}),
}


def env(name: str, **value: Any) -> dict[str, Any]:
    return spec(container(env=[{"name": name, **value}]))


SECRET = {
    "a password": pod("container main", of=env("DB_PASSWORD", value="hush")),
    "a token": pod("container main", of=env("GITHUB_TOKEN", value="ghp_x")),
    "a key": pod("container main", of=env("AWS_SECRET_ACCESS_KEY", value="x")),
    "in small letters": pod("container main", of=env("api_key", value="x")),
    "a function": function("spec.environment", environment={"API_TOKEN": "x"}),
}
NO_SECRET = {
    "a reference": pod(of=env("DB_PASSWORD", valueFrom={"secretKeyRef": {"name": "db", "key": "p"}})),
    "its file": pod(of=env("DB_PASSWORD_FILE", value="/etc/db/password")),
    "a number": pod(of=env("MAX_TOKEN", value="512")),
    "another word": pod(of=env("TOKENIZERS_PARALLELISM", value="yes")),
    "empty": pod(of=env("TOKEN", value="")),
    "a function": function(environment={"THRESHOLD": "0.5"}),
}

# Places

IN_DEFAULT = {
    "named": case("kubernetes:core/v1:Service", "metadata.namespace", metadata={"namespace": "default"}),
    "by omission": case("kubernetes:apps/v1:Deployment", "metadata.namespace", metadata={"name": "a"}),
    "a function": case("kubernetes:headrace.dev/v1alpha1:Function", "metadata.namespace", metadata={}),
    "of a list that leaves the kind out": case(
        "kubernetes:core/v1:ConfigMapList", "metadata.namespace", items=[{"metadata": {}}]
    ),
    "of a list": case(
        "kubernetes:core/v1:ConfigMapList",
        "metadata.namespace",
        items=[{"kind": "ConfigMap", "metadata": {}}],
    ),
}
NOT_IN_DEFAULT = {
    "named": case("kubernetes:core/v1:Service", metadata={"namespace": "headrace"}),
    "of the whole cluster": case(
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", metadata={"name": "a"}
    ),
    "not known yet": case("kubernetes:core/v1:Secret", metadata={"namespace": UNKNOWN}),
    "of the provider": Case(
        [Resource("kubernetes:core/v1:Secret", "a", urn("a"), Node({}), provider=Node({"namespace": "lab"}))]
    ),
}
ENFORCE = "pod-security.kubernetes.io/enforce"
NAMESPACE = "kubernetes:core/v1:Namespace"
UNGUARDED = {
    "none": case(NAMESPACE, "metadata.labels", metadata={"name": "a"}),
    "privileged": case(NAMESPACE, "metadata.labels", metadata={"labels": {ENFORCE: "privileged"}}),
    "a patch": case(f"{NAMESPACE}Patch", "metadata.labels", metadata={"labels": {ENFORCE: "privileged"}}),
}
GUARDED = {
    "restricted": case(NAMESPACE, metadata={"labels": {ENFORCE: "restricted"}}),
    "baseline": case(NAMESPACE, metadata={"labels": {ENFORCE: "baseline"}}),
    "a patch of something else": case(f"{NAMESPACE}Patch", metadata={"labels": {"a": "b"}}),
    "not known yet": case(NAMESPACE, metadata={"labels": UNKNOWN}),
}
HIDDEN = {"a release": case("kubernetes:helm.sh/v3:Release", "", chart="nats")}
SEEN = {
    "a chart": case("kubernetes:helm.sh/v4:Chart", chart="nats"),
    "an object": case("kubernetes:core/v1:Service", metadata={"namespace": "a"}),
}

# Rights on the cluster


def role(*where: str, **rule: Any) -> Case:
    found = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], **rule}
    return case("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", *where, rules=[found])


def binding(*where: str, role: str = "reader", **subject: Any) -> Case:
    kind = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
    found = {"kind": "ServiceAccount", "name": "a", **subject}
    return case(kind, *where, roleRef={"kind": "ClusterRole", "name": role}, subjects=[found])


RBAC = {
    "verbs": role("rule 1", verbs=["*"]),
    "groups": role("rule 1", apiGroups=["*"]),
    "resources": role("rule 1", resources=["*"]),
    "parts of resources": role("rule 1", resources=["pods/*"]),
    "all three": role("rule 1", "rule 1", "rule 1", verbs=["*"], apiGroups=["*"], resources=["*"]),
    "paths": role("rule 1", nonResourceURLs=["*"]),
    "a verb that leads to others": role("rule 1", verbs=["escalate", "get"]),
    "a namespaced one": case(
        "kubernetes:rbac.authorization.k8s.io/v1:Role", "rule 2", rules=[{"verbs": ["get"]}, {"verbs": ["*"]}]
    ),
    "of cluster-admin": binding("roleRef", role="cluster-admin"),
    "for everybody": binding("subjects", kind="Group", name="system:authenticated"),
    "for nobody in particular": binding("subjects", kind="User", name="system:anonymous"),
}
NO_RBAC = {
    "named": role(verbs=["get", "list"], resources=["pods", "pods/log"]),
    "paths": role(nonResourceURLs=["/healthz/*"]),
    "for an account": binding(),
    "for an account of that name": binding(kind="ServiceAccount", name="system:masters"),
    "not known yet": role(verbs=UNKNOWN),
}

# Doors of a cluster

LABELS = {"app": "store"}


def service(kind: str, name: str = "store", **changes: Any) -> Resource:
    found = {"type": kind, "selector": LABELS, "ports": [{"port": 8333.0}], **changes}
    notes = found.pop("annotations", {})
    return resource(
        "kubernetes:core/v1:Service", name, metadata={"namespace": "a", "annotations": notes}, spec=found
    )


def policy(
    *,
    ingress: Sequence[Any] = (),
    egress: Sequence[Any] = (),
    labels: Any = None,
    space: Any = "a",
    **more: Any,
) -> Resource:
    found = {
        "podSelector": {"matchLabels": LABELS if labels is None else labels},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": list(ingress),
        "egress": list(egress),
        **more,
    }
    kind = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    return resource(kind, "policy", metadata={"namespace": space}, spec=found)


def block(cidr: str, *excluded: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, "except": list(excluded)}}


LAB = {"from": [block("10.0.0.0/8")], "ports": [{"port": 8333}]}
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
INTERNAL = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}
OPEN_SERVICE = {
    "a load balancer": Case([service("LoadBalancer")], ["spec.type"]),
    "a port of every node": Case([service("NodePort")], ["spec.type"]),
    "addresses of others": Case([service("ClusterIP", externalIPs=["192.0.2.1"])], ["spec.externalIPs"]),
    "for everyone": Case([service("LoadBalancer", loadBalancerSourceRanges=["0.0.0.0/0"])], ["spec.type"]),
    "for everyone in two halves": Case(
        [service("LoadBalancer", loadBalancerSourceRanges=["0.0.0.0/1", "128.0.0.0/1"])], ["spec.type"]
    ),
    "guarded for everyone": Case([service("NodePort"), policy(ingress=[LAB, {}])], ["spec.type"]),
    "guarded with a range for everyone": Case(
        [service("NodePort"), policy(ingress=[{"from": [block("::/0")]}])], ["spec.type"]
    ),
    "others are guarded": Case([service("NodePort"), policy(labels={"app": "queue"})], ["spec.type"]),
    "a port of every node, with ranges of a load balancer": Case(
        [service("NodePort", loadBalancerSourceRanges=["192.0.2.0/24"])], ["spec.type"]
    ),
    "guarded by an expression": Case(
        [
            service("NodePort"),
            policy(podSelector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
        ],
        ["spec.type"],
    ),
    "guarded elsewhere": Case([service("NodePort"), policy(space="b")], ["spec.type"]),
    "a service without pods": Case([service("NodePort", selector={}), policy(labels={})], ["spec.type"]),
    "only its egress is guarded": Case([service("NodePort"), policy(policyTypes=["Egress"])], ["spec.type"]),
    "an ingress": case(INGRESS, "metadata.annotations", metadata={}, spec={"rules": []}),
}
CLOSED_SERVICE = {
    "in the cluster": Case([service("ClusterIP")]),
    "for some": Case([service("LoadBalancer", loadBalancerSourceRanges=["192.0.2.0/24"])]),
    "in its own network": Case([service("LoadBalancer", annotations=INTERNAL)]),
    "guarded": Case([service("NodePort"), policy(ingress=[LAB])]),
    "guarded, of no type": Case([service("NodePort"), policy(policyTypes=[])]),
    "guarded with all others": Case([service("LoadBalancer"), policy(labels={})]),
    "not known yet": Case([service("NodePort", selector=UNKNOWN)]),
    "ranges not known yet": Case([service("LoadBalancer", loadBalancerSourceRanges=UNKNOWN)]),
    "a namespace not known yet": Case(
        [resource("kubernetes:core/v1:Service", metadata={"namespace": UNKNOWN}, spec={"type": "NodePort"})]
    ),
    "no service": Case([resource("kubernetes:example.dev/v1:Door", spec={"type": "NodePort"})]),
    "notes not known yet": Case([service("LoadBalancer", annotations=UNKNOWN)]),
    "a patch of an ingress": case(f"{INGRESS}Patch", metadata={"labels": {"a": "b"}}),
    "an internal ingress": case(
        INGRESS, metadata={"annotations": {"alb.ingress.kubernetes.io/scheme": "internal"}}
    ),
    "an ingress for some": case(
        INGRESS,
        metadata={"annotations": {"nginx.ingress.kubernetes.io/whitelist-source-range": "192.0.2.0/24"}},
    ),
}
OPEN_POLICY = {
    "anybody": Case([policy(ingress=[{"ports": [{"port": 8333}]}])], ["ingress 1, port 8333"]),
    "anybody at any port": Case([policy(ingress=[LAB, {}])], ["ingress 2, all ports"]),
    "everyone": Case([policy(ingress=[{"from": [block("0.0.0.0/0")]}])], ["ingress 1, all ports"]),
    "everyone by half": Case([policy(ingress=[{"from": [block("128.0.0.0/1")]}])], ["ingress 1, all ports"]),
    "everyone of IPv6": Case(
        [policy(ingress=[{"from": [block("::/0")], "ports": [{"port": 80, "endPort": 90}]}])],
        ["ingress 1, port 80-90"],
    ),
}
CLOSED_POLICY = {
    "nobody": Case([policy()]),
    "a range": Case([policy(ingress=[LAB])]),
    "pods": Case([policy(ingress=[{"from": [{"podSelector": {}}]}])]),
    "egress is the other direction": Case([policy(egress=[{}])]),
    "not known yet": Case([policy(ingress=[{"from": UNKNOWN}])]),
    "a range not known yet": Case([policy(ingress=[{"from": [{"ipBlock": {"cidr": UNKNOWN}}]}])]),
    "a rule not known yet": Case([policy(ingress=[UNKNOWN])]),
}

# Security groups

GROUP = "aws:ec2/securityGroup:SecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def door(
    *ranges: str, port: float = 443.0, last: float | None = None, protocol: str = "tcp"
) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "fromPort": port,
        "toPort": port if last is None else last,
        "cidrBlocks": [each for each in ranges if ":" not in each],
        "ipv6CidrBlocks": [each for each in ranges if ":" in each],
    }


OPEN_GROUP = {
    "a group": case(GROUP, "ingress tcp/443 from 0.0.0.0/0", ingress=[door("0.0.0.0/0")]),
    "both kinds of addresses": case(
        GROUP,
        "ingress tcp/443 from 0.0.0.0/0",
        "ingress tcp/443 from ::/0",
        ingress=[door("0.0.0.0/0", "10.0.0.0/8", "::/0")],
    ),
    "a rule": case(GROUP_RULE, "ingress tcp/22 from 0.0.0.0/0", type="ingress", **door("0.0.0.0/0", port=22)),
    "a rule of the newer kind": case(
        INGRESS_RULE, "ingress tcp/443 from ::/0", ipProtocol="tcp", fromPort=443, toPort=443, cidrIpv6="::/0"
    ),
    "everything": case(
        GROUP, "ingress all ports from 0.0.0.0/0", ingress=[door("0.0.0.0/0", port=0, protocol="-1")]
    ),
    "a port not known yet": case(
        GROUP,
        "ingress tcp/a port that is not known yet from 0.0.0.0/0",
        ingress=[{**door("0.0.0.0/0"), "fromPort": UNKNOWN}],
    ),
    "no port": case(
        GROUP,
        "ingress all ports from 0.0.0.0/0",
        ingress=[door("0.0.0.0/0", port=-1, protocol="icmp")],
    ),
    "echoes": case(
        GROUP, "ingress icmp/8 from 0.0.0.0/0", ingress=[door("0.0.0.0/0", port=8, last=0, protocol="icmp")]
    ),
    "a key for SSH and nobody named": case(
        NODE_GROUP, "remoteAccess.sourceSecurityGroupIds", remoteAccess={"ec2SshKey": "ops"}
    ),
    "half of all": case(GROUP, "ingress tcp/443 from 128.0.0.0/1", ingress=[door("128.0.0.0/1")]),
}
CLOSED_GROUP = {
    "SSH for a group": case(
        NODE_GROUP, remoteAccess={"ec2SshKey": "ops", "sourceSecurityGroupIds": ["sg-1"]}
    ),
    "SSH for a group not known yet": case(
        NODE_GROUP, remoteAccess={"ec2SshKey": "ops", "sourceSecurityGroupIds": UNKNOWN}
    ),
    "no SSH": case(NODE_GROUP, launchTemplate={"id": "lt-1"}),
    "a range of somebody": case(GROUP, ingress=[door("8.8.0.0/16", "2001:4860::/32")]),
    "a range": case(GROUP, ingress=[door("10.0.0.0/8", "fc00::/7")]),
    "another group": case(GROUP, ingress=[{**door(), "securityGroups": ["sg-1"]}]),
    "a list of a network": case("aws:ec2/networkAclRule:NetworkAclRule", type="ingress", **door("0.0.0.0/0")),
    "egress": case(GROUP_RULE, type="egress", **door("0.0.0.0/0")),
    "a rule of the newer kind": case(INGRESS_RULE, ipProtocol="tcp", fromPort=443, cidrIpv4="192.0.2.7/32"),
    "not known yet": case(GROUP, ingress=UNKNOWN),
    "a range not known yet": case(GROUP, ingress=[{**door(), "cidrBlocks": [UNKNOWN]}]),
}
CLUSTER = "aws:eks/cluster:Cluster"
PUBLIC = "vpcConfig.publicAccessCidrs"
OPEN_SERVER = {
    "by default": case(CLUSTER, PUBLIC, vpcConfig={"subnetIds": []}),
    "for everyone": case(
        CLUSTER, PUBLIC, vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}
    ),
}
CLOSED_SERVER = {
    "private as a text": case(CLUSTER, vpcConfig={"endpointPublicAccess": "false"}),
    "private": case(CLUSTER, vpcConfig={"endpointPublicAccess": False}),
    "its network not known yet": case(CLUSTER, vpcConfig=UNKNOWN),
    "no cluster": case("aws:rds/cluster:Cluster", storageEncrypted=True),
    "for some": case(CLUSTER, vpcConfig={"publicAccessCidrs": ["192.0.2.0/24"]}),
    "not known yet": case(CLUSTER, vpcConfig={"publicAccessCidrs": UNKNOWN}),
}

# GPU servers

COMPONENT = "app.kubernetes.io/component"


def gpu_service(kind: str, **changes: Any) -> Resource:
    return service(kind, "gpu", ports=[{"port": 8308, "targetPort": "gpu"}], **changes)


def reaching(component: str, *peers: Any, **ports: Any) -> Resource:
    rule = {"to": list(peers), **({"ports": [ports]} if ports else {})}
    return policy(egress=[rule], labels={COMPONENT: component} if component else {})


ANY = "egress 1, all ports"
GPU = {
    "a security group": case(
        GROUP, "ingress tcp/8308 from 10.0.0.0/8", ingress=[door("10.0.0.0/8", port=8308)]
    ),
    "a security group of all ports": case(
        GROUP, "ingress all ports from 10.0.0.0/8", ingress=[door("10.0.0.0/8", port=0, protocol="-1")]
    ),
    "a security group by the protocol's number": case(
        GROUP, "ingress 6/8308 from 10.0.0.0/8", ingress=[door("10.0.0.0/8", port=8308, protocol="6")]
    ),
    "a security group of a protocol not known yet": case(
        GROUP,
        "ingress a protocol not known yet/8308 from 10.0.0.0/8",
        ingress=[{**door("10.0.0.0/8", port=8308), "protocol": UNKNOWN}],
    ),
    "a security group of Lupine": case(
        GROUP,
        "ingress tcp/14000-15000 from 10.1.0.0/16",
        ingress=[door("10.1.0.0/16", port=14000, last=15000)],
    ),
    "a security group where no network is named": case(
        GROUP,
        "ingress tcp/8308 from 10.9.0.0/24",
        ingress=[door("10.9.0.0/24", port=8308)],
        surroundings=NO_SERVERS,
    ),
    "a security group by IPv6": case(
        GROUP, "ingress tcp/8308 from fd00::/8", ingress=[door("fd00::/8", port=8308)]
    ),
    "ingress": Case(
        [policy(ingress=[{"from": [block("10.0.0.0/8")], "ports": [{"port": 8308}]}])],
        ["ingress 1, port 8308"],
    ),
    "ingress of anybody": Case([policy(ingress=[{"ports": [{"port": 8308}]}])], ["ingress 1, port 8308"]),
    "pods that are no clients": Case([reaching("receiver", block("10.9.0.0/24"))], [ANY]),
    "pods of a wider range": Case([reaching("scaler", block("10.0.0.0/8"))], [ANY]),
    "any pods": Case([reaching("", block("0.0.0.0/0"), port=8308)], ["egress 1, port 8308"]),
    "to anybody": Case([policy(egress=[{}], labels={COMPONENT: "receiver"})], [ANY]),
    "clients to anywhere": Case([reaching("publisher", block("0.0.0.0/0"))], [ANY]),
    "a load balancer": Case([gpu_service("LoadBalancer")], ["port 8308"]),
    "a port of every node": Case([gpu_service("NodePort")], ["port 8308"]),
    "a port of every node, with ranges of a load balancer": Case(
        [gpu_service("NodePort", loadBalancerSourceRanges=["10.9.0.0/24"])], ["port 8308"]
    ),
    "addresses of others": Case([gpu_service("ClusterIP", externalIPs=["192.0.2.1"])], ["port 8308"]),
    "a load balancer for others": Case(
        [gpu_service("LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"])], ["port 8308"]
    ),
}
NO_GPU = {
    "echoes have no ports": case(GROUP, ingress=[door("10.0.0.0/8", port=-1, protocol="icmp")]),
    "an echo's kind is no port": case(
        GROUP, ingress=[door("10.0.0.0/8", port=8308, last=0, protocol="icmpv6")]
    ),
    "no server listens for datagrams": case(GROUP, ingress=[door("10.0.0.0/8", port=8308, protocol="udp")]),
    "the named network": case(GROUP, ingress=[door("10.9.0.0/25", port=8308)]),
    "clients": case(GROUP, ingress=[door("10.5.7.0/24", port=0, protocol="-1")]),
    "another group": case(GROUP, ingress=[{**door(port=8308), "securityGroups": ["sg-1"]}]),
    "other ports": case(GROUP, ingress=[door("10.0.0.0/8", port=8443)]),
    "other ports where no network is named": case(
        GROUP, ingress=[door("10.0.0.0/8", port=0, protocol="-1")], surroundings=NO_SERVERS
    ),
    "ingress of the named network": Case(
        [policy(ingress=[{"from": [block("10.9.0.0/24")], "ports": [{"port": 8308}]}])]
    ),
    "ingress of pods": Case([policy(ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": 8308}]}])]),
    "clients may": Case([reaching("gpu-plugin", block("10.9.0.0/24"))]),
    "the API server's ports": Case([reaching("receiver", block("0.0.0.0/0"), port=6443)]),
    "anywhere but there": Case([reaching("receiver", block("10.0.0.0/8", "10.9.0.0/24"))]),
    "elsewhere": Case([reaching("receiver", block("10.8.0.0/24"), block("fd00::/8"))]),
    "pods": Case([reaching("receiver", {"podSelector": {}})]),
    "where no network is named": Case([reaching("receiver", block("10.0.0.0/8"))], surroundings=NO_SERVERS),
    "a service of the cluster": Case([gpu_service("ClusterIP")]),
    "a range not known yet": case(GROUP, ingress=[{**door(port=8308), "cidrBlocks": [UNKNOWN]}]),
    "a port not known yet": case(GROUP, ingress=[{**door("10.0.0.0/8"), "fromPort": UNKNOWN}]),
    "a policy's port not known yet": Case([reaching("receiver", block("10.0.0.0/8"), port=UNKNOWN)]),
    "clients to the API server": Case([reaching("publisher", block("0.0.0.0/0"), port=6443)]),
    "a load balancer of the named network": Case(
        [gpu_service("LoadBalancer", loadBalancerSourceRanges=["10.9.0.0/24"])]
    ),
    "a load balancer of something else": Case([service("LoadBalancer")]),
}

# Rights on AWS

IAM_POLICY = "aws:iam/policy:Policy"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
KEY = "aws:kms/key:Key"
ARN = "arn:aws:s3:::uploads/*"


def allow(**changes: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ARN, **changes}


def document(*found: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(found)})


def iam(*where: str, **changes: Any) -> Case:
    return case(IAM_POLICY, *where, policy=document(allow(**changes)))


def of_queue(*where: str, **changes: Any) -> Case:
    found = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", **changes}
    return case(QUEUE_POLICY, *where, policy=document(found))


FIRST = "policy statement 1"
ROLE = "arn:aws:iam::123456789012:role/a"
ROOT_OF_ACCOUNT = {"AWS": "arn:aws:iam::123456789012:root"}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
IAM = {
    "every action": iam(FIRST, Action="*"),
    "every action of every service": iam(FIRST, Action="*:GetObject"),
    "every action of some services": iam(FIRST, Action="s?:GetObject"),
    "every action of a service": iam(FIRST, Action=["s3:GetObject", "s3:*"]),
    "all but some actions": iam(FIRST, Action=[], NotAction="iam:*"),
    "every resource": iam(FIRST, Resource="*"),
    "every resource of a service": iam(FIRST, Resource=[ARN, "arn:aws:s3:::*"]),
    "every bucket's objects": iam(FIRST, Resource="arn:aws:s3:::*/*"),
    "an ARN cut short": iam(FIRST, Resource="arn:aws:s3:*"),
    "all but some resources": iam(FIRST, Resource=[], NotResource=ARN),
    "both": iam(FIRST, FIRST, Action="*", Resource="*"),
    "an action that names resources beside one that does not": iam(
        FIRST, Action=["ec2:DescribeInstances", "ec2:TerminateInstances"], Resource="*"
    ),
    "a condition on any value of a tag": iam(
        FIRST,
        Action="ec2:TerminateInstances",
        Resource="*",
        Condition={"StringLike": {"aws:ResourceTag/a": "*"}},
    ),
    "all but some actions on everything": iam(FIRST, FIRST, Action=[], NotAction="iam:*", Resource="*"),
    "a condition on something else": iam(
        FIRST,
        Action="ec2:TerminateInstances",
        Resource="*",
        Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    ),
    "a condition that binds nothing": iam(
        FIRST,
        Action="ec2:TerminateInstances",
        Resource="*",
        Condition={"StringEqualsIfExists": {"aws:ResourceTag/a": "b"}},
    ),
    "by its name": case(
        IAM_POLICY, "policy statement All", policy=document(allow(), allow(Sid="All", Action="*"))
    ),
    "one statement without a list": case(
        IAM_POLICY, FIRST, policy=json.dumps({"Statement": allow(Action="*")})
    ),
    "a mapping": case(IAM_POLICY, FIRST, policy={"Statement": [allow(Action="*")]}),
    "inside a role": case(
        "aws:iam/role:Role",
        "inlinePolicies[1].policy statement 1",
        inlinePolicies=[{"policy": document(allow())}, {"policy": document(allow(Action="*"))}],
    ),
    "in a queue's own policy": of_queue(FIRST, Principal={"Service": "events.amazonaws.com"}, Action="sqs:*"),
    "all that its own account may": of_queue(FIRST, Principal=ROOT_OF_ACCOUNT, Action="sqs:*"),
    "a key for a role": case(
        KEY,
        FIRST,
        policy=document({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*", "Resource": "*"}),
    ),
    "a key for everybody": case(
        KEY, FIRST, policy=document({"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"})
    ),
    "a policy of AWS": case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "policyArn", policyArn=ADMINISTRATOR
    ),
    "policies of a role": case("aws:iam/role:Role", "managedPolicyArns", managedPolicyArns=[ADMINISTRATOR]),
    "all of a cluster": case(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "policyArn",
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
    ),
}
NO_IAM = {
    "named": iam(),
    "a prefix of actions": iam(Action=["s3:Get*", "s3:List*"]),
    "what names no resource": iam(Action=["ec2:Describe*", "ecr:GetAuthorizationToken"], Resource="*"),
    "bound by a tag": iam(
        Action="autoscaling:TerminateInstanceInAutoScalingGroup",
        Resource="*",
        Condition={"StringEquals": {"aws:ResourceTag/headrace": "lab"}},
    ),
    "denied": iam(Effect="Deny", Action="*", Resource="*"),
    "a queue's own policy is about itself": of_queue(Principal={"Service": "events.amazonaws.com"}),
    "a queue's own policy that says who may not": of_queue(NotPrincipal=ROOT_OF_ACCOUNT),
    "a key's own account": case(
        KEY,
        policy=document(
            {"Effect": "Allow", "Principal": ROOT_OF_ACCOUNT, "Action": "kms:*", "Resource": "*"}
        ),
    ),
    "an endpoint's policy is a bound": case(
        "aws:ec2/vpcEndpoint:VpcEndpoint", policy=document(allow(Principal="*", Action="*", Resource="*"))
    ),
    "a policy of AWS with a purpose": case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        policyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
    ),
    "no document": case(IAM_POLICY, policy="{}", description='{"Statement": 1'),
    "not known yet": case(IAM_POLICY, policy=UNKNOWN),
    "no resource of AWS": case("kubernetes:core/v1:ConfigMap", data={"policy": document(allow(Action="*"))}),
}
EVERYBODY = {
    "a queue": of_queue(FIRST, Principal="*"),
    "any account": of_queue(FIRST, Principal={"AWS": ["*"]}),
    "all but some": of_queue(FIRST, NotPrincipal=ROOT_OF_ACCOUNT),
    "a role": case(
        "aws:iam/role:Role",
        "assumeRolePolicy statement 1",
        assumeRolePolicy=document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}),
    ),
    "a condition that binds nobody": of_queue(
        FIRST, Principal="*", Condition={"Bool": {"aws:SecureTransport": "true"}}
    ),
    "a condition for anybody": of_queue(
        FIRST, Principal="*", Condition={"ArnLike": {"aws:SourceArn": "arn:aws:*"}}
    ),
    "a condition without values": of_queue(
        FIRST, Principal="*", Condition={"StringEquals": {"aws:SourceAccount": []}}
    ),
    "the whole internet": of_queue(
        FIRST, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}
    ),
    "no range at all": of_queue(FIRST, Principal="*", Condition={"IpAddress": {"aws:SourceIp": []}}),
    "all but some by a condition": of_queue(
        FIRST, Principal="*", Condition={"StringNotEquals": {"aws:SourceAccount": "1"}}
    ),
}
SOMEBODY = {
    "a service": of_queue(Principal={"Service": "events.amazonaws.com"}),
    "a source": of_queue(
        Principal="*", Condition={"ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-west-1:1:rule/uploads"}}
    ),
    "an organisation": of_queue(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
    "an account not known yet": case(
        QUEUE_POLICY,
        policy={
            "Statement": allow(Principal="*", Condition={"StringEquals": {"aws:SourceAccount": [UNKNOWN]}})
        },
    ),
    "a range": of_queue(Principal="*", Condition={"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}),
    "not known yet": of_queue(Principal={"AWS": "arn:aws:iam::1:role/a"}),
    "denied": of_queue(Effect="Deny", Principal="*"),
    "a bucket is another rule's": case(
        "aws:s3/bucketPolicy:BucketPolicy", policy=document(allow(Principal="*"))
    ),
}

# Buckets

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
SWITCHES = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
PUBLIC_BUCKET = {
    "by its list": case(BUCKET, "acl", acl="public-read"),
    "by a list beside it": case("aws:s3/bucketAcl:BucketAcl", "acl", acl="public-read-write"),
    "by grants": case(
        "aws:s3/bucketAclV2:BucketAclV2",
        "accessControlPolicy.grants",
        accessControlPolicy={"grants": [{"grantee": {"uri": ALL_USERS}, "permission": "READ"}]},
    ),
    "by grants of its own": case(BUCKET, "grants", grants=[{"uri": ALL_USERS, "permissions": ["READ"]}]),
    "an object": case("aws:s3/bucketObjectv2:BucketObjectv2", "acl", acl="public-read"),
    "by its policy": case(
        "aws:s3/bucketPolicy:BucketPolicy", "policy statement 1", policy=document(allow(Principal="*"))
    ),
    "a block with less than all": case(BLOCK, "", **{**SWITCHES, "blockPublicAcls": False}),
    "a block that is empty": case(BLOCK, "", bucket="a"),
}
PRIVATE_BUCKET = {
    "nothing said": case(BUCKET, bucket="a"),
    "private": case(BUCKET, acl="private"),
    "for an account": case(
        "aws:s3/bucketPolicy:BucketPolicy", policy=document(allow(Principal=ROOT_OF_ACCOUNT))
    ),
    "for an endpoint": case(
        "aws:s3/bucketPolicy:BucketPolicy",
        policy=document(allow(Principal="*", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})),
    ),
    "refused without TLS": case(
        "aws:s3/bucketPolicy:BucketPolicy",
        policy=document(allow(Effect="Deny", Principal="*", Action="s3:*")),
    ),
    "blocked": case(BLOCK, **SWITCHES),
    "not known yet": case(BLOCK, **{**SWITCHES, "blockPublicAcls": UNKNOWN}),
}
BY_OUTPUT = {"bucket": frozenset({urn(BUCKET, "a")})}
NO_BLOCK = {
    "none": Case([resource(BUCKET, "a", bucket="a")], [""]),
    "of another bucket": Case([resource(BUCKET, "a", bucket="a"), resource(BLOCK, bucket="b")], [""]),
    "of another output": Case(
        [resource(BUCKET, "b", bucket=UNKNOWN), resource(BLOCK, refers=BY_OUTPUT, bucket=UNKNOWN)], [""]
    ),
}
WITH_BLOCK = {
    "by name": Case([resource(BUCKET, "a", bucket="a"), resource(BLOCK, bucket="a")]),
    "by output": Case([resource(BUCKET, "a"), resource(BLOCK, refers=BY_OUTPUT, bucket=UNKNOWN)]),
    "of the account": Case(
        [
            resource(BUCKET, "a"),
            resource("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock", **SWITCHES),
        ]
    ),
    "no bucket": Case([]),
}

# What AWS stores or starts

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
INSTANCE = "aws:ec2/instance:Instance"
STORAGE_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
QUEUE = "aws:sqs/queue:Queue"
UNENCRYPTED = {
    "a queue": case(QUEUE, "sqsManagedSseEnabled", name="a"),
    "a queue, said": case(QUEUE, "sqsManagedSseEnabled", sqsManagedSseEnabled=False),
    "a topic": case("aws:sns/topic:Topic", "kmsMasterKeyId", name="a"),
    "a volume": case("aws:ebs/volume:Volume", "encrypted", size=10),
    "files": case("aws:efs/fileSystem:FileSystem", "encrypted", encrypted=False),
    "a database": case("aws:rds/instance:Instance", "storageEncrypted"),
    "disks of a template": case(
        TEMPLATE,
        "blockDeviceMappings 2",
        blockDeviceMappings=[{"ebs": {"encrypted": "true"}}, {"ebs": {"encrypted": "false"}}],
    ),
    "the image's disk of a template": case(TEMPLATE, "blockDeviceMappings", imageId="ami-1"),
    "the image's disk": case(INSTANCE, "rootBlockDevice", ami="ami-1"),
    "the image's disk of a node group": case(NODE_GROUP, "launchTemplate", diskSize=100),
    "another disk": case(
        INSTANCE,
        "ebsBlockDevices",
        rootBlockDevice={"encrypted": True},
        ebsBlockDevices=[{"encrypted": False}],
    ),
    "secrets of a cluster": case(CLUSTER, "encryptionConfig", name="a"),
    "a class of volumes": case(
        STORAGE_CLASS, "parameters.encrypted", provisioner="ebs.csi.aws.com", parameters={"type": "gp3"}
    ),
}
ENCRYPTED = {
    "a node group of a template": case(NODE_GROUP, launchTemplate={"id": "lt-1", "version": "3"}),
    "a node group of one not known yet": case(NODE_GROUP, launchTemplate=UNKNOWN),
    "a queue by a key": case(QUEUE, kmsMasterKeyId="alias/a"),
    "a queue by a key not known yet": case(QUEUE, kmsMasterKeyId=UNKNOWN),
    "a queue by SQS": case(QUEUE, sqsManagedSseEnabled=True),
    "a topic": case("aws:sns/topic:Topic", kmsMasterKeyId="alias/a"),
    "a volume": case("aws:ebs/volume:Volume", encrypted=True),
    "files": case("aws:efs/fileSystem:FileSystem", encrypted=True),
    "disks of a template": case(
        TEMPLATE, blockDeviceMappings=[{"ebs": {"encrypted": "true"}}, {"noDevice": "a"}]
    ),
    "an instance": case(INSTANCE, rootBlockDevice={"encrypted": True}),
    "secrets of a cluster": case(CLUSTER, encryptionConfig={"resources": ["secrets"]}),
    "a class of volumes": case(
        STORAGE_CLASS, provisioner="ebs.csi.aws.com", parameters={"encrypted": "true"}
    ),
    "a class of others": case(STORAGE_CLASS, provisioner="rancher.io/local-path"),
    "no class": case("kubernetes:core/v1:ConfigMap", provisioner="ebs.csi.aws.com"),
}
TOKENS, HOPS = "metadataOptions.httpTokens", "metadataOptions.httpPutResponseHopLimit"
SOUND_OPTIONS = {"httpTokens": "required", "httpPutResponseHopLimit": 1.0}
OPEN_METADATA = {
    "nothing said": case(TEMPLATE, TOKENS, HOPS, imageId="ami-1"),
    "a node group as EKS makes it": case(NODE_GROUP, "launchTemplate", nodeGroupName="gpu"),
    "no tokens": case(INSTANCE, TOKENS, metadataOptions={**SOUND_OPTIONS, "httpTokens": "optional"}),
    "further than the node": case(
        TEMPLATE, HOPS, metadataOptions={**SOUND_OPTIONS, "httpPutResponseHopLimit": 2}
    ),
}
CLOSED_METADATA = {
    "a node group of a template": case(NODE_GROUP, launchTemplate={"id": "lt-1", "version": "3"}),
    "a node group of one not known yet": case(NODE_GROUP, launchTemplate=UNKNOWN),
    "tokens, one hop": case(TEMPLATE, metadataOptions=SOUND_OPTIONS),
    "none at all": case(TEMPLATE, metadataOptions={"httpEndpoint": "disabled"}),
    "not known yet": case(TEMPLATE, metadataOptions=UNKNOWN),
}

Cases = Mapping[str, Case]
CASES: Mapping[str, tuple[Cases, Cases]] = {
    "image-digest": (IMAGE, NO_IMAGE),
    "pod-privileges": (PRIVILEGED, NOT_PRIVILEGED),
    "pod-host": (ON_HOST, NOT_ON_HOST),
    "pod-root": (ROOT, NOT_ROOT),
    "pod-limits": (UNLIMITED, LIMITED),
    "pod-token": (TOKEN, NO_TOKEN),
    "plain-secret": (SECRET, NO_SECRET),
    "default-namespace": (IN_DEFAULT, NOT_IN_DEFAULT),
    "namespace-standard": (UNGUARDED, GUARDED),
    "hidden-objects": (HIDDEN, SEEN),
    "rbac-wildcard": (RBAC, NO_RBAC),
    "open-service": (OPEN_SERVICE, CLOSED_SERVICE),
    "open-network-policy": (OPEN_POLICY, CLOSED_POLICY),
    "gpu-server-network": (GPU, NO_GPU),
    "iam-wildcard": (IAM, NO_IAM),
    "iam-everybody": (EVERYBODY, SOMEBODY),
    "public-bucket": (PUBLIC_BUCKET, PRIVATE_BUCKET),
    "bucket-block": (NO_BLOCK, WITH_BLOCK),
    "unencrypted": (UNENCRYPTED, ENCRYPTED),
    "instance-metadata": (OPEN_METADATA, CLOSED_METADATA),
    "open-security-group": (OPEN_GROUP, CLOSED_GROUP),
    "open-api-server": (OPEN_SERVER, CLOSED_SERVER),
}
