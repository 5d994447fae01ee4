"""Runs a comparison on a cluster: one way after the other, so that none disturbs another. Nothing stays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry_if_exception_type,
    retry_if_result,
    wait_fixed,
)

from headrace.assessment.candidates import Candidate
from headrace.assessment.judging import Course, judged
from headrace.assessment.observing import counted_seconds, look, workers_of
from headrace.assessment.plan import File, Plan, bucket_of, copy_of
from headrace.assessment.result import Assessment, WayResult, assessment_of
from headrace.gpu.backends.table import Backends
from headrace.kube.kinds import BUCKETS, FUNCTIONS, Kind
from headrace.kube.port import Kube
from headrace.model.errors import HeadraceError, NotFoundError, TransientError
from headrace.model.keys import prefixes_of
from headrace.model.labels import ASSESSMENT
from headrace.model.status import READY, BucketStatus, FunctionStatus, Truth, told
from headrace.operations.concurrently import concurrently
from headrace.operations.records import Records
from headrace.storage.port import Storage

Manifest = Mapping[str, Any]

LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds at most: for workers to run, nodes' boots included; for all files of a way; for what is made
    to be ready, and to be gone."""

    start: float = 900.0
    work: float = 3600.0
    ready: float = 60.0
    gone: float = 180.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it runs. `now` gives seconds since the epoch."""

    kube: Kube
    storage: Storage
    platform_bucket: str
    backends: Backends
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)


Tell = Callable[[str, int], None]  # what is done now, and how many of its files have ended


class Assessor:
    """Runs one plan."""

    def __init__(self, plan: Plan, ground: Ground, patience: Patience, tell: Tell) -> None:
        self._plan = plan
        self._ground = ground
        self._patience = patience
        self._tell = tell
        self._records = Records(ground.storage, ground.platform_bucket)

    async def run(self) -> Assessment:
        """All ways. One that fails says so in its result; what was made is removed in any case.

        Raises what keeps it from beginning: ConfigurationError where the cluster refuses the bucket,
        TransientError where that is not made in time.
        """
        results: list[WayResult] = []
        trouble = ""
        try:
            async with self._made(BUCKETS, bucket_of(self._plan)):
                await self._bucket_is_ready()
                results += [await self._way(candidate) for candidate in self._plan.taken]
        except HeadraceError as error:
            if not results:
                raise
            trouble = str(error)
        return assessment_of(self._plan, results, trouble)

    async def _bucket_is_ready(self) -> None:
        async def ready() -> bool:
            found = await self._ground.kube.get(BUCKETS, self._plan.bucket, namespace=self._plan.namespace)
            conditions = told(found, BucketStatus).conditions
            return any(each.type == READY and each.status is Truth.TRUE for each in conditions)

        if not await self._until(ready, self._patience.ready):
            raise TransientError(
                f"bucket {self._plan.bucket} was not made within {self._patience.ready:g} s; "
                "does the controller run?"
            )

    # One way

    async def _way(self, candidate: Candidate) -> WayResult:
        name = self._plan.name_of(candidate)
        result = WayResult(candidate.name, candidate.way.told)
        try:
            async with self._swept_after(name), self._made(FUNCTIONS, copy_of(self._plan, candidate)):
                result = judged(self._plan, candidate, await self._tried(candidate, name))
        except HeadraceError as error:  # where only the removal failed, what was measured is kept
            result = replace(result, trouble="; ".join(filter(None, (result.trouble, str(error)))))
        return result

    async def _tried(self, candidate: Candidate, name: str) -> Course:
        self._tell(f"{candidate.name}: waits for workers", 0)
        begun = self._ground.now()
        if not await self._until(partial(self._runs, name), self._patience.start):
            wanted = f"found {len(await self._workers(name))} workers, wanted {self._plan.workers}"
            return Course(trouble=f"{wanted} within {self._patience.start:g} s: {await self._standing(name)}")
        start_seconds = self._ground.now() - begun
        self._tell(f"{candidate.name}: uploads", 0)
        await concurrently(partial(self._upload, candidate), self._plan.files)
        in_time = await self._until(partial(self._ended, candidate, name), self._patience.work)
        return await self._course(name, start_seconds, "" if in_time else f"within {self._patience.work:g} s")

    async def _workers(self, name: str) -> Sequence[Manifest]:
        return await workers_of(self._ground.kube, self._plan.namespace, name)

    async def _runs(self, name: str) -> bool:
        return len(await self._workers(name)) >= self._plan.workers

    async def _standing(self, name: str) -> str:
        """What the controller says of a copy."""
        found = await self._ground.kube.get(FUNCTIONS, name, namespace=self._plan.namespace)
        conditions = told(found, FunctionStatus).conditions
        return "; ".join(each.message for each in conditions if each.message) or "the controller says nothing"

    async def _upload(self, candidate: Candidate, file: File) -> None:
        key = self._plan.key_of(candidate, file)
        await self._ground.storage.put(self._plan.bucket, key, file.path)

    async def _ended(self, candidate: Candidate, name: str) -> bool:
        ended = len(await self._records.listed(name))
        self._tell(f"{candidate.name}: computes", ended)
        return ended >= len(self._plan.files)

    async def _course(self, name: str, start_seconds: float, late: str) -> Course:
        """What there is to see of a way, while its workers are still there."""
        sight = await look(self._ground.kube, self._plan.namespace, name)
        found = await concurrently(partial(self._records.find, name), await self._records.listed(name))
        return Course(
            start_seconds,
            tuple(each for each in found if each is not None),
            sight,
            await counted_seconds(sight, self._ground.backends),
            late,
        )

    # What is made, and removed

    @asynccontextmanager
    async def _made(self, kind: Kind, manifest: Manifest) -> AsyncIterator[None]:
        name = manifest["metadata"]["name"]
        try:
            await self._ground.kube.create(kind, manifest)
        except TransientError:  # it may be there nevertheless
            await self._removed(kind, name)
            raise
        try:
            yield
        finally:
            self._tell(f"{kind.name} {name} is removed", 0)
            await self._removed(kind, name)

    async def _removed(self, kind: Kind, name: str) -> None:
        async def gone() -> bool:
            try:
                await self._ground.kube.delete(kind, name, namespace=self._plan.namespace)
                await self._ground.kube.get(kind, name, namespace=self._plan.namespace)
            except NotFoundError:
                return True
            return False

        if not await self._until(gone, self._patience.gone):
            raise TransientError(
                f"{kind.name} {name} is not gone within {self._patience.gone:g} s; see to it by "
                f"kubectl delete functions,buckets --namespace {self._plan.namespace} "
                f"--selector {ASSESSMENT}={self._plan.id}"
            )

    @asynccontextmanager
    async def _swept_after(self, name: str) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._sweep(name)

    async def _sweep(self, name: str) -> None:
        """Nothing of a copy stays in the platform's bucket."""
        storage, bucket = self._ground.storage, self._ground.platform_bucket
        for prefix in prefixes_of(name):
            keys = [each.key async for each in storage.list(bucket, prefix)]
            if keys:
                await storage.delete(bucket, keys)

    async def _until(self, step: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Whether a step says yes in time; a server that does not answer now may answer later."""
        end = self._ground.now() + seconds

        def out_of_time(_: RetryCallState) -> bool:
            return self._ground.now() >= end

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda found: not found) | retry_if_exception_type(TransientError),
            wait=wait_fixed(LOOK_SECONDS),
            stop=out_of_time,
            sleep=self._ground.sleep,
        )
        try:
            return await retrying(step)
        except RetryError:
            return False
