"""The platform on a cluster: API server, kinds, services, who leads, and how objects stand. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from headrace.doctor.finding import Check, Finding, Ground, listed
from headrace.kube.asking import Greeting
from headrace.kube.port import Manifest
from headrace.manifests.definitions import definitions
from headrace.model.errors import HeadraceError
from headrace.model.labels import COMPONENT, CONTROLLER_LEASE, LISTING_LEASE, SCALER_LEASE
from headrace.model.status import READY

GROUP = "cluster"
LEASES = {LISTING_LEASE: "receiver", SCALER_LEASE: "scaler", CONTROLLER_LEASE: "controller"}
LATE_SECONDS = 30.0  # beyond a lease's own length, for clocks that differ
SERVICES = ("queue", "receiver", "scaler", "controller")  # that every stack has; a store may be given

REACH = Check(
    "cluster-reach", GROUP,
    "Does the API server of the kubeconfig answer?",
    "kubectl --kubeconfig {kubeconfig} get --raw /readyz",
)  # fmt: skip
PLATFORM = Check(
    "cluster-platform", GROUP,
    "Is the platform deployed in the namespace, with the settings for people's commands?",
    "pulumi up  # or name the platform's namespace with --namespace",
)  # fmt: skip
KINDS = Check(
    "cluster-kinds", GROUP,
    "Are the kinds Function, Bucket, NodePool and GpuServer known, as this version has them?",
    "pulumi up  # with the version of Headrace that this command is of",
)  # fmt: skip
SERVICE = Check(
    "cluster-services", GROUP,
    "Are all pods of the services ready?",
    "kubectl --kubeconfig {kubeconfig} --namespace {namespace} describe pods "
    "--selector app.kubernetes.io/component={component}",
)  # fmt: skip
LEADERS = Check(
    "cluster-leases", GROUP,
    "Does one process each lead the listing, the scaler and the controller?",
    "kubectl --kubeconfig {kubeconfig} --namespace {namespace} logs "
    "--selector app.kubernetes.io/component={component}",
)  # fmt: skip
OBJECTS = Check(
    "cluster-objects", GROUP,
    "Are all functions and buckets ready?",
    "kubectl --kubeconfig {kubeconfig} --namespace {where} describe {kind} {name}",
)  # fmt: skip
CHECKS = (REACH, PLATFORM, KINDS, SERVICE, LEADERS, OBJECTS)

Seen = Sequence[Manifest] | HeadraceError  # objects, or why they can't be seen


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Objects of the cluster; `platform`: why the secret for people's commands can't be read; None: it can.

    `leases` are those of the platform's namespace; `now` is the API server's clock, in seconds.
    """

    greeting: Greeting | HeadraceError
    platform: HeadraceError | None = None
    definitions: Seen = ()
    workloads: Seen = ()
    leases: Seen = ()
    objects: Seen = field(default=())
    now: float = 0.0


