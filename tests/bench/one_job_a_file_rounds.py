"""A round of one way: so many files from the first upload until all is at rest, with clocks and counters."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import psutil

from headrace.kube.kinds import JOBS, PODS, Kind
from headrace.kube.mirror import Mirror
from headrace.kube.port import Kube, Selection
from headrace.operations.concurrently import concurrently
from tests.bench import one_job_a_file_oscar as oscar
from tests.bench.api_server import calls, until
from tests.bench.one_job_a_file_ground import Ground, folder_of
from tests.e2e.kubernetes.site import FUNCTIONS

AT_ONCE = 20  # uploads, each with its Job, under way
LIMIT_SECONDS = 600.0  # for each wait
POLL_SECONDS = 1.0  # of the store; the API server is watched


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds to the last result, cores that were busy until then; and until all was at rest: seconds, calls.

    Calls are the API server's, whoever made them.
    """

    files: int
    seconds: float
    cores: float
    whole_seconds: float
    calls: int

    @property
    def rate(self) -> float:
        """Files a second."""
        return self.files / self.seconds

    @property
    def core_seconds_a_file(self) -> float:
        """Processor time, whoever used it."""
        return self.cores * self.seconds / self.files

    def calls_a_file(self, idle: float = 0.0) -> float:
        """Less what an idle cluster makes in the same time, at so many calls a second."""
        return (self.calls - idle * self.whole_seconds) / self.files


@dataclass(frozen=True, slots=True)
class Load:
    """So many files on so many slots; `name` is this round's and nobody else's."""

    on: Ground
    kube: Kube
    slots: int
    files: int
    name: str

    def keys(self, folder: str) -> list[str]:
        """Of the inputs."""
        return [f"{folder}/{self.name}-{number}.bin" for number in range(self.files)]

    async def upload(self, keys: Iterable[str]) -> None:
        await concurrently(partial(asyncio.to_thread, self.on.upload), keys, most=AT_ONCE)

    async def results(self, folder: str, check: Callable[[], object]) -> None:
        """Wait for all. Raises TimeoutError, and what `check` raises."""
        prefix = f"{folder}/{self.name}-"
        deadline = time.monotonic() + LIMIT_SECONDS
        while (found := await asyncio.to_thread(self.on.results, prefix)) < self.files:
            check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{prefix}: {found} of {self.files} results after {LIMIT_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)


async def headrace(load: Load) -> Sample:
    """From no worker to no worker."""
    folder = folder_of(load.slots)
    async with _watched(load, FUNCTIONS, PODS) as (pods,):
        meter = _Meter(load)
        await load.upload(load.keys(folder))
        await load.results(folder, lambda: None)
        meter.mark()
        await until(pods, lambda: not pods.items, "workers are left", seconds=LIMIT_SECONDS)
        return meter.sample()


async def jobs(load: Load, *, supervised: bool) -> Sample:
    """One a file. Those that only sleep know no store: a file is done when its container has ended well."""

    async def arrive(key: str) -> None:
        if supervised:
            await asyncio.to_thread(load.on.upload, key)
        await load.kube.create(JOBS, oscar.job(load.on.site, key, supervised=supervised))

    async with _watched(load, oscar.NAMESPACE, PODS, JOBS) as (pods, made):
        meter = _Meter(load)
        await concurrently(arrive, load.keys(oscar.FOLDER), most=AT_ONCE)
        if supervised:
            await load.results(oscar.FOLDER, lambda: _succeeded(load, pods))
        await until(pods, lambda: _succeeded(load, pods), "pods have not succeeded", seconds=LIMIT_SECONDS)
        meter.mark()
        await until(made, lambda: _complete(load, made), "Jobs are not complete", seconds=LIMIT_SECONDS)
        sample = meter.sample()
        await asyncio.to_thread(oscar.clear, load.on.site)
        await until(pods, lambda: not pods.items, "pods are left", seconds=LIMIT_SECONDS)
    return sample


class _Meter:
    """Counts from now on; `mark` at the last result."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._calls = calls(load.on.site.box)
        self._began, self._busy = time.monotonic(), _busy_seconds()
        self._seconds = self._cores = 0.0

    def mark(self) -> None:
        self._seconds = time.monotonic() - self._began
        self._cores = (_busy_seconds() - self._busy) / self._seconds

    def sample(self) -> Sample:
        whole = time.monotonic() - self._began
        made = calls(self._load.on.site.box) - self._calls
        return Sample(self._load.files, self._seconds, self._cores, whole, made)


def _busy_seconds() -> float:
    """Of all cores of this machine, since it runs; whoever used them."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice  # guests are in user, too


@asynccontextmanager
async def _watched(load: Load, namespace: str, *kinds: Kind) -> AsyncIterator[list[Mirror]]:
    """Lists and opens its watches before anything is counted."""
    async with AsyncExitStack() as stack:
        mirrors = [
            await stack.enter_async_context(Mirror(load.kube, kind, Selection(namespace))) for kind in kinds
        ]
        if not all([await mirror.sync(30) for mirror in mirrors]):
            raise TimeoutError(f"the API server lists nothing of {namespace}")
        yield mirrors


def _succeeded(load: Load, pods: Mirror) -> bool:
    """Whether all have. Raises RuntimeError where one failed, with what its container said."""
    phases = Counter(pod.get("status", {}).get("phase") for pod in pods.items.values())
    if phases["Failed"]:
        told = oscar.log(load.on.site)
        raise RuntimeError(f"{phases['Failed']} pods of Jobs failed, so that no figure would count:\n{told}")
    return phases["Succeeded"] == load.files


def _complete(load: Load, made: Mirror) -> bool:
    return load.files == sum(
        any(each["type"] == "Complete" for each in job.get("status", {}).get("conditions", ()))
        for job in made.items.values()
    )
