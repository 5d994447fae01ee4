"""A stack in memory whose users, workers and backup take turns at every call of an adapter, as a test says.

What works on the stack is the system's own code: Stager, Finisher, Listing, replay, rerun, purge, sweep.
"""

import asyncio
import hashlib
import itertools
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from headrace.backup.backing import Backup, BackupReport, BackupWish
from headrace.backup.entry import Entry
from headrace.backup.previewing import preview
from headrace.backup.repository import Repository
from headrace.backup.restoring import Restore, RestoreReport
from headrace.backup.site import Site
from headrace.backup.stored_shelf import StoredShelf
from headrace.backup.verifying import Verdict, verify
from headrace.catalog.folder import Installed
from headrace.events.deposit import Deposit
from headrace.events.intake import Intake
from headrace.events.listing import Listing
from headrace.events.roster import Roster
from headrace.model.errors import NotFoundError, TransientError
from headrace.model.event import Delivery, FileEvent
from headrace.model.function import Function
from headrace.model.record import FailureRecord, Record, read_record
from headrace.model.settings import QueueSettings
from headrace.operations.purge import purge
from headrace.operations.replay import replay
from headrace.operations.rerun import rerun
from headrace.operations.stack import Stack
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.worker.attempt import RETURNED, Cause, Outcome
from headrace.worker.commit import Ledger
from headrace.worker.finishing import Finisher
from headrace.worker.identity import Identity
from headrace.worker.leases import Leases
from headrace.worker.secrets import Redactor
from headrace.worker.staging import Stager
from headrace.worker.sweep import sweep
from tests.unit.intake_bench import settings_with

PLATFORM = "platform"
START = 1_700_000_000.0
LEASE_SECONDS = 30.0
TURNS = 5  # of the event loop, for tasks that a step has started
BACKUPS = "backups"


def function(name: str, source: Mapping[str, Any], *targets: Mapping[str, Any]) -> Function:
    """A script with one input."""
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {
            "run": {"script": "s.sh"},
            "input": [source],
            "output": list(targets),
            "delivery": {"attempts": 1},
        },
    }
    return Function.from_json(json.dumps(document))


# A chain of two, whose middle bucket is written by the one and read by the other, and one that ignores
# what is older than itself.
FUNCTIONS = (
    function("first", {"bucket": "uploads", "prefix": "a/"}, {"bucket": "middle"}),
    function("second", {"bucket": "middle"}, {"bucket": "results", "prefix": "s/"}),
    function("young", {"bucket": "uploads", "prefix": "o/", "existing": "ignore"}, {"bucket": "results"}),
)
BUCKETS = ("uploads", "middle", "results")


class CrashError(Exception):
    """Ends an actor between two calls, as a kill does."""


class Slowed:
    """An adapter that awaits `before` ahead of every call, and whose listings go page by page."""

    def __init__(self, inner: Any, before: Callable[[], Awaitable[None]]) -> None:
        self._inner = inner
        self._before = before

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            await self._before()
            return await getattr(self._inner, name)(*arguments, **named)

        return call

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[Any]:
        """Two objects a page, each page as the bucket is at its moment."""
        last = ""
        while True:
            await self._before()
            page = [i async for i in self._inner.list(bucket, prefix) if i.key > last][:2]
            for info in page:
                yield info
            if not page:
                return
            last = page[-1].key


Deeds = Mapping[tuple[str, str, int], Callable[[], Awaitable[None]]]


class Told:
    """A store that has something done before a listing: by bucket, prefix, and its number among these."""

    def __init__(self, inner: MemoryStorage, deeds: Deeds) -> None:
        self._inner = inner
        self._deeds = deeds
        self._seen: Counter[tuple[str, str]] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[Any]:
        self._seen[bucket, prefix] += 1
        if deed := self._deeds.get((bucket, prefix, self._seen[bucket, prefix])):
            await deed()
        async for info in self._inner.list(bucket, prefix):
            yield info


class Turns:
    """Holds back whoever makes a call until the test lets it. `calls`: how many each has made."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def before(self, actor: str, *, crash_at: int | None = None) -> Callable[[], Awaitable[None]]:
        """What an actor's adapters await ahead of each call; the call of this number never happens."""
        calls = itertools.count(1)

        async def take() -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(actor, []).append(future)
            await future
            self.calls[actor] += 1
            if next(calls) == crash_at:
                raise CrashError

        return take

    async def play(
        self, actors: Mapping[str, Awaitable[None]], choices: Iterable[tuple[int, int]] = ()
    ) -> None:
        """Let one call happen after the other; a choice is an actor's number, and how many calls it makes."""
        tasks = {name: asyncio.ensure_future(actor) for name, actor in actors.items()}
        names = sorted(tasks)
        chosen = (names[number] for number, calls in choices for _ in range(calls))
        order = itertools.chain(chosen, itertools.cycle(names))
        while True:
            ready = await self._ready(tasks)
            if not ready:
                break
            name = next(name for name in order if name in ready)
            self._waiting[name].pop(0).set_result(None)
        for task in tasks.values():
            await task

    async def _ready(self, tasks: Mapping[str, "asyncio.Future[None]"]) -> list[str]:
        """The actors that wait, once all that have not ended do."""
        for _ in range(10_000):
            for _ in range(TURNS):
                await asyncio.sleep(0)
            for name, futures in self._waiting.items():  # a crash cancels what went on beside
                self._waiting[name] = [each for each in futures if not each.done()]
            going = [name for name, task in tasks.items() if not task.done()]
            if all(self._waiting.get(name) for name in going):
                return sorted(going)
        raise AssertionError(f"an actor waits for nothing that can come: {going}")


