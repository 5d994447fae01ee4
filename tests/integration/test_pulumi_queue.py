"""The queue's configuration on a real server: each user can do its service's work, and no other's."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import isawaitable
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest
from nats.errors import Error as NatsError

from headrace.local.process import find_program, free_ports
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.observation import Finished, Standing
from headrace.model.settings import QueueSettings
from headrace.model.task import Task
from headrace.queue.jetstream import JetStreamQueue
from infra.credentials import making
from infra.manifests import nats

START_SECONDS = 20.0
FUNCTION = "echo"


@dataclass(frozen=True)
class Server:
    """As the stack would run it, but for its folders and its port."""

    port: int
    authority: Path
    passwords: dict[str, str]

    def settings(self, user: str, **changes: str) -> QueueSettings:
        values = {
            "url": f"tls://127.0.0.1:{self.port}",
            "tls_hostname": "nats.headrace.svc",
            "user": user,
            "password": self.passwords[user],
            "ca_file": str(self.authority),
        }
        return QueueSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    top = tmp_path_factory.mktemp("queue")
    port, monitor = free_ports(2)
    now = datetime.now(UTC)
    authority = making.authority("ours", now)
    pair = making.certificate(["nats.headrace.svc"], authority.certificate, authority.key, now)
    for name, text in (
        ("tls.crt", pair.certificate),
        ("tls.key", pair.key),
        ("ca.crt", authority.certificate),
    ):
        (top / name).write_text(text)
    text = nats.configuration(storage="1Gi")
    here = {
        nats.CERTIFICATES: str(top),
        f'"{nats.DATA}"': f'"{top / "data"}"',
        f"0.0.0.0:{nats.PORT}": f"127.0.0.1:{port}",
        f"0.0.0.0:{nats.MONITOR_PORT}": f"127.0.0.1:{monitor}",
    }
    for there, place in here.items():
        assert there in text
        text = text.replace(there, place)
    (top / nats.FILE).write_text(text)
    passwords = {user: making.password(40) for user in nats.USERS}
    environ = {nats.password_variable(user): secret for user, secret in passwords.items()}
    with (top / "log").open("wb") as log:
        process = subprocess.Popen(
            [find_program("nats-server"), "--config", str(top / nats.FILE)],
            env=environ,
            stdout=log,
            stderr=log,
        )
    try:
        made = Server(port, top / "ca.crt", passwords)
        asyncio.run(_until_there(made, process, top / "log"))
        yield made
    finally:
        process.kill()
        process.wait()


async def _until_there(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.poll() is None, log.read_text()
            try:
                async with queue_of(server, nats.CONTROLLER) as queue:
                    await queue.told()
            except TransientError:
                await asyncio.sleep(0.1)
            else:
                return


@asynccontextmanager
async def queue_of(server: Server, user: str) -> AsyncIterator[JetStreamQueue]:
    queue = JetStreamQueue.of(server.settings(user))
    try:
        yield queue
    finally:
        await queue.close()


@asynccontextmanager
async def raw(server: Server, user: str) -> AsyncIterator[tuple[nats_client.NATS, list[str]]]:
    """A bare client, and what the server holds against it."""
    complaints: list[str] = []

    async def complain(error: Exception) -> None:
        complaints.append(str(error))

    client = await nats_client.connect(
        f"tls://127.0.0.1:{server.port}",
        user=user,
        password=server.passwords[user],
        tls=ssl.create_default_context(cafile=str(server.authority)),
        tls_hostname="nats.headrace.svc",
        error_cb=complain,
    )
    try:
        yield client, complaints
    finally:
        await client.close()


async def _until(look: Callable[[], Any]) -> Any:
    """What it sees, once that is something: plain messages and complaints come when they come."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            found = look()
            found = await found if isawaitable(found) else found
            if found:
                return found
            await asyncio.sleep(0.02)


def task(number: int = 1) -> Task:
    return Task(
        id=f"{number:064x}", function=FUNCTION, bucket="uploads", key="k", etag="e", size=1, received=1.0
    )


