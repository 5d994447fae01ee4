"""A worker tells what each good batch took, once; what was told is read strictly and kept within bounds."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ConnectionClosedError

from headrace.model.observation import Finished, Standing
from headrace.model.task import Task
from headrace.queue.jetstream_layout import RubbishError
from headrace.queue.jetstream_told import UNSENT_MOST_BYTES, Ear, StandingEar, read_told, tell
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import STANDING_SECONDS, TOLD_MOST
from headrace.queue.standings import Standings
from headrace.worker.attempt import RETURNED, Cause, Folder, Outcome, Staged
from headrace.worker.batches import Batches
from headrace.worker.held import Held
from headrace.worker.identity import Identity
from headrace.worker.limits import Limits
from tests.fixtures.clock import VirtualClock
from tests.unit.test_worker_flow import FUNCTION

FAILED = Outcome(Cause.EXCEPTION, "ValueError")
LOAD_SECONDS = 4.0
FINISHED = Finished(function="echo", worker="w1", files=2, bytes=30, seconds=1.5)


# The worker


@dataclass
class Runner:
    """Loads in LOAD_SECONDS with its first batch; a batch takes half a second a file, good or not."""

    outcome: Callable[[Sequence[str]], Outcome]
    load_seconds: float | None = None
    files: int = 0
    computed_seconds: float = 0.0
    usable: bool = False

    async def start(self) -> None:
        self.usable = True

    async def run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        outcome = self.outcome([staged.task.key for staged in batch])
        if outcome.cause is not Cause.NOT_LOADED:
            self.load_seconds = LOAD_SECONDS
            self.files += len(batch)
            self.computed_seconds = 0.5 * len(batch)
        self.usable = outcome.cause is not Cause.MEMORY
        return outcome

    def log_tail(self) -> bytes:
        return b""


@dataclass
class Lease:
    task: Task
    deliveries: int = 1


@dataclass
class Told:
    """Batches whose runners do what `outcome` says of a batch's keys, and what they told."""

    tmp_path: Path
    outcome: Callable[[Sequence[str]], Outcome]
    told: list[Finished] = field(default_factory=list)

    def __post_init__(self) -> None:
        identity = Identity(FUNCTION, "digest", "w1", lambda: 1000.0, lambda: "attempt")
        self.batches = Batches(
            identity, self.tmp_path, new_runner=lambda folder: Runner(self.outcome), tell=self.tell
        )

    async def tell(self, finished: Finished) -> None:
        self.told.append(finished)

    async def run(self, *keys: str, size: int = 10) -> list[Outcome]:
        return [outcome for _, outcome in await self.batches.run([self.held(key, size) for key in keys])]

    def held(self, key: str, size: int) -> Held:
        folder = Folder(self.tmp_path / "tasks" / key)
        folder.output.mkdir(parents=True)
        task = Task(id=key, function="echo", bucket="b", key=key, etag="e", size=size, received=1.0)
        return Held(Lease(task), "attempt", folder, 1.0, file=folder.input / key)


def took(files: int, *, load_seconds: float | None = None) -> Finished:
    return Finished(
        function="echo",
        worker="w1",
        files=files,
        bytes=10 * files,
        seconds=0.5 * files,
        load_seconds=load_seconds,
    )


async def test_a_good_batch_is_told_once_and_only_the_runners_first_with_its_load(tmp_path):
    bench = Told(tmp_path, lambda keys: RETURNED)
    await bench.run("a", "b", "c")
    await bench.run("d")
    assert bench.told == [took(3, load_seconds=LOAD_SECONDS), took(1)]


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.RETURNED])
async def test_a_failed_batch_is_not_told(tmp_path, cause):
    bench = Told(tmp_path, lambda keys: Outcome(cause, "it failed"))
    await bench.run("a")
    assert bench.told == []