class Source:
    """Functions that are there."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self._functions = tuple(functions)

    async def functions(self) -> tuple[Function, ...]:
        return self._functions

    async def changed(self, seconds: float) -> None: ...


class Town:
    """A stack. `started` are the starts of handlers: task and bytes of the input."""

    def __init__(
        self, functions: Sequence[Function] = FUNCTIONS, *, clock: list[float] | None = None
    ) -> None:
        self.clock = clock if clock is not None else [START]
        self.functions = tuple(functions)
        self.storage, self.queue = MemoryStorage(now=self.now), MemoryQueue(now=self.now)
        self.started: list[str] = []
        self.folder = Path(mkdtemp(prefix="headrace-town-"))
        self._attempts = itertools.count(1)

    def now(self) -> float:
        return self.clock[0]

    async def sleep(self, seconds: float) -> None:
        self.clock[0] += seconds

    def new_attempt(self) -> str:
        self.clock[0] += 0.001  # no two endings are alike
        return f"attempt{next(self._attempts)}"

    def close(self) -> None:
        shutil.rmtree(self.folder)

    async def open(self, *buckets: str) -> "Town":
        for bucket in (PLATFORM, *buckets):
            await self.storage.ensure_bucket(bucket)
        return self

    def hands(self, before: Callable[[], Awaitable[None]] | None = None) -> "Hands":
        """Somebody who acts on it; `before` is awaited ahead of each of his calls."""
        if before is None:
            return Hands(self, self.storage, self.queue)
        return Hands(self, Slowed(self.storage, before), Slowed(self.queue, before))

    def site(self, hands: "Hands | None" = None, *, functions: Sequence[Function] | None = None) -> Site:
        """As backup and restore see it."""
        by = hands or self.hands()
        return Site(
            by.storage, by.queue, self.functions if functions is None else tuple(functions), PLATFORM,
            self.now, self.sleep, queue_settings=QueueSettings(url="", lease_seconds=LEASE_SECONDS),
        )  # fmt: skip

    # What is there

    async def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return [info.key async for info in self.storage.list(bucket, prefix)]

    async def objects(self) -> dict[tuple[str, str], bytes]:
        """Every object of the data buckets."""
        there = [each for each in BUCKETS if await self.storage.has_bucket(each)]
        return {(b, k): await self.storage.read(b, k) for b in there for k in await self.keys(b)}

    async def records(self) -> dict[str, bytes]:
        """Every record, by the task's id."""
        keys = await self.keys(PLATFORM, "records/")
        return {_stem(key): await self.storage.read(PLATFORM, key) for key in keys}

    async def read_records(self) -> list[Record | FailureRecord]:
        return [read_record(body) for body in (await self.records()).values()]

    async def queued(self) -> set[str]:
        """The ids of all tasks that wait or are leased."""
        found: set[str] = set()
        for each in self.functions:
            with suppress(NotFoundError):
                found |= await self.queue.ids(each.name)
        return found


