"""Headrace's own services on Kubernetes: their pods, accounts and rights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pulumi

from headrace.manifests.worker_pod import SETTINGS
from headrace.model.labels import SETTINGS_KEY
from headrace.model.quantity import parse_bytes
from infra import names
from infra.access import Access, Rule
from infra.host_files import PLACE as HOSTS
from infra.manifests import parts
from infra.manifests.parts import (
    HEALTH_PORT,
    SETTINGS_MARK,
    Amounts,
    Manifest,
    metadata,
    service_container,
    service_pod,
)

RBAC = "rbac.authorization.k8s.io"
RECEIVER_PORT = API_PORT = STATUS_PORT = 8080
SPOOL = "/spool"  # where the API keeps uploads until they are whole
RECEIVER_GRACE_SECONDS = 45  # a poll of SQS that is under way takes 20 s, and what it brings a few more
MODULES: Mapping[str, str] = {
    names.RECEIVER: "headrace.events",
    names.SCALER: "headrace.scaler",
    names.CONTROLLER: "headrace.controller",
    names.API: "headrace.api",
    names.STATUS: "headrace.status",
}
PORTS: Mapping[str, int] = {  # others answer the kubelet alone
    names.RECEIVER: RECEIVER_PORT,
    names.API: API_PORT,
    names.STATUS: STATUS_PORT,
}

AMOUNTS: Mapping[str, Amounts] = {
    names.RECEIVER: Amounts(cpu="50m", memory="192Mi", most_memory="512Mi"),
    names.SCALER: Amounts(cpu="100m", memory="256Mi", most_memory="1Gi"),
    names.CONTROLLER: Amounts(cpu="50m", memory="192Mi", most_memory="512Mi"),
    names.API: Amounts(cpu="50m", memory="192Mi", most_memory="512Mi"),
    names.STATUS: Amounts(cpu="50m", memory="192Mi", most_memory="512Mi"),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """One service; `mark` changes with its settings, and may be known only when those are."""

    name: str
    namespace: str
    image: str
    replicas: int
    mark: pulumi.Input[str] = field(repr=False)
    static_pools: Sequence[str] = ()
    pull: Sequence[str] = ()
    host_files: Mapping[str, str] = field(default_factory=dict)  # place -> key of its secret
    spool_bytes: int = 0  # of disk, for uploads

    @property
    def port(self) -> int:
        """Where it answers the kubelet."""
        return PORTS.get(self.name, HEALTH_PORT)

    @property
    def amounts(self) -> Amounts:
        """What its container asks for, its spool included."""
        own = AMOUNTS[self.name]
        disk = parse_bytes(own.disk) + self.spool_bytes
        return replace(own, disk=str(disk)) if self.spool_bytes else own


def deployment(workload: Workload) -> Manifest:
    """Its pods; their mark has them replaced when the settings change."""
    notes = {SETTINGS_MARK: workload.mark}
    pod = _pod(workload)
    return parts.deployment(
        workload.name, workload.namespace, replicas=workload.replicas, pod=pod, notes=notes
    )


def _pod(workload: Workload) -> Manifest:
    secret = {"secretName": names.own(workload.name), "defaultMode": 0o440}
    pod = service_pod(
        workload.name, _container(workload), static_pools=workload.static_pools, pull=workload.pull
    )
    volumes = [{"name": "settings", "secret": secret}, {"name": "tmp", "emptyDir": {"sizeLimit": "32Mi"}}]
    if workload.host_files:
        items = [{"key": key, "path": place} for place, key in workload.host_files.items()]
        volumes.append({"name": "hosts", "secret": {**secret, "items": items}})
    if workload.spool_bytes:
        volumes.append({"name": "spool", "emptyDir": {"sizeLimit": workload.amounts.disk}})
    if workload.name == names.RECEIVER:
        pod["terminationGracePeriodSeconds"] = RECEIVER_GRACE_SECONDS
    return {**pod, "volumes": volumes}


def _container(workload: Workload) -> Manifest:
    name = workload.name
    args = ["--settings", f"{SETTINGS}/{SETTINGS_KEY}"]
    made = service_container(
        name,
        workload.image,
        MODULES[name],
        args=args,
        amounts=workload.amounts,
        port=workload.port,
        live="/health" if name == names.API else "/healthz",  # as OSCAR's API has it
    )
    return {
        **made,
        "env": [{"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],  # its root can't be written
        "volumeMounts": [
            {"name": "settings", "mountPath": SETTINGS, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (in a pod of one program)
            *([{"name": "hosts", "mountPath": HOSTS, "readOnly": True}] if workload.host_files else ()),
            *([{"name": "spool", "mountPath": SPOOL}] if workload.spool_bytes else ()),
        ],
    }


def account(service: str, namespace: str) -> Manifest:
    """The service account."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(names.own(service), namespace, service),
    }


def roles(service: str, access: Access, *, platform: str, functions: Sequence[str]) -> Iterator[Manifest]:
    """Roles and their bindings, where there are rules; `functions`: namespaces where functions are."""
    subject = {"kind": "ServiceAccount", "name": names.own(service), "namespace": platform}
    for namespace, rules in ((platform, access.platform), *((each, access.functions) for each in functions)):
        if rules:
            yield from _granted(service, rules, subject=subject, namespace=namespace)
    if access.cluster:
        yield from _granted(service, access.cluster, subject=subject, namespace=None)


def group_roles(component: str, access: Access) -> Iterator[Manifest]:
    """The same of the whole cluster alone, for people who come in the group of that name."""
    subject = {"kind": "Group", "apiGroup": RBAC, "name": names.own(component)}
    yield from _granted(component, access.cluster, subject=subject, namespace=None)


def role_to_bind(component: str, access: Access) -> Manifest:
    """What people may do where functions are; whoever knows the people binds it, in a namespace."""
    named = {"name": names.own(component), "labels": names.labels(component)}
    rules = list(access.functions)
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": named, "rules": rules}


def _granted(
    service: str, rules: Sequence[Rule], *, subject: Mapping[str, str], namespace: str | None
) -> tuple[Manifest, Manifest]:
    kind = "ClusterRole" if namespace is None else "Role"
    named = {"name": names.own(service), "labels": names.labels(service)}
    where = named if namespace is None else {**named, "namespace": namespace}
    role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": where, "rules": list(rules)}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": where,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": names.own(service)},
        "subjects": [dict(subject)],
    }
    return role, binding