async def test_of_a_failed_batch_each_file_that_runs_well_alone_is_told(tmp_path):
    bench = Told(tmp_path, lambda keys: FAILED if "b" in keys else RETURNED)
    assert await bench.run("a", "b", "c") == [RETURNED, FAILED, RETURNED]
    assert bench.told == [took(1), took(1)], "the load belongs to the batch that failed"


async def test_a_new_runner_tells_its_own_load(tmp_path):
    bench = Told(tmp_path, lambda keys: Outcome(Cause.MEMORY, "too big") if "big" in keys else RETURNED)
    for key in ("a", "big", "c"):
        await bench.run(key)
    assert bench.told == [took(1, load_seconds=LOAD_SECONDS)] * 2


async def test_a_task_that_claims_a_negative_size_ends_no_worker(tmp_path):
    bench = Told(tmp_path, lambda keys: RETURNED)
    await bench.run("a", size=-5)
    assert [finished.bytes for finished in bench.told] == [0]


# On the wire


@given(
    st.builds(
        Finished,
        function=st.text("abc-", min_size=1),
        worker=st.text(st.characters(exclude_categories=["Cs"])),
        files=st.integers(1),
        bytes=st.integers(0),
        seconds=st.floats(0, exclude_min=True, allow_infinity=False),
        load_seconds=st.none() | st.floats(0, allow_infinity=False),
    )
)
def test_what_was_told_is_read_as_it_was_written(finished: Finished) -> None:
    assert read_told(Finished, f"finished.{finished.function}", finished.to_json()) == finished


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_other_bytes_are_rubbish_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(RubbishError):
        read_told(Finished, "finished.echo", body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("function", "other"),
        ("files", 0),
        ("bytes", -1),
        ("seconds", 0),
        ("seconds", float("inf")),
        ("seconds", float("nan")),
        ("loadSeconds", -0.1),
        ("loadSeconds", float("inf")),
    ],
)
def test_a_value_that_no_batch_can_have_is_rubbish(name: str, value: object) -> None:
    document = json.loads(FINISHED.to_json()) | {name: value}
    with pytest.raises(RubbishError):
        read_told(Finished, "finished.echo", json.dumps(document).encode())


def test_what_a_newer_worker_adds_is_read_over() -> None:
    later = json.dumps(json.loads(FINISHED.to_json()) | {"added": True}).encode()
    assert read_told(Finished, "finished.echo", later) == FINISHED


# The connection


@dataclass
class Client:
    """A connection that only notes what is asked of it."""

    pending_data_size: int = 0
    broken: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)

    async def publish(self, subject: str, payload: bytes) -> None:
        if self.broken:
            raise ConnectionClosedError
        self.sent.append((subject, payload))

    async def subscribe(self, subject: str, cb: Callable[[object], object]) -> None:
        self.subscribed.append(subject)
        self.arrived = cb
        await asyncio.sleep(0)


@dataclass
class Server:
    """A server with one connection, or with none."""

    connected: Client | None

    async def client(self) -> Client:
        return self.connected

    async def request(self, subject: str) -> None: ...


@pytest.mark.parametrize(
    "client",
    [None, Client(broken=True), Client(pending_data_size=UNSENT_MOST_BYTES + 1)],
    ids=["absent", "breaking", "slow"],
)
async def test_telling_a_server_that_is_not_there_is_quiet_and_sends_nothing(client: Client | None) -> None:
    await tell(Server(client), FINISHED)
    assert client is None or client.sent == []


async def test_telling_is_one_message_that_nobody_answers() -> None:
    client = Client(pending_data_size=UNSENT_MOST_BYTES)
    await tell(Server(client), FINISHED)
    assert client.sent == [("finished.echo", FINISHED.to_json())]


async def test_calls_at_once_listen_once_and_a_new_connection_is_listened_to_anew() -> None:
    server = Server(first := Client())
    ear = Ear(server)
    await asyncio.gather(ear.heard(), ear.heard())
    await ear.heard()
    server.connected = second = Client()
    await ear.heard()
    assert (first.subscribed, second.subscribed) == (["finished.*"], ["finished.*"])


