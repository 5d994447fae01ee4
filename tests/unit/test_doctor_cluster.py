"""What `headrace doctor` makes of a cluster's objects: pods, leases, kinds, rights, pools, GPUs, versions."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from headrace.doctor import cluster, gpus, pools, rights, versions
from headrace.doctor.cluster import ClusterFacts
from headrace.doctor.finding import Ground
from headrace.doctor.gpus import GpuFacts
from headrace.doctor.pools import PoolFacts
from headrace.doctor.rights import RightsFacts, driver_wishes, wishes
from headrace.doctor.versions import VersionFacts
from headrace.kube.asking import Greeting, Wish, review_of
from headrace.kube.kinds import NODES, SECRETS
from headrace.manifests.definitions import definitions
from headrace.model.errors import ConfigurationError, NotFoundError, TransientError
from headrace.model.labels import COMPONENT, POOL
from headrace.model.node import NodeState
from headrace.model.pool import Driver
from headrace.operations.gpus import Gpus, ServerState
from headrace.scaler.explaining import Explanation, FunctionStory, NodeStory, Shortfall
from headrace.scaler.plan import Reason, ReasonCode
from headrace.scaler.snapshot import ServiceEstimate
from tests.unit.scaler_cluster import function_object, pool_object

GROUND = Ground("state", "functions", "lab.yaml", "platform")
NOW = 1_700_000_000.0
DENIED = ConfigurationError("nodes is forbidden")


def bad(findings: Any) -> dict[str, tuple[str, str]]:
    """Code -> severity and remedy of what is not well."""
    return {f.code: (f.severity, f.remedy) for f in findings if f.severity in {"warning", "fault"}}


def skipped(findings: Any) -> list[str]:
    return [f.code for f in findings if f.severity == "skipped"]


def ready(manifest: dict[str, Any], status: str = "True", **condition: str) -> dict[str, Any]:
    return manifest | {"status": {"conditions": [{"type": "Ready", "status": status, **condition}]}}


def workload(name: str, image: str = "r.example/headrace:0.1.0", **status: int) -> dict[str, Any]:
    spec = {"replicas": 1, "template": {"spec": {"containers": [{"image": image}]}}}
    status = status or {"readyReplicas": 1}
    return {"metadata": {"name": name, "labels": {COMPONENT: name}}, "spec": spec, "status": status}


def lease(name: str, age: float = 5.0, holder: str = "pod-1") -> dict[str, Any]:
    renewed = datetime.fromtimestamp(NOW - age, UTC).isoformat().replace("+00:00", "Z")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}
    return {"metadata": {"name": name}, "spec": spec}


SERVICES = tuple(workload(name) for name in ("queue", "receiver", "scaler", "controller"))
LEASES = tuple(map(lease, cluster.LEASES))
CLUSTER = ClusterFacts(
    Greeting("v1.36.0", NOW), None, definitions(), SERVICES, LEASES, (ready(function_object()),), NOW
)


def logs_of(component: str) -> str:
    return (
        f"kubectl --kubeconfig lab.yaml --namespace platform logs "
        f"--selector app.kubernetes.io/component={component}"
    )


def describes(component: str) -> str:
    return (
        f"kubectl --kubeconfig lab.yaml --namespace platform describe pods "
        f"--selector app.kubernetes.io/component={component}"
    )


# The platform


def test_a_platform_that_is_deployed_is_well() -> None:
    found = cluster.judged(CLUSTER, GROUND)
    assert [(f.code, f.severity) for f in found] == [(c.code, "ok") for c in cluster.CHECKS]


def test_a_cluster_that_does_not_answer_is_one_fault() -> None:
    found = cluster.judged(ClusterFacts(TransientError("away")), GROUND)
    assert bad(found) == {"cluster-reach": ("fault", "kubectl --kubeconfig lab.yaml get --raw /readyz")}
    assert skipped(found) == [c.code for c in cluster.CHECKS[1:]]


OLD = json.loads(json.dumps(definitions()[0]))
OLD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["description"] = "older"
UPGRADE = "pulumi up  # with the version of Headrace that this command is of"
FUNCTION = "kubectl --kubeconfig lab.yaml --namespace headrace-functions describe functions.headrace.dev echo"


@pytest.mark.parametrize(
    ("changes", "code", "remedy"),
    [
        (
            {"platform": NotFoundError("no secret")},
            "cluster-platform",
            "pulumi up  # or name the platform's namespace with --namespace",
        ),
        ({"definitions": definitions()[1:]}, "cluster-kinds", UPGRADE),
        ({"definitions": (OLD, *definitions()[1:])}, "cluster-kinds", UPGRADE),
        ({"workloads": SERVICES[1:]}, "cluster-services", describes("queue")),
        (
            {"workloads": (*SERVICES[:3], workload("controller", readyReplicas=0))},
            "cluster-services",
            describes("controller"),
        ),
        ({"leases": LEASES[:2]}, "cluster-leases", logs_of("controller")),
        (
            {"leases": (lease("headrace-listing", age=46.0), *LEASES[1:])},
            "cluster-leases",
            logs_of("receiver"),
        ),
        (
            {"leases": (LEASES[0], lease("headrace-scaler", holder=""), LEASES[2])},
            "cluster-leases",
            logs_of("scaler"),
        ),
        ({"objects": (function_object(),)}, "cluster-objects", FUNCTION),
        (
            {"objects": (ready(function_object(), "False", reason="Invalid", message="x"),)},
            "cluster-objects",
            FUNCTION,
        ),
    ],
)
def test_what_is_wrong_with_a_platform(changes: dict[str, Any], code: str, remedy: str) -> None:
    assert bad(cluster.judged(replace(CLUSTER, **changes), GROUND)) == {code: ("fault", remedy)}


def test_a_lease_that_was_renewed_in_time_by_a_clock_that_differs_is_held() -> None:
    late = replace(CLUSTER, leases=tuple(lease(name, age=44.0) for name in cluster.LEASES))
    assert bad(cluster.judged(late, GROUND)) == {}


def test_what_may_not_be_seen_is_skipped() -> None:
    hidden = replace(CLUSTER, definitions=DENIED, workloads=DENIED, leases=DENIED, objects=DENIED)
    found = cluster.judged(hidden, GROUND)
    assert bad(found) == {}
    assert len(skipped(found)) == 4


# Rights

WANTED = wishes("platform", ("functions", "lab"))
OWN = {wish: True for each in WANTED.values() for wish in each}
SECRET = Wish("get", SECRETS, "platform", "headrace-operator")


def test_who_may_do_everything_is_told_so() -> None:
    found = rights.judged(RightsFacts(OWN, dict.fromkeys(driver_wishes([Driver.KWOK]), True)), GROUND, WANTED)
    assert [f.code for f in found] == [c.code for c in rights.CHECKS]
    assert {f.severity for f in found} == {"ok"}


def test_a_right_that_is_missing_is_named_as_an_administrator_grants_it() -> None:
    found = bad(rights.judged(RightsFacts({**OWN, SECRET: False}), GROUND, WANTED))
    wanted = "get secrets/headrace-operator in platform"
    assert found == {
        "rights-connect": ("warning", f"have an administrator of the cluster grant you: {wanted}")
    }


def test_rights_that_can_not_be_told_are_skipped() -> None:
    facts = RightsFacts({**OWN, SECRET: DENIED}, {Wish("list", NODES): DENIED})
    assert skipped(rights.judged(facts, GROUND, WANTED)) == ["rights-connect", "rights-drivers"]


@pytest.mark.parametrize(
    ("drivers", "verbs"),
    [
        ((), []),
        ((Driver.STATIC,), ["list", "patch", "create"]),
        ((Driver.KWOK, Driver.POWER), ["list", "patch", "create", "delete", "create"]),
    ],
)
def test_only_simulated_nodes_are_made_and_deleted_by_the_scaler(drivers: Any, verbs: list[str]) -> None:
    assert [each.verb for each in driver_wishes(drivers)] == verbs


def test_a_scaler_that_may_not_switch_nodes_is_a_fault() -> None:
    facts = RightsFacts(OWN, {Wish("patch", NODES): False})
    assert list(bad(rights.judged(facts, GROUND, WANTED))) == ["rights-drivers"]


def test_a_review_leaves_out_what_is_not_asked_about() -> None:
    assert review_of(Wish("list", NODES), "") == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "list", "version": "v1", "resource": "nodes"}},
    }
    assert review_of(SECRET, "somebody")["spec"]["user"] == "somebody"


# Nodes and pools


def node(name: str, status: str = "True", *, gpus: int = 0) -> dict[str, Any]:
    found = ready({"metadata": {"name": name, "labels": {POOL: "sim"}}}, status)
    found["status"]["allocatable"] = {"cpu": "2", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return found


def reason(text: str = "x") -> Reason:
    return Reason(ReasonCode.NO_POOL_FITS, text)


def explained(*nodes: NodeStory, unmet: tuple[Shortfall, ...] = ()) -> Explanation:
    story = FunctionStory("echo", reason(), 1, 0, 0, {}, {}, ServiceEstimate(1.0, 1.0), unmet=unmet)
    return Explanation(at=NOW, functions=(story,), nodes=nodes, pools=())


def story(name: str, state: NodeState = NodeState.IDLE, *, enabled: bool = True) -> NodeStory:
    return NodeStory(name, "sim", state, NOW, reason("it did not boot"), enabled)


POOLS = PoolFacts((ready(pool_object()),), (node("n"),), explained(story("n")))


def test_pools_and_nodes_that_are_ready_are_well() -> None:
    assert {f.severity for f in pools.judged(POOLS, GROUND)} == {"ok"}


def test_hosts_that_are_always_on_and_serve_gpus_need_no_label() -> None:
    hosts = pool_object("hosts", driver="static")
    hosts["spec"]["provides"] = "gpuServers"
    assert bad(pools.judged(replace(POOLS, pools=(ready(hosts),)), GROUND)) == {}


def test_this_machine_has_no_pools_of_its_own() -> None:
    found = pools.judged(PoolFacts(), Ground("state"))
    assert {f.severity for f in found} == {"skipped"}


@pytest.mark.parametrize(
    ("changes", "code", "severity", "remedy"),
    [
        (
            {"pools": ()},
            "nodes-pools",
            "fault",
            "pulumi up  # with `pools` in the stack, or kubectl apply a NodePool",
        ),
        (
            {"pools": (ready(pool_object(), "False", reason="DriverUnsupported", message="no hosts"),)},
            "nodes-pools",
            "fault",
            "kubectl --kubeconfig lab.yaml describe nodepools.headrace.dev sim",
        ),
        (
            {"pools": (ready(pool_object(nodes=0)),)},
            "nodes-pools",
            "fault",
            "kubectl --kubeconfig lab.yaml describe nodepools.headrace.dev sim",
        ),
        (
            {"pools": (ready(pool_object("box", driver="static")),)},
            "nodes-pools",
            "warning",
            "kubectl --kubeconfig lab.yaml label node NODE headrace.dev/pool=box",
        ),
        (
            {"explained": explained(story("n", NodeState.FAILED))},
            "nodes-boots",
            "warning",
            "headrace node list --state state  # why, a node a line",
        ),
        (
            {"nodes": (node("n", "Unknown"),)},
            "nodes-ready",
            "warning",
            "kubectl --kubeconfig lab.yaml describe node n",
        ),
        (
            {"explained": explained(story("n", enabled=False))},
            "nodes-disabled",
            "warning",
            "headrace node enable n --state state",
        ),
        (
            {"explained": explained(story("n"), unmet=(Shortfall(reason("needs a GPU"), 3),))},
            "nodes-unmet",
            "fault",
            "headrace explain echo --state state",
        ),
    ],
)
def test_what_is_wrong_with_nodes(changes: Any, code: str, severity: str, remedy: str) -> None:
    assert bad(pools.judged(replace(POOLS, **changes), GROUND)) == {code: (severity, remedy)}


# GPUs

WITH_GPUS = pool_object()
WITH_GPUS["spec"]["capacity"]["nvidia.com/gpu"] = "1"
PLUGIN = workload("gpu-plugin", numberReady=1, desiredNumberScheduled=1)
GPUS = GpuFacts(Gpus(), (WITH_GPUS,), (node("n", gpus=1),), (PLUGIN,))


def test_gpus_that_show_are_well() -> None:
    assert {f.severity for f in gpus.judged(GPUS, GROUND)} == {"ok"}


def test_a_cluster_without_gpus_is_well() -> None:
    found = gpus.judged(GpuFacts(Gpus(), (pool_object(),), (node("n"),)), GROUND)
    assert {f.severity for f in found} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"gpus": Gpus(servers=(ServerState("gpu1", "a", "rcuda", "none", (), "silent for 9 s"),))},
            "gpu-servers",
        ),
        ({"nodes": (node("n"),)}, "gpu-nodes"),
        (
            {"daemons": (workload("gpu-plugin", numberReady=0, desiredNumberScheduled=2),)},
            "gpu-plugins",
        ),
    ],
)
def test_what_is_wrong_with_gpus(changes: Any, code: str) -> None:
    found = bad(gpus.judged(replace(GPUS, **changes), GROUND))
    assert {name: severity for name, (severity, _) in found.items()} == {code: "fault"}


# Versions


@pytest.mark.parametrize(
    ("images", "severity"),
    [
        (("r.example:5000/headrace:0.1.0",) * 2, "ok"),
        (("headrace:0.1.0@sha256:1",) * 2, "ok"),
        (("headrace@sha256:1",) * 2, "ok"),  # a digest tells no version
        (("headrace:0.2.0",) * 2, "warning"),
        (("headrace:0.1.0", "headrace:0.2.0"), "warning"),
    ],
)
def test_services_are_of_one_version_and_this_commands(images: tuple[str, str], severity: str) -> None:
    found = [workload(name, image) for name, image in zip(("scaler", "receiver"), images, strict=True)]
    facts = VersionFacts("0.1.0", "3.13", [*found, workload("queue", "nats:2.15")])
    assert [f.severity for f in versions.judged(facts, GROUND)] == ["ok", severity]


def test_a_stack_of_this_machine_is_of_this_version() -> None:
    found = versions.judged(VersionFacts("0.1.0", "3.13"), Ground("state"))
    assert [f.severity for f in found] == ["ok", "skipped"]
