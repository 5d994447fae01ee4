"""A task's way through the worker, on in-memory adapters and with a runner that does what the test says."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.function import Function
from headrace.model.keys import MARK, failure_key, mark_of, record_key, staging_key
from headrace.model.marks import wanted
from headrace.model.record import AttemptNote, Ending, FailureRecord, Output, Record, Times, read_record
from headrace.model.task import Task, task_id
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.worker.attempt import RETURNED, Cause, Outcome
from headrace.worker.commit import Ledger
from headrace.worker.finishing import Finisher
from headrace.worker.held import Held, Watch, unwatched
from headrace.worker.identity import Identity
from headrace.worker.leases import Leases
from headrace.worker.secrets import Redactor
from headrace.worker.staging import Stager
from headrace.worker.standing import Posture
from headrace.worker.sweep import sweep
from headrace.worker.worker import Parts, Worker

PLATFORM, KEY = "platform", "echo/a.dcm"
FUNCTION = Function.from_json(
    '{"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "echo"}, "spec": {'
    '"run": {"script": "s.sh"}, "input": [{"bucket": "uploads", "prefix": "echo/"}],'
    '"output": [{"bucket": "results", "prefix": "r/"}], "delivery": {"attempts": 2}}}'
)


class Bench:
    """A stack in memory, and a worker whose runs `work` decides."""

    def __init__(self, tmp_path: Path, work: Callable[[Held], Outcome], watch: Watch = unwatched) -> None:
        self.time = 1000.0
        self.storage, self.queue = MemoryStorage(now=self.now), MemoryQueue(now=self.now)
        self.ran: list[str] = []
        self.work = work
        counter = itertools.count(1)
        identity = Identity(FUNCTION, "digest", "w1", self.now, lambda: f"attempt{next(counter)}")
        self.ledger = Ledger(self.storage, PLATFORM)
        self.seconds_per_file, self.most_files = None, 1
        leases = Leases(identity, tmp_path, 30.0, watch)
        self.parts = Parts(
            queue=self.queue,
            leases=leases,
            stager=Stager(self.storage, self.ledger, identity, 10),
            batches=self,
            finisher=Finisher(self.ledger, identity, Redactor({}), {}, 0.0),
            posture=Posture(identity, leases, self.queue.tell),
        )
        self.worker = Worker(self.parts, prefetch_seconds=2.0, grace_seconds=1.0)

    def now(self) -> float:
        return self.time

    # What Batches gives a worker

    async def warm(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, batch: list[Held]) -> list[tuple[Held, Outcome]]:
        self.ran += [held.attempt for held in batch]
        return [(held, self.work(held)) for held in batch]

    # What a test does

    async def prepare(self, content: bytes = b"clip") -> Task:
        for bucket in ("uploads", "results", PLATFORM):
            await self.storage.ensure_bucket(bucket)
        await self.queue.ensure("echo", lease_seconds=30.0, max_leased=100)
        return await self.upload(content)

    async def prepared(self, held: Held) -> None:
        await self.parts.stager.prepare(held)

    async def upload(self, content: bytes, *, prompt: bool = False) -> Task:
        """Put the input and its task; `prompt`: as notified at once, else as found much later."""
        await self.storage.put("uploads", KEY, content)
        info = await self.storage.head("uploads", KEY)
        identifier = task_id("echo", "uploads", KEY, info.identity)
        task = Task(
            id=identifier, function="echo", bucket="uploads", key=KEY, etag=info.etag, size=4,
            received=info.modified + (0.0 if prompt else 60.0),
        )  # fmt: skip
        await self.queue.put(task)
        return task

    async def until_idle(self) -> None:
        """Run the worker until the queue is empty or only delayed tasks are left."""
        working = asyncio.create_task(self.worker.run())
        async with asyncio.timeout(20):
            while (await self.queue.backlog("echo")).tasks:
                await asyncio.sleep(0)
        await self.stop(working)

    async def stop(self, working: asyncio.Task[None]) -> None:
        """Stop the worker, and let the pull that waits on the test's clock see its time run out."""
        self.worker.stop()
        self.time += 2.0
        self.queue.wake()
        await working

    async def ending(self, task: Task) -> Record | FailureRecord:
        return read_record(await self.storage.read(PLATFORM, record_key("echo", task.id)))


def writes(text: bytes = b"result") -> Callable[[Held], Outcome]:
    def work(held: Held) -> Outcome:
        (held.folder.output / "a.json").write_bytes(text)
        return RETURNED

    return work


def fails(held: Held) -> Outcome:
    return Outcome(Cause.EXIT_CODE, "exit code 1")


