"""All sources of one stack, each asked in a loop of its own, and what they gave so far."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from headrace.catalog.folder import Installed
from headrace.model.pool import NodePool
from headrace.model.settings import Settings
from headrace.nodes.local import NAME
from headrace.operations.records import Records
from headrace.operations.stack import Stack
from headrace.queue.port import Backlog, Queue
from headrace.scaler.explaining import Explanation
from headrace.status.asking import QUEUE, RECORDS, WORKERS, Counting, read_backlogs, read_heard
from headrace.status.cluster import Cluster
from headrace.status.machine import read_folder, read_plan_file
from headrace.status.sight import FunctionSeen, GpusSeen, Sight
from headrace.status.sources import Answer, Asked, Terms, of_functions
from headrace.storage.port import Storage

FUNCTIONS = Terms("functions", ("functions",), 2.0, 20.0, 30.0)
_PLANNED = ("workers", "working", "wanted", "why", "unmet", "gpu", "fileSeconds", "startSeconds", "forecast")
_FLEET = ("nodes", "pools", "tenants", "decisions", "course", "cost")
PLAN = Terms("plan", (*of_functions(_PLANNED), *_FLEET), 1.0, 20.0, 30.0)
POOLS = Terms("pools", ("pools.driver", "pools.provides", "pools.pricePerHour", "cost"), 5.0, 20.0, 60.0)
GPUS = Terms("gpus", ("gpus",), 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Readers:
    """What is read otherwise on one machine than on a cluster; None: there is no such source."""

    functions: Callable[[], Awaitable[Answer[tuple[FunctionSeen, ...]]]]
    plan: Callable[[], Awaitable[Answer[Explanation]]]
    pools: Callable[[], Awaitable[Answer[Mapping[str, NodePool]]]] | None = None
    gpus: Callable[[], Awaitable[Answer[GpusSeen]]] | None = None
    places: Callable[[], Mapping[str, str]] = dict  # by worker its node


def machine_readers(settings: Settings, plan_file: Path) -> Readers:
    """Of a stack on this machine."""
    places = {"": NAME}  # all are here
    return Readers(partial(read_folder, settings), partial(read_plan_file, plan_file), places=lambda: places)


def cluster_readers(cluster: Cluster) -> Readers:
    """Of a stack on Kubernetes."""
    return Readers(
        cluster.read_functions,
        cluster.read_plan,
        cluster.read_pools,
        cluster.read_gpus,
        lambda: cluster.places,
    )


class Gathering:
    """The sources of a stack. `now` gives seconds since the epoch."""

    def __init__(
        self,
        settings: Settings,
        readers: Readers,
        storage: Storage,
        queue: Queue,
        *,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._queue = queue
        self._functions = Asked(FUNCTIONS, readers.functions, now)
        self._backlogs = Asked(QUEUE, lambda: read_backlogs(queue, self._known), now)
        records = Records(storage, settings.platform_bucket)
        counting = Counting(records, self._known, self._queued, now)
        self._counts = Asked(RECORDS, counting.read, now)
        self._plan = Asked(PLAN, readers.plan, now)
        self._heard = Asked(WORKERS, lambda: read_heard(queue, readers.places), now)
        self._pools = Asked(POOLS, readers.pools, now) if readers.pools else None
        self._gpus = Asked(GPUS, readers.gpus, now) if readers.gpus else None

    @property
    def _all(self) -> Sequence[Asked[Any]]:
        parts = (self._functions, self._backlogs, self._counts, self._plan, self._heard)
        return (*parts, *(each for each in (self._pools, self._gpus) if each is not None))

    def _known(self) -> Sequence[FunctionSeen]:
        return self._functions.value or ()

    def _queued(self) -> Mapping[str, Backlog | None]:
        return self._backlogs.value or {}

    @property
    def sight(self) -> Sight:
        """What is known now."""
        return Sight(
            sources=tuple(each.state for each in self._all),
            functions=self._functions.value,
            backlogs=self._backlogs.value,
            counts=self._counts.value,
            plan=self._plan.value,
            plan_is_fresh=self._plan.is_fresh,
            pools=self._pools.value if self._pools else None,
            heard=self._heard.value,
            gpus=self._gpus.value if self._gpus else None,
        )

    @property
    def stack(self) -> Stack:
        """The stack with the functions that are known now."""
        installed = tuple(
            Installed(each.function, Path(), each.digest)
            for each in self._known()
            if each.function is not None
        )
        settings = self._settings
        return Stack(
            self._storage,
            self._queue,
            installed,
            settings.platform_bucket,
            settings.buckets,
            settings.kubernetes,
        )

    @property
    def unready(self) -> str:
        """Which sources have never answered, and why, for people; empty: all have."""
        silent = [each.state for each in self._all if not each.has_answered]
        return "; ".join(f"{each.name}: {each.error or 'not asked yet'}" for each in silent)

    def hurry(self) -> None:
        """Ask all of them again at once: a person has changed something."""
        for each in self._all:
            each.hurry()

    async def look(self) -> None:
        """Ask each of them once: first what there is, then how it is."""
        await self._functions.look()
        await self._backlogs.look()
        await asyncio.gather(*(each.look() for each in self._all[2:]))

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Ask them again and again while the block runs."""
        tasks = [asyncio.create_task(each.run(), name=f"source {each.terms.name}") for each in self._all]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
