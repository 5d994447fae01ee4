"""Which groups are asked of what: a stack of this machine, a cluster's, or neither."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headrace.catalog.folder import Examined, Installed
from headrace.doctor import clocks, cluster, gpus, machine, pools, queue, rights, stack, store, versions
from headrace.doctor.asking import Group, skipping
from headrace.doctor.clocks import CLUSTER, QUEUE, STORE, ClockFacts, Reading
from headrace.doctor.finding import Check, Finding, Ground
from headrace.doctor.probes import clocks as clock_probe
from headrace.doctor.probes import cluster as cluster_probe
from headrace.doctor.probes.cluster import Site
from headrace.doctor.probes.machine import machine_facts, python_told
from headrace.doctor.probes.queue import queue_facts
from headrace.doctor.probes.stack import stack_facts
from headrace.doctor.probes.store import Looking, store_facts
from headrace.local.state import StackState, StateDirectory
from headrace.model.errors import HeadraceError
from headrace.model.settings import Settings
from headrace.model.tenancy import tenant_of
from headrace.operations.stack import Stack
from headrace.queue.accounts import queue_of
from headrace.scaler.explaining import Explanation
from headrace.storage.s3 import S3Storage

SCALER_ACCOUNT = "system:serviceaccount:{namespace}:headrace-scaler"
EVERY: Sequence[Check] = (
    *machine.CHECKS, *stack.CHECKS, *cluster.CHECKS, *rights.CHECKS, *queue.CHECKS, *store.CHECKS,
    *clocks.CHECKS, *pools.CHECKS, *gpus.CHECKS, *versions.CHECKS,
)  # fmt: skip
NO_CLUSTER = "no cluster: name one with --kubeconfig"
NO_STACK = "there is no stack yet"


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. `settings`: by which store and queue are reached from here; `unreached`: why not.

    `told`, `explained` and `examined` are of a stack on this machine, `site` of a cluster. `trouble`: why its
    settings can't be read, of a cluster the secret's.
    """

    ground: Ground
    client: str
    settings: Settings | None = None
    functions: Sequence[Installed] = ()
    unreached: str = NO_STACK
    trouble: HeadraceError | None = None
    told: StackState | None = None
    explained: Explanation | None = None
    examined: Examined | None = None
    site: Site | None = None
    writes: bool = False


def groups(patient: Patient) -> Sequence[Group]:
    """In the order in which they are told; all are asked at once."""
    return (
        Group(machine.GROUP, machine.CHECKS, partial(_machine, patient)),
        *_place(patient),
        *_servers(patient),
        Group(clocks.GROUP, clocks.CHECKS, partial(_clocks, patient)),
        Group(pools.GROUP, pools.CHECKS, partial(_pools, patient)),
        _gpus(patient),
        Group(versions.GROUP, versions.CHECKS, partial(_versions, patient)),
    )


def _place(patient: Patient) -> Sequence[Group]:
    """A stack's own folder, or the cluster."""
    if patient.site is None:
        return (Group(stack.GROUP, stack.CHECKS, partial(_stack, patient)),)
    return (
        Group(cluster.GROUP, cluster.CHECKS, partial(_cluster, patient, patient.site)),
        Group(rights.GROUP, rights.CHECKS, partial(_rights, patient, patient.site)),
    )


def _servers(patient: Patient) -> Sequence[Group]:
    if patient.settings is None or patient.unreached:
        reason = patient.unreached or NO_STACK
        return tuple(skipping(each.GROUP, each.CHECKS, reason) for each in (queue, store))
    return (
        Group(queue.GROUP, queue.CHECKS, partial(_queue, patient, patient.settings)),
        Group(store.GROUP, store.CHECKS, partial(_store, patient, patient.settings), seconds=60.0),
    )


def _gpus(patient: Patient) -> Group:
    if patient.site is None:
        return skipping(gpus.GROUP, gpus.CHECKS, NO_CLUSTER)
    return Group(gpus.GROUP, gpus.CHECKS, partial(_asked_gpus, patient, patient.site))


async def _machine(patient: Patient) -> Sequence[Finding]:
    return machine.judged(await machine_facts(Path(patient.ground.state)), patient.ground)


async def _stack(patient: Patient) -> Sequence[Finding]:
    facts = await stack_facts(
        StateDirectory(Path(patient.ground.state)),
        patient.settings,
        trouble=patient.trouble,
        told=patient.told,
        examined=patient.examined,
    )
    return stack.judged(facts, patient.ground)


async def _cluster(patient: Patient, site: Site) -> Sequence[Finding]:
    return cluster.judged(await cluster_probe.cluster_facts(site, patient.trouble), patient.ground)


async def _rights(patient: Patient, site: Site) -> Sequence[Finding]:
    wanted = rights.wishes(site.platform, site.functions)
    own = [wish for wishes in wanted.values() for wish in wishes]
    user = SCALER_ACCOUNT.format(namespace=site.platform)
    return rights.judged(await cluster_probe.rights_facts(site, own, user), patient.ground, wanted)


async def _queue(patient: Patient, settings: Settings) -> Sequence[Finding]:
    names = [each.function.name for each in patient.functions]
    return queue.judged(await queue_facts(settings.queue, names), patient.ground)


async def _store(patient: Patient, settings: Settings) -> Sequence[Finding]:
    storage, tasks = S3Storage(settings.storage), queue_of(settings.queue)
    seen = Stack(
        storage,
        tasks,
        tuple(patient.functions),
        settings.platform_bucket,
        settings.buckets,
        settings.kubernetes,
    )
    looking = Looking(time.time, settings.receiver.listing_seconds, patient.writes)
    try:
        return store.judged(await store_facts(settings.storage, seen, looking), patient.ground)
    finally:
        await tasks.close()
        await storage.close()


async def _clocks(patient: Patient) -> Sequence[Finding]:
    read = await _readings(patient)
    if patient.site is None:
        return clocks.judged(ClockFacts(read), patient.ground)
    facts = await clock_probe.node_facts(patient.site.kube, patient.site.asked, read)
    return clocks.judged(facts, patient.ground)


async def _readings(patient: Patient) -> dict[str, Reading | str]:
    found: dict[str, Reading | str] = {}
    if (site := patient.site) is not None:

        async def ask() -> float | None:
            return (await site.asked.greet()).date

        found[CLUSTER] = await clock_probe.read(ask, coarse=True)
    if patient.settings is None or patient.unreached:
        return found
    storage, settings = patient.settings.storage, patient.settings.queue
    found[STORE] = await clock_probe.read(partial(clock_probe.store_date, storage.address), coarse=True)
    own = [each.function.name for each in patient.functions if not tenant_of(each.function.name)]
    if own:
        ask_queue = partial(clock_probe.queue_date, settings, own[0])
        found[QUEUE] = await clock_probe.read(ask_queue, coarse=False)
    return found


async def _pools(patient: Patient) -> Sequence[Finding]:
    if patient.site is None:
        return pools.judged(pools.PoolFacts(explained=patient.explained), patient.ground)
    return pools.judged(await cluster_probe.pool_facts(patient.site), patient.ground)


async def _asked_gpus(patient: Patient, site: Site) -> Sequence[Finding]:
    return gpus.judged(await cluster_probe.gpu_facts(site), patient.ground)


async def _versions(patient: Patient) -> Sequence[Finding]:
    workloads = None
    if patient.site is not None:
        workloads = await cluster_probe.workloads(patient.site.kube, patient.site.platform)
    return versions.judged(versions.VersionFacts(patient.client, python_told(), workloads), patient.ground)