async def test_a_file_becomes_a_record_and_its_output_lies_at_the_final_key(tmp_path):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()
    await bench.until_idle()
    record = await bench.ending(task)
    assert isinstance(record, Record)
    assert [(o.bucket, o.key, o.size) for o in record.outputs] == [("results", "r/a.json", 6)]
    assert await bench.storage.read("results", "r/a.json") == b"result"
    found = await bench.storage.head("results", "r/a.json")
    assert found.metadata[MARK] == mark_of(task.id, record.attempt)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "the task's files are gone"


async def test_a_redelivered_task_with_a_record_is_acknowledged_without_a_run(tmp_path):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()
    await bench.until_idle()
    await bench.queue.put(task)
    await bench.storage.delete(
        "results", ["r/a.json"]
    )  # published once, then not: whoever finds it repeats it
    bench.worker = Worker(bench.parts, prefetch_seconds=2.0, grace_seconds=1.0)
    await bench.until_idle()
    assert bench.ran == ["attempt1"]
    assert await bench.storage.read("results", "r/a.json") == b"result"


async def test_an_attempt_that_lost_the_race_leaves_the_winners_output(tmp_path):
    bench = Bench(tmp_path, writes(b"loser"))
    task = await bench.prepare()
    winner = await stored_attempt(bench, task, "winner", b"winner")
    create = bench.storage.create

    async def create_after_the_winner(bucket: str, key: str, body: bytes) -> bool:
        await create(bucket, key, winner.to_json())
        return await create(bucket, key, body)

    bench.storage.create = create_after_the_winner
    await bench.until_idle()
    record = await bench.ending(task)
    assert isinstance(record, Record)
    assert record.attempt == "winner"
    assert await bench.storage.read("results", "r/a.json") == b"winner"


async def stored_attempt(bench: Bench, task: Task, attempt: str, body: bytes) -> Record:
    """Another worker's attempt, staged, with the record that it is about to create."""
    staging = staging_key("echo", task.id, attempt, "a.json")
    etag = await bench.storage.put(PLATFORM, staging, body, metadata={MARK: mark_of(task.id, attempt)})
    output = Output(
        name="a.json", bucket="results", key="r/a.json", staging_key=staging, etag=etag, size=len(body)
    )
    times = Times(received=1, pulled=1, staged=1, started=1, finished=1, committed=1)
    return Record(
        task=task,
        attempt=attempt,
        attempt_number=1,
        outputs=(output,),
        function_digest="d",
        worker="w2",
        times=times,
    )


async def test_a_record_whose_create_was_not_answered_is_read_back_and_counts(tmp_path):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()
    create, calls = bench.storage.create, []

    async def unanswered_once(bucket: str, key: str, body: bytes) -> bool:
        created = await create(bucket, key, body)
        calls.append(created)
        if len(calls) == 1:
            raise TransientError("the connection broke after the request was sent")
        return created

    bench.storage.create = unanswered_once
    await bench.until_idle()
    assert calls == [True, False]
    assert (await bench.ending(task)).state == "done"
    assert await bench.storage.read("results", "r/a.json") == b"result"
    assert bench.ran == ["attempt1"]


@pytest.mark.parametrize(("overwrite", "state"), [(True, Ending.SUPERSEDED), (False, Ending.GONE)])
async def test_an_input_that_changed_or_went_while_it_waited_ends_so(tmp_path, overwrite, state):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()
    if overwrite:
        await bench.storage.put("uploads", KEY, b"newer")
    else:
        await bench.storage.delete("uploads", [KEY])
    await bench.until_idle()
    record = await bench.ending(task)
    assert isinstance(record, FailureRecord)
    assert record.state == state
    assert bench.ran == []


async def test_the_last_failure_writes_a_failure_record_with_reason_and_log(tmp_path):
    def work(held: Held) -> Outcome:
        held.folder.log.write_text("it broke")
        return fails(held)

    bench = Bench(tmp_path, work)
    task = await bench.prepare()
    await bench.until_idle()
    record = await bench.ending(task)
    assert isinstance(record, FailureRecord)
    assert (record.state, record.reason, record.attempts, record.log) == (
        "failed",
        "exit code 1",
        2,
        "it broke",
    )
    assert bench.ran == ["attempt1", "attempt2"]
    assert await bench.storage.head(PLATFORM, failure_key("echo", task.id))


async def test_a_file_that_killed_ten_workers_is_given_up(tmp_path):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()
    await bench.ledger.remember(task, AttemptNote(started=10))
    (lease,) = await bench.queue.pull("echo", 1, wait_seconds=0)
    await lease.retry(0)
    await bench.until_idle()
    record = await bench.ending(task)
    assert isinstance(record, FailureRecord)
    assert record.reason == "killed its worker 10 times"


