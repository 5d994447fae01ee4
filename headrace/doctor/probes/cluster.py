"""What an API server has of the platform's objects, and what it lets whom do."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from headrace.catalog.deployed import pool_of, sound
from headrace.connect.operator import settings_of
from headrace.doctor.cluster import ClusterFacts, Seen
from headrace.doctor.gpus import GpuFacts
from headrace.doctor.pools import PoolFacts
from headrace.doctor.rights import RightsFacts, driver_wishes
from headrace.kube import kinds
from headrace.kube.asking import Asked, Wish
from headrace.kube.kinds import Kind
from headrace.kube.port import EVERYTHING, Kube, Manifest, Selection
from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.labels import HEADRACE, OPERATOR_SECRET, PART_OF, PLAN
from headrace.model.pool import Driver
from headrace.model.settings import Settings
from headrace.operations.gpus import Objects, gpus_of
from headrace.scaler.kubernetes.telling import explanation_of

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster that is asked: its objects, other questions, and the namespaces of platform and functions."""

    kube: Kube
    asked: Asked
    platform: str
    functions: Sequence[str]


async def attempt(call: Awaitable[Value]) -> Value | HeadraceError:
    """What it gives, or its error in the place of that."""
    try:
        return await call
    except HeadraceError as error:
        return error


async def seen(kube: Kube, kind: Kind, selection: Selection = EVERYTHING) -> Seen:
    """Objects, or why they can't be seen; none where the kind is not known."""
    found = await attempt(kube.list(kind, selection))
    if isinstance(found, NotFoundError):
        return ()
    return found if isinstance(found, HeadraceError) else tuple(found.items)


async def seen_in(kube: Kube, kind: Kind, namespaces: Iterable[str]) -> Seen:
    """The same of several namespaces; the first fault stands for all."""
    found = await asyncio.gather(*(seen(kube, kind, Selection(each)) for each in namespaces))
    faults = [each for each in found if isinstance(each, HeadraceError)]
    return faults[0] if faults else tuple(chain.from_iterable(_objects(each) for each in found))


def _objects(found: Seen) -> Sequence[Manifest]:
    return () if isinstance(found, HeadraceError) else found


async def operator_settings(kube: Kube, platform: str) -> Settings:
    """The settings for people's commands. Raises HeadraceError."""
    return settings_of(await kube.get(kinds.SECRETS, OPERATOR_SECRET, namespace=platform))


async def workloads(kube: Kube, platform: str) -> Seen:
    """The services' Deployments and StatefulSets."""
    own = Selection(platform, {PART_OF: HEADRACE})
    found = [await seen(kube, kind, own) for kind in (kinds.DEPLOYMENTS, kinds.STATEFUL_SETS)]
    faults = [each for each in found if isinstance(each, HeadraceError)]
    return faults[0] if faults else tuple(chain.from_iterable(_objects(each) for each in found))


async def cluster_facts(site: Site, platform: HeadraceError | None) -> ClusterFacts:
    """`platform`: why the settings for people's commands can't be read."""
    greeting = await attempt(site.asked.greet())
    if isinstance(greeting, HeadraceError):
        return ClusterFacts(greeting)
    definitions, services, leases, functions, buckets = await asyncio.gather(
        seen(site.kube, kinds.CUSTOM_RESOURCE_DEFINITIONS),
        workloads(site.kube, site.platform),
        seen(site.kube, kinds.LEASES, Selection(site.platform)),
        seen_in(site.kube, kinds.FUNCTIONS, site.functions),
        seen_in(site.kube, kinds.BUCKETS, site.functions),
    )
    objects = next(
        (each for each in (functions, buckets) if isinstance(each, HeadraceError)),
        (*_objects(functions), *_objects(buckets)),
    )
    now = greeting.date if greeting.date is not None else time.time()
    return ClusterFacts(greeting, platform, definitions, services, leases, objects, now)


async def pool_facts(site: Site) -> PoolFacts:
    """Pools, nodes, and what the scaler told."""
    pools, nodes = await asyncio.gather(seen(site.kube, kinds.NODE_POOLS), seen(site.kube, kinds.NODES))
    plan = await attempt(site.kube.get(kinds.CONFIG_MAPS, PLAN, namespace=site.platform))
    if isinstance(plan, HeadraceError):
        return PoolFacts(pools, nodes, None, f"the scaler has told nothing: {plan}")
    return PoolFacts(pools, nodes, explanation_of(plan))


async def gpu_facts(site: Site) -> GpuFacts:
    """Local and remote ones, and the daemons that make them usable."""
    wanted = (
        kinds.NODE_POOLS,
        kinds.NODES,
        kinds.PODS,
        kinds.GPU_SERVERS,
        kinds.RESOURCE_SLICES,
        kinds.RESOURCE_CLAIMS,
    )
    found = await asyncio.gather(*(seen(site.kube, kind) for kind in wanted))
    daemons = await seen(site.kube, kinds.DAEMON_SETS, Selection(labels={PART_OF: HEADRACE}))
    faults = [each for each in found if isinstance(each, HeadraceError)]
    gpus = faults[0] if faults else gpus_of(Objects(*map(_objects, found)))
    return GpuFacts(gpus, found[0], found[1], daemons)


async def rights_facts(site: Site, own: Iterable[Wish], user: str) -> RightsFacts:
    """The caller's rights, and those of the scaler's account, `user`, on nodes of the drivers in use."""
    pools = sound(_objects(await seen(site.kube, kinds.NODE_POOLS)), pool_of)
    drivers = {each.spec.driver for each in pools} - {Driver.MEMORY, Driver.LOCAL}
    mine, scalers = await asyncio.gather(
        _granted(site.asked, own), _granted(site.asked, driver_wishes(drivers), user)
    )
    return RightsFacts(mine, scalers)


async def _granted(
    asked: Asked, wanted: Iterable[Wish], user: str = ""
) -> Mapping[Wish, bool | HeadraceError]:
    wishes = list(dict.fromkeys(wanted))
    answers = await asyncio.gather(*(attempt(asked.may(wish, user=user)) for wish in wishes))
    return dict(zip(wishes, answers, strict=True))