MORE_THAN_KEPT = [FINISHED.model_copy(update={"files": number}) for number in range(1, TOLD_MOST + 3)]


async def test_of_more_than_are_kept_the_newest_are_heard() -> None:
    queue, ear = MemoryQueue(lambda: 0.0), Ear(Server(client := Client()))
    assert [await queue.told(), await ear.heard()] == [(), ()]
    for finished in MORE_THAN_KEPT:
        await queue.tell(finished)
        await client.arrived(SimpleNamespace(subject="finished.echo", data=finished.to_json()))
    assert list(await queue.told()) == MORE_THAN_KEPT[2:]
    assert list(await ear.heard()) == MORE_THAN_KEPT[2:]


async def test_rubbish_is_dropped_with_one_line_and_what_follows_is_heard(caplog) -> None:
    ear = Ear(Server(client := Client()))
    await ear.heard()
    with caplog.at_level(logging.ERROR, "headrace.queue"):
        for body in (b"rubbish", FINISHED.to_json()):
            await client.arrived(SimpleNamespace(subject="finished.echo", data=body))
    assert [(r.action, r.subject) for r in caplog.records] == [("queue.rubbish", "finished.echo")]
    assert await ear.heard() == (FINISHED,)
    assert await ear.heard() == (), "heard once"


# How workers stand

STANDING = Standing(function="echo", worker="w1", held=3, since=1000.0)


def test_how_a_worker_stands_is_read_as_it_was_written() -> None:
    assert read_told(Standing, "standing.echo", STANDING.to_json()) == STANDING


@pytest.mark.parametrize(
    ("subject", "change"),
    [
        ("standing.other", {}),
        ("finished.echo", {}),
        ("standing.echo", {"held": -1}),
        ("standing.echo", {"held": None}),
        ("standing.echo", {"since": float("nan")}),
    ],
)
def test_a_standing_that_no_worker_can_have_is_rubbish(subject: str, change: dict[str, object]) -> None:
    with pytest.raises(RubbishError):
        read_told(Standing, subject, json.dumps(json.loads(STANDING.to_json()) | change).encode())


async def test_a_standing_is_told_on_a_subject_of_its_own() -> None:
    await tell(Server(client := Client()), STANDING)
    assert client.sent == [("standing.echo", STANDING.to_json())]


async def test_of_each_worker_the_newest_word_counts_until_it_was_silent_for_too_long() -> None:
    clock = VirtualClock()
    ear = StandingEar(Server(client := Client()), now=clock.now)
    queue = MemoryQueue(clock.now)
    later = STANDING.model_copy(update={"held": 0, "since": 1004.0})
    other = STANDING.model_copy(update={"worker": "w2"})

    async def told(*standings: Standing) -> None:
        for standing in standings:
            await queue.tell(standing)
            await client.arrived(SimpleNamespace(subject="standing.echo", data=standing.to_json()))

    assert [await queue.standings(), await ear.heard()] == [{}, {}]
    await told(STANDING, other)
    clock.advance(1.0)
    await told(later)
    clock.advance(STANDING_SECONDS - 1.0)
    assert [await queue.standings(), await ear.heard()] == [{"w1": later, "w2": other}] * 2
    clock.advance(0.5)
    assert [await queue.standings(), await ear.heard()] == [{"w1": later}] * 2
    clock.advance(1.0)
    assert [await queue.standings(), await ear.heard()] == [{}, {}]


def test_of_more_workers_than_are_kept_those_heard_longest_ago_go() -> None:
    standings = Standings(lambda: 0.0)
    for number in range(TOLD_MOST + 2):
        standings.hear(STANDING.model_copy(update={"worker": f"w{number}"}))
        standings.hear(STANDING)
    assert len(standings.fresh()) == TOLD_MOST
    assert {"w0", "w1", "w2"} & set(standings.fresh()) == {"w1"}, "w1 was heard again and again"