async def test_an_older_result_never_stays_over_a_newer_one(tmp_path):
    bench = Bench(tmp_path, writes(b"old"))
    old = await bench.prepare(b"version 1")
    copy = bench.storage.copy

    async def overtaken(source: tuple[str, str], target: tuple[str, str]) -> None:
        bench.storage.copy = copy
        new = await bench.upload(b"version 2")
        record = await stored_attempt(bench, new, "newer", b"new")
        await bench.ledger.commit(record)
        await copy(source, target)  # the older copy lands last

    bench.storage.copy = overtaken
    await bench.until_idle()
    assert (await bench.ending(old)).state == "done"
    assert await bench.storage.read("results", "r/a.json") == b"new"


async def test_a_missing_result_is_not_published_once_its_input_has_changed(tmp_path):
    bench = Bench(tmp_path, writes(b"old"))
    task = await bench.prepare(b"version 1")
    record = await stored_attempt(bench, task, "a1", b"old")
    await bench.storage.put("uploads", KEY, b"version 2")
    await bench.ledger.publisher.ensure(record)
    assert [info.key async for info in bench.storage.list("results")] == []


async def test_what_cannot_be_published_is_not_acknowledged(tmp_path):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()

    async def no_bucket(source: tuple[str, str], target: tuple[str, str]) -> None:
        raise NotFoundError(f"bucket {target[0]!r} is not there")

    bench.storage.copy = no_bucket
    working = asyncio.create_task(bench.worker.run())
    async with asyncio.timeout(10):
        while len(bench.parts.leases) or not bench.ran:
            await asyncio.sleep(0)
    await bench.stop(working)
    assert (await bench.queue.backlog("echo")).tasks == 1
    assert (await bench.ending(task)).state == "done"


async def test_a_folder_is_not_given_to_another_task_while_a_download_writes_into_it(tmp_path):
    bench = Bench(tmp_path, writes())
    await bench.prepare()
    (lease,) = await bench.queue.pull("echo", 1, wait_seconds=0)
    held = bench.parts.leases.take(lease)
    going, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        going.set()
        await go_on.wait()

    async def away(*_: object) -> bytes:
        raise TransientError("the store is away")

    bench.storage.download, bench.storage.read = slow, away
    preparing = asyncio.create_task(bench.parts.leases.guarded(held, bench.prepared(held)))
    await going.wait()
    await asyncio.sleep(0)
    assert held in bench.parts.leases, "the record's error must wait for the download"
    go_on.set()
    await preparing
    assert held not in bench.parts.leases


async def test_a_worker_whose_runner_cannot_be_started_ends_and_hands_back(tmp_path):
    bench = Bench(tmp_path, writes())

    async def broken() -> None:
        raise OSError("no process can be made")

    bench.warm = broken
    await bench.prepare()
    working = asyncio.create_task(bench.worker.run())
    async with asyncio.timeout(10):
        while not working.done():
            bench.time += 2.0
            bench.queue.wake()
            await asyncio.sleep(0)
    with pytest.raises(OSError, match="no process"):
        await working
    bench.time += 40.0  # beyond the lease of what was pulled and could not be handed back in time
    (lease,) = await bench.queue.pull("echo", 1, wait_seconds=0)
    assert lease.task.key == KEY


async def test_a_stop_hands_back_what_has_not_started(tmp_path):
    bench = Bench(tmp_path, writes())
    await bench.prepare()
    bench.worker.stop()
    await bench.worker.run()
    (lease,) = await bench.queue.pull("echo", 1, wait_seconds=0)
    assert lease.deliveries <= 2
    assert bench.ran == []


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (None, True),
        ({}, True),
        ({MARK: "t/a1"}, False),
        ({MARK: "t/other", "headrace-input": "e", "headrace-run": "0"}, True),
        ({MARK: "u/b", "headrace-input": "e", "headrace-run": "1"}, False),
        ({MARK: "u/b", "headrace-input": "older", "headrace-run": "1"}, True),
    ],
)
async def test_a_copy_goes_over_nothing_later(tmp_path, found, verdict):
    task = Task(id="t", function="echo", bucket="uploads", key=KEY, etag="e", size=1, received=0.0)
    times = Times(received=1, pulled=1, staged=1, started=1, finished=1, committed=1)
    record = Record(
        task=task, attempt="a1", attempt_number=1, outputs=(), function_digest="d", worker="w", times=times
    )
    assert wanted(found, record) is verdict


async def test_the_sweep_publishes_before_it_deletes_and_spares_what_is_young(tmp_path):
    bench = Bench(tmp_path, writes())
    task = await bench.prepare()
    record = await stored_attempt(bench, task, "a1", b"result")
    await bench.storage.create(PLATFORM, record_key("echo", task.id), record.to_json())
    assert await sweep(bench.storage, PLATFORM, "echo", now=bench.time + 60) == 0
    assert await sweep(bench.storage, PLATFORM, "echo", now=bench.time + 3600) == 1
    assert await bench.storage.read("results", "r/a.json") == b"result"
    assert [i.key async for i in bench.storage.list(PLATFORM, "staging/")] == []
