"""Logging in to a real NATS server as the platform has it: TLS, users, rights by subject."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("cryptography")  # of the extra `infra`

from headrace.local.nats import PROGRAM
from headrace.local.process import Process, answers, find_program, free_ports
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import QueueLogin, QueueSettings
from headrace.model.task import Task
from headrace.model.tenancy import qualified
from headrace.queue.accounts import queue_of
from headrace.queue.jetstream import JetStreamQueue
from infra.credentials.making import authority, certificate
from infra.manifests import nats
from tests.toolchain.needed import leave_out

HOST = "queue.headrace.svc"
START_SECONDS = 30.0
TENANTS = ("lab", "ward-2")


@dataclass(frozen=True)
class Platform:
    """The server of a platform, at 127.0.0.1; its certificate bears the name that it has in a cluster."""

    port: int
    ca_file: Path

    def settings(self, user: str, /, **changes: str) -> QueueSettings:
        told = {
            "url": f"tls://127.0.0.1:{self.port}",
            "user": user,
            "password": f"{user}-password",
            "ca_file": str(self.ca_file),
            "tls_hostname": HOST,
        }
        return QueueSettings(**(told | changes))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder, port = tmp_path_factory.mktemp("platform"), free_ports(1)[0]
    now = datetime.now(UTC)
    signer = authority("tests", now)
    pair = certificate([HOST], signer.certificate, signer.key, now)
    for name, text in (
        ("ca.crt", signer.certificate),
        ("tls.crt", pair.certificate),
        ("tls.key", pair.key),
        ("nats.conf", _configuration(folder, port)),
    ):
        (folder / name).write_text(text)
    server = _started(folder, port)
    yield Platform(port, folder / "ca.crt")
    server.kill()


def _configuration(folder: Path, port: int) -> str:
    """The platform's own, but for where its files lie and where it listens."""
    own = nats.configuration(storage="1Gi", tenants=TENANTS)
    for before, after in (
        (nats.CERTIFICATES, str(folder)),
        (f'"{nats.DATA}"', f'"{folder / "store"}"'),
        (f"0.0.0.0:{nats.PORT}", f"127.0.0.1:{port}"),
        (f'http: "0.0.0.0:{nats.MONITOR_PORT}"', ""),
    ):
        assert before in own, f"{before} is not in the platform's configuration"
        own = own.replace(before, after)
    return own


def _started(folder: Path, port: int) -> Process:
    try:
        program = find_program(PROGRAM)
    except ConfigurationError as missing:
        leave_out(str(missing))
    passwords = {nats.password_variable(user): f"{user}-password" for user in nats.users(TENANTS)}
    server = Process.start(
        "nats",
        [program, "--config", str(folder / "nats.conf")],
        log=folder / "log",
        environment=passwords,
    )
    try:
        server.wait_until(lambda: answers(port), seconds=START_SECONDS)
    except BaseException:
        server.kill()
        raise
    return server


def a_task(function: str) -> Task:
    return Task(id=f"{1:032x}", function=function, bucket="uploads", key="a", etag="e", size=1, received=1.0)


async def test_each_service_may_do_its_part_as_its_own_user(platform: Platform) -> None:
    events, worker, operator = (
        JetStreamQueue.of(platform.settings(user)) for user in (nats.EVENTS, nats.WORKER, nats.OPERATOR)
    )
    await events.ensure("echo", lease_seconds=30, max_leased=10)
    assert await events.put(a_task("echo")) is True
    (lease,) = await worker.pull("echo", 1, wait_seconds=5)
    await lease.extend()
    await operator.pause("echo")
    assert (await operator.backlog("echo")).paused
    await lease.done()
    assert await events.ids("echo") == frozenset()
    for queue in (events, worker, operator):
        await queue.close()


async def test_what_a_user_may_not_do_is_not_done_and_logged(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    events, worker = (JetStreamQueue.of(platform.settings(user)) for user in (nats.EVENTS, nats.WORKER))
    await events.ensure("kept", lease_seconds=30, max_leased=10)
    with pytest.raises(TransientError):
        await worker.drop("kept")
    assert (await events.backlog("kept")).tasks == 0
    assert "stream.delete.tasks-kept" in caplog.text  # the library tells all in small letters
    for queue in (events, worker):
        await queue.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"password": "wrong"}, "refused user 'events'"),
        ({"user": "nobody"}, "refused user 'nobody'"),
        ({"ca_file": ""}, "is not trusted.*caFile"),
        ({"tls_hostname": "other.headrace.svc"}, "is not trusted.*other.headrace.svc"),
        ({"tls_hostname": ""}, "is not trusted.*127.0.0.1"),
        ({"ca_file": "/nowhere/ca.crt"}, "/nowhere/ca.crt can't be used"),
    ],
)
async def test_what_keeps_a_service_out_is_a_fault_of_the_configuration(
    platform: Platform, changes: dict[str, str], told: str
) -> None:
    queue = JetStreamQueue.of(platform.settings(nats.EVENTS, **changes))
    with pytest.raises(ConfigurationError, match=told):
        await queue.backlog("echo")
    await queue.close()


async def test_an_authority_that_is_none_is_named(platform: Platform, tmp_path: Path) -> None:
    rubbish = tmp_path / "ca.crt"
    rubbish.write_text("rubbish")
    queue = JetStreamQueue.of(platform.settings(nats.EVENTS, ca_file=str(rubbish)))
    with pytest.raises(ConfigurationError, match=str(rubbish)):
        await queue.backlog("echo")
    await queue.close()


async def test_each_tenant_has_streams_of_its_own_which_nobody_else_sees(platform: Platform) -> None:
    queues = {
        user: JetStreamQueue.of(platform.settings(user))
        for tenant in ("", *TENANTS)
        for user in (qualified(tenant, nats.EVENTS), qualified(tenant, nats.WORKER))
    }
    for tenant in ("", *TENANTS):
        events, function = queues[qualified(tenant, nats.EVENTS)], qualified(tenant, "shared")
        await events.ensure(function, lease_seconds=30, max_leased=10)
    assert await queues["lab.events"].put(a_task("lab.shared")) is True
    assert (await queues["events"].backlog("shared")).tasks == 0
    assert (await queues["ward-2.events"].backlog("ward-2.shared")).tasks == 0
    assert not await queues["worker"].pull("shared", 1, wait_seconds=0.2)
    assert not await queues["ward-2.worker"].pull("ward-2.shared", 1, wait_seconds=0.2)
    (lease,) = await queues["lab.worker"].pull("lab.shared", 1, wait_seconds=5)
    assert lease.task.function == "lab.shared"
    await lease.done()
    for queue in queues.values():
        await queue.close()


async def test_a_service_that_knows_all_accounts_puts_each_task_into_its_tenants(platform: Platform) -> None:
    logins = {
        each: QueueLogin(user=user, password=f"{user}-password")
        for each in TENANTS
        for user in (qualified(each, nats.EVENTS),)
    }
    events = queue_of(platform.settings(nats.EVENTS).model_copy(update={"accounts": logins}))
    for function in ("known", "lab.known", "ward-2.known"):
        await events.ensure(function, lease_seconds=30, max_leased=10)
    assert await events.put(a_task("ward-2.known")) is True
    found = [(await events.backlog(each)).tasks for each in ("known", "lab.known", "ward-2.known")]
    assert found == [0, 0, 1]
    await events.close()