async def test_a_file_goes_its_way_through_all_users(server: Server):
    async with (
        queue_of(server, nats.CONTROLLER) as controller,
        queue_of(server, nats.EVENTS) as events,
        queue_of(server, nats.WORKER) as worker,
        queue_of(server, nats.SCALER) as scaler,
        queue_of(server, nats.OPERATOR) as operator,
    ):
        await controller.ensure(FUNCTION, lease_seconds=30.0, max_leased=10)
        await events.ensure(FUNCTION, lease_seconds=20.0, max_leased=20)
        await asyncio.gather(scaler.told(), scaler.standings(), controller.standings())
        assert await events.put(task(1))
        assert not await events.put(task(1))
        assert await operator.put(task(2))
        assert (await scaler.backlog(FUNCTION)).tasks == 2
        assert await events.total("") == await operator.total("") == 2
        assert await events.ids(FUNCTION) == {task(1).id, task(2).id}
        assert await operator.find(FUNCTION, task(2).id) == (task(2), 1)
        await operator.ensure(FUNCTION, lease_seconds=30.0, max_leased=16)  # as a restore does
        await operator.pause(FUNCTION)
        await operator.resume(FUNCTION)
        first, second = await worker.pull(FUNCTION, 2, wait_seconds=5.0)
        await worker.tell(Standing(function=FUNCTION, worker="w", held=1, since=1.0))
        await worker.tell(Finished(function=FUNCTION, worker="w", files=1, bytes=1, seconds=1.0))
        await first.extend()
        await first.done()
        await second.retry()
        assert await operator.remove(FUNCTION, task(2).id)
        assert (await controller.backlog(FUNCTION)).tasks == 0
        assert [each.worker for each in await _until(scaler.told)] == ["w"]
        assert set(await _until(scaler.standings)) == set(await _until(controller.standings)) == {"w"}
        await controller.drop(FUNCTION)


FORBIDDEN = [
    (nats.WORKER, "tasks.echo.1"),
    (nats.WORKER, "$JS.API.STREAM.CREATE.tasks-echo"),
    (nats.WORKER, "$JS.API.STREAM.DELETE.tasks-echo"),
    (nats.WORKER, "$JS.API.STREAM.PURGE.tasks-echo"),
    (nats.WORKER, "_INBOX.of.another"),
    (nats.EVENTS, "$JS.API.STREAM.DELETE.tasks-echo"),
    (nats.EVENTS, "$JS.API.CONSUMER.MSG.NEXT.tasks-echo.workers"),
    (nats.SCALER, "tasks.echo.1"),
    (nats.SCALER, "$JS.ACK.tasks-echo.workers.1.1.1.1.1"),
    (nats.SCALER, "standing.echo"),
    (nats.WORKER, "$JS.API.STREAM.LIST"),
    (nats.CONTROLLER, "tasks.echo.1"),
    (nats.OPERATOR, "$JS.API.STREAM.DELETE.tasks-echo"),
]


@pytest.mark.parametrize(("user", "subject"), FORBIDDEN)
async def test_what_is_another_services_work_is_refused(server: Server, user: str, subject: str):
    async with raw(server, user) as (client, complaints):
        await client.publish(subject, b"{}")
        assert "permissions violation" in (await _until(complaints.copy))[0].lower()


@pytest.mark.parametrize("subject", ["tasks.>", ">", "$JS.API.>", "$SYS.>"])
@pytest.mark.parametrize("user", nats.USERS)
async def test_nobody_listens_to_tasks_or_to_the_system(server: Server, user: str, subject: str):
    async with raw(server, user) as (client, complaints):
        await client.subscribe(subject)
        assert "permissions violation" in (await _until(complaints.copy))[0].lower()


async def test_nobody_gets_in_without_the_password_or_without_trust(server: Server, tmp_path: Path):
    wrong = server.settings(nats.WORKER, password="wrong")
    other = tmp_path / "other.crt"
    other.write_text(making.authority("theirs", datetime.now(UTC)).certificate)
    for settings in (wrong, server.settings(nats.WORKER, ca_file=str(other))):
        queue = JetStreamQueue.of(settings)
        with pytest.raises(ConfigurationError):
            await queue.backlog(FUNCTION)
        await queue.close()
    with pytest.raises((NatsError, OSError)):
        await nats_client.connect(
            f"nats://127.0.0.1:{server.port}", allow_reconnect=False, max_reconnect_attempts=0
        )