def judged(facts: ClusterFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of it."""
    if isinstance(facts.greeting, HeadraceError):
        reach = REACH.fault(ground, str(facts.greeting))
        return (reach, *(each.skipped(f"{REACH.code} comes first") for each in CHECKS[1:]))
    return (
        REACH.ok(f"it answers, version {facts.greeting.version}"),
        _platform(facts, ground),
        _kinds(facts.definitions, ground),
        _services(facts.workloads, ground),
        _leaders(facts, ground),
        _objects(facts.objects, ground),
    )


def _platform(facts: ClusterFacts, ground: Ground) -> Finding:
    if facts.platform is not None:
        return PLATFORM.fault(ground, str(facts.platform))
    return PLATFORM.ok(f"in namespace {ground.namespace}")


def _kinds(found: Seen, ground: Ground) -> Finding:
    if isinstance(found, HeadraceError):
        return KINDS.skipped(str(found))
    there = {each["metadata"]["name"]: each for each in found}
    wanted = {each["metadata"]["name"]: each for each in definitions()}
    missing = sorted(wanted.keys() - there.keys())
    if missing:
        return KINDS.fault(ground, f"not known: {listed(missing)}")
    old = sorted(name for name in wanted if schema_of(there[name]) != schema_of(wanted[name]))
    if old:
        return KINDS.fault(ground, f"of another version than this command: {listed(old)}")
    return KINDS.ok(f"{len(wanted)} kinds, as this version has them")


def schema_of(definition: Manifest) -> Mapping[str, Any]:
    """Of the versions that are served: their schemas, by which objects are judged."""
    versions = definition.get("spec", {}).get("versions", ())
    return {each["name"]: each.get("schema") for each in versions if each.get("served")}


def component_of(manifest: Manifest) -> str:
    """Which service an object is of."""
    return str((manifest["metadata"].get("labels") or {}).get(COMPONENT, manifest["metadata"]["name"]))


def _services(found: Seen, ground: Ground) -> Finding:
    if isinstance(found, HeadraceError):
        return SERVICE.skipped(str(found))
    there = {component_of(each): each for each in found}
    missing = [name for name in SERVICES if name not in there]
    if missing:
        return SERVICE.fault(ground, f"not deployed: {listed(missing)}", component=missing[0])
    lacking = {name: told for name, each in there.items() if (told := _lacking(each))}
    if lacking:
        told = ", ".join(f"{name} {each}" for name, each in sorted(lacking.items()))
        return SERVICE.fault(ground, f"not ready: {told}", component=min(lacking))
    return SERVICE.ok(f"ready: {', '.join(sorted(there))}")


def _lacking(workload: Manifest) -> str:
    """How many pods are ready of how many; empty: all are. A daemon set has no `replicas`."""
    status = workload.get("status", {})
    wanted = workload.get("spec", {}).get("replicas", status.get("desiredNumberScheduled", 0))
    ready = status.get("readyReplicas", status.get("numberReady", 0))
    return "" if ready >= wanted else f"{ready} of {wanted}"


def _leaders(facts: ClusterFacts, ground: Ground) -> Finding:
    if isinstance(facts.leases, HeadraceError):
        return LEADERS.skipped(str(facts.leases))
    held = {each["metadata"]["name"]: each.get("spec", {}) for each in facts.leases}
    lost = {name: told for name in LEASES if (told := _unheld(held.get(name), facts.now))}
    if lost:
        told = ", ".join(f"{name}: {each}" for name, each in lost.items())
        return LEADERS.fault(ground, told, component=LEASES[next(iter(lost))])
    return LEADERS.ok(", ".join(f"{LEASES[name]}: {held[name]['holderIdentity']}" for name in LEASES))


def _unheld(lease: Mapping[str, Any] | None, now: float) -> str:
    """What is wrong with a lease; empty: somebody holds it."""
    if lease is None:
        return "nobody has ever led"
    if not lease.get("holderIdentity"):
        return "nobody holds it"
    renewed = lease.get("renewTime")
    age = now - datetime.fromisoformat(renewed).timestamp() if renewed else None
    if age is None or age > float(lease.get("leaseDurationSeconds", 15)) + LATE_SECONDS:
        since = "ever" if age is None else f"for {age:,.0f} s"
        return f"{lease['holderIdentity']} has not renewed it {since}"
    return ""


def _objects(found: Seen, ground: Ground) -> Finding:
    if isinstance(found, HeadraceError):
        return OBJECTS.skipped(str(found))
    unready = list(_unready(found))
    if not unready:
        return OBJECTS.ok(f"all {len(found):,} are ready" if found else "there are none yet")
    first, _ = unready[0]
    metadata = first["metadata"]
    return OBJECTS.fault(
        ground,
        listed(told for _, told in unready),
        kind=f"{first['kind'].lower()}s.headrace.dev",
        name=metadata["name"],
        where=metadata.get("namespace", ground.namespace),
    )


def _unready(found: Sequence[Manifest]) -> Iterator[tuple[Manifest, str]]:
    for each in found:
        if told := unready(each):
            yield each, f"{each['kind']} {each['metadata']['name']}: {told}"


def unready(manifest: Manifest) -> str:
    """Why an object is not ready, by its status; empty: it is."""
    conditions = manifest.get("status", {}).get("conditions") or ()
    ready = next((each for each in conditions if each.get("type") == READY), None)
    if ready is None:
        return "nobody has looked at it yet"
    return "" if ready.get("status") == "True" else f"{ready.get('reason')}: {ready.get('message', '')}"