class Hands:
    """Does to a town what its users and services do, by the system's own code."""

    def __init__(self, town: Town, storage: Any, queue: Any) -> None:
        self.town = town
        self.storage, self.queue = storage, queue
        self._deposit = Deposit(queue, settings_with().queue)

    async def come(self) -> Roster:
        """The receiver sees the functions."""
        roster = Roster(
            Source(self.town.functions), self.storage, self._deposit,
            platform_bucket=PLATFORM, clock=self.town.now,
        )  # fmt: skip
        await roster.refresh()
        return roster

    async def upload(self, bucket: str, key: str, body: bytes, *, notify: bool = True) -> None:
        await self.storage.put(bucket, key, body)
        if notify:
            await self.notify(bucket, key)

    async def notify(self, bucket: str, key: str) -> None:
        intake = Intake(
            self.storage, self._deposit, functions=lambda: self.town.functions,
            settings=settings_with(), clock=self.town.now,
        )  # fmt: skip
        await intake.take(Delivery(created=(FileEvent(bucket, key),)))

    async def delete(self, bucket: str, key: str) -> None:
        await self.storage.delete(bucket, [key])

    async def look_for_lost(self) -> None:
        """The receiver's listing."""
        listing = Listing(
            self.storage, self.queue, self._deposit, settings=settings_with(), clock=self.town.now
        )
        await listing.run((await self.come()).listed)

    async def work(self, name: str, outcome: Outcome = RETURNED) -> bool:
        """One task from the pull to its acknowledgement; False: none was free."""
        spec = next(each for each in self.town.functions if each.name == name)
        ledger = Ledger(self.storage, PLATFORM)
        identity = Identity(spec, "digest", "w", self.town.now, self.town.new_attempt)
        folder = Path(mkdtemp(dir=self.town.folder))
        for lease in await self.queue.pull(name, 1, wait_seconds=0):
            held = Leases(identity, folder, LEASE_SECONDS).take(lease)
            if await Stager(self.storage, ledger, identity, 10).prepare(held):
                await Stager(self.storage, ledger, identity, 10).mark_start(held)
                self.town.started.append(held.task.id)
                body = held.file.read_bytes() if held.file else b""
                (held.folder.output / held.task.key.replace("/", "-")).write_bytes(
                    b"%s by %s" % (body, name.encode())
                )
                await self._finish(Finisher(ledger, identity, Redactor({}), {}, 0.0), held, outcome)
            await lease.done()
            return True
        return False

    async def _finish(self, finisher: Finisher, held: Any, outcome: Outcome) -> None:
        for _ in range(5):  # as a worker does, which repeats it for as long as it takes
            with suppress(TransientError):
                await (finisher.succeed(held) if outcome.good else finisher.fail(held, outcome))
                return
        raise CrashError

    async def replay(self, name: str) -> None:
        await replay(self._stack(), name)

    async def rerun(self, name: str) -> None:
        await rerun(self._stack(), name, now=self.town.now())

    async def purge(self, name: str) -> None:
        await purge(self._stack(), name, now=self.town.now())

    async def sweep(self, name: str) -> None:
        """As it is with staging that is old enough to go."""
        await sweep(self.storage, PLATFORM, name, now=self.town.now() + 1000)

    def _stack(self) -> Stack:
        installed = tuple(Installed(each, Path("/f", each.name), "digest") for each in self.town.functions)
        return Stack(self.storage, self.queue, installed, PLATFORM)

    async def work_all(self) -> None:
        """Until nothing is left to do, listings included; leases that nobody holds any more run out."""
        for _ in range(len(self.town.functions) + 2):
            self.town.clock[0] += LEASE_SECONDS + 1
            await self.look_for_lost()
            for each in self.town.functions:
                while await self.work(each.name):
                    pass


class Vault:
    """A place of backups in memory."""

    def __init__(self, clock: list[float]) -> None:
        self.storage = MemoryStorage(now=lambda: clock[0])

    async def back_up(self, site: Site, *, buckets: Sequence[str] | None = None) -> BackupReport:
        await self.storage.ensure_bucket(BACKUPS)
        shelf = StoredShelf(self.storage, BACKUPS, "here/")
        async with shelf.held():
            return await Backup(site, Repository(shelf), BackupWish("1.0", buckets)).run()

    async def restore(self, site: Site, *, merge: bool = False, snapshot: str | None = None) -> RestoreReport:
        shelf = StoredShelf(self.storage, BACKUPS, "here/")
        async with shelf.held():
            repository = Repository(shelf)
            return await Restore(site, repository, await repository.choose(snapshot), merge=merge).run()

    async def preview(self, site: Site) -> RestoreReport:
        """A dry restore of the newest backup."""
        repository = Repository(StoredShelf(self.storage, BACKUPS, "here/"))
        return await preview(site, repository, await repository.choose(None))

    async def verify(self) -> Verdict:
        """Read the newest backup wholly."""
        shelf = StoredShelf(self.storage, BACKUPS, "here/")
        async with shelf.held():
            repository = Repository(shelf)
            return await verify(repository, await repository.choose(None))

    async def entries(self, bucket: str) -> list[Entry]:
        """A bucket's objects in the newest backup."""
        repository = Repository(StoredShelf(self.storage, BACKUPS, "here/"))
        manifest = await repository.manifest(await repository.choose(None))
        return await repository.entries(next(each for each in manifest.data if each.name == bucket).parts)

    async def contents(self) -> set[str]:
        """The contents of all objects that were copied."""
        repository = Repository(StoredShelf(self.storage, BACKUPS, "here/"))
        manifest = await repository.manifest(await repository.choose(None))
        return {entry.sha256 for entry in await repository.entries(manifest.lists)}

    async def damage(self, content: bytes) -> None:
        """Change a content that is stored."""
        digest = hashlib.sha256(content).hexdigest()
        await self.storage.put(BACKUPS, f"here/contents/{digest[:2]}/{digest}", b"?" + content[1:])

    async def rename_area(self, former: str, now: str) -> None:
        """Make the newest backup one of a version that calls an area of the platform bucket otherwise."""
        repository = Repository(StoredShelf(self.storage, BACKUPS, "here/"))
        manifest = await repository.manifest(await repository.choose(None))
        entries = await repository.entries(manifest.platform.parts)
        named = [replace(entry, key=entry.key.replace(f"{former}/", f"{now}/")) for entry in entries]
        parts = await repository.write_lines(entry.to_json() for entry in named)
        platform = manifest.platform.model_copy(update={"parts": parts})
        await repository.finish(manifest.model_copy(update={"platform": platform}), "9")


FAILED = Outcome(Cause.EXIT_CODE, "exit code 1")


def _stem(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")
