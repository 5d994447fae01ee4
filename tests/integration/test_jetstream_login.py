"""Logging in to a real NATS server as the platform has it: TLS, users, rights by subject."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

pytest.importorskip("cryptography")  # of the extra `infra`

from headrace.local.nats import PROGRAM
from headrace.local.process import Process, answers, find_program, free_ports
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
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
TENANTS, LATER = ("lab", "ward-2"), "clinic"
USERS = (*nats.USERS, nats.API, nats.STATUS)


@dataclass(frozen=True)
class Platform:
    """The server of a platform, at 127.0.0.1; its certificate bears the name that it has in a cluster."""

    port: int
    monitor_port: int
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
    with running(tmp_path_factory.mktemp("platform")) as found:
        yield found


@contextmanager
def running(folder: Path, *, storage: str = "1Gi", tenants: Sequence[str] = TENANTS) -> Iterator[Platform]:
    """A platform's server with these tenants and that much disk; what the folder holds is its data."""
    port, monitor_port = free_ports(2)
    now = datetime.now(UTC)
    signer = authority("tests", now)
    pair = certificate([HOST], signer.certificate, signer.key, now)
    for name, text in (
        ("ca.crt", signer.certificate),
        ("tls.crt", pair.certificate),
        ("tls.key", pair.key),
        ("nats.conf", _configuration(folder, (port, monitor_port), storage, tenants)),
    ):
        (folder / name).write_text(text)
    server = _started(folder, port)
    try:
        yield Platform(port, monitor_port, folder / "ca.crt")
    finally:
        server.kill()


def _configuration(folder: Path, ports: tuple[int, int], storage: str, tenants: Sequence[str]) -> str:
    """The platform's own, but for where its files lie and where it listens."""
    own = nats.configuration(storage=storage, tenants=tenants, own=USERS)
    for before, after in (
        (nats.CERTIFICATES, str(folder)),
        (f'"{nats.DATA}"', f'"{folder / "store"}"'),
        (f"0.0.0.0:{nats.PORT}", f"127.0.0.1:{ports[0]}"),
        (f"0.0.0.0:{nats.MONITOR_PORT}", f"127.0.0.1:{ports[1]}"),
    ):
        assert before in own, f"{before} is not in the platform's configuration"
        own = own.replace(before, after)
    return own


def _started(folder: Path, port: int) -> Process:
    try:
        program = find_program(PROGRAM)
    except ConfigurationError as missing:
        leave_out(str(missing))
    passwords = {
        nats.password_variable(user): f"{user}-password" for user in nats.users([*TENANTS, LATER], USERS)
    }
    server = Process.start(
        "nats",
        [program, "--config", str(folder / "nats.conf")],
        log=folder / "log",
        environment=passwords,
    )
    return server.once(lambda: answers(port), seconds=START_SECONDS)


def a_task(function: str, number: int = 1, key: str = "a") -> Task:
    return Task(
        id=f"{number:032x}", function=function, bucket="uploads", key=key, etag="e", size=1, received=1.0
    )


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


async def test_the_api_puts_tasks_and_takes_out_its_own_but_works_none(platform: Platform) -> None:
    api = JetStreamQueue.of(platform.settings(nats.API))
    await api.ensure("asked", lease_seconds=30, max_leased=10)
    assert await api.put(a_task("asked")) is True
    assert [each.id for each in await api.tasks("asked", 10)] == [a_task("asked").id]
    assert await api.total("") >= 1
    with pytest.raises(HeadraceError):
        await api.pull("asked", 1, wait_seconds=1)
    assert await api.remove("asked", a_task("asked").id) is True
    assert (await api.backlog("asked")).tasks == 0
    await api.close()


async def test_the_status_page_pauses_replays_and_hears_and_no_more(platform: Platform) -> None:
    status, events = (JetStreamQueue.of(platform.settings(user)) for user in (nats.STATUS, nats.EVENTS))
    await events.ensure("shown", lease_seconds=30, max_leased=10)
    assert await status.put(a_task("shown")) is True
    await status.pause("shown")
    assert (await status.backlog("shown")).paused
    await status.resume("shown")
    assert await status.standings() == {}
    with pytest.raises(HeadraceError):
        await status.remove("shown", a_task("shown").id)
    with pytest.raises(HeadraceError):
        await status.drop("shown")
    for queue in (status, events):
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


async def fill(queue: JetStreamQueue, function: str) -> int:
    """Put until the account takes no more; how many it took."""
    await queue.ensure(function, lease_seconds=30, max_leased=100)
    stored = 0
    while True:
        tasks = [a_task(function, stored + each, key="k" * 1000) for each in range(1, 101)]
        answers = await asyncio.gather(*(queue.put(each) for each in tasks), return_exceptions=True)
        stored += answers.count(True)
        refused = [each for each in answers if isinstance(each, BaseException)]
        assert all(isinstance(each, HeadraceError) for each in refused), refused
        if refused:
            return stored


async def test_a_full_account_refuses_and_keeps_what_it_has_and_stops_no_other(tmp_path: Path) -> None:
    with running(tmp_path, storage="8Mi") as platform:
        lab, worker, ward, own = (
            JetStreamQueue.of(platform.settings(user))
            for user in ("lab.events", "lab.worker", "ward-2.events", nats.EVENTS)
        )
        stored = await fill(lab, "lab.echo")
        assert stored > 1000
        for queue, function in ((ward, "ward-2.echo"), (own, "echo")):
            await queue.ensure(function, lease_seconds=30, max_leased=10)
            assert await queue.put(a_task(function)) is True
        assert (await lab.backlog("lab.echo")).tasks == stored
        for lease in await worker.pull("lab.echo", 100, wait_seconds=5):
            await lease.done()
        assert await lab.put(a_task("lab.echo", number=10**6)) is True, "there is room again"
        for queue in (lab, worker, ward, own):
            await queue.close()


async def test_one_tenant_more_on_a_full_queue_loses_nothing(tmp_path: Path) -> None:
    """Every account's part is smaller then: one beyond it takes nothing new until it has worked enough."""
    with running(tmp_path, storage="8Mi", tenants=["lab"]) as platform:
        lab = JetStreamQueue.of(platform.settings("lab.events"))
        stored = await fill(lab, "lab.echo")
        await lab.close()
    with running(tmp_path, storage="8Mi", tenants=[*TENANTS, LATER]) as platform:
        lab, worker, clinic = (
            JetStreamQueue.of(platform.settings(user))
            for user in ("lab.events", "lab.worker", "clinic.events")
        )
        await clinic.ensure("clinic.echo", lease_seconds=30, max_leased=10)
        assert await clinic.put(a_task("clinic.echo")) is True
        assert (await lab.backlog("lab.echo")).tasks == stored
        with pytest.raises(HeadraceError):
            await lab.put(a_task("lab.echo", number=10**6))
        worked = 0
        while leases := await worker.pull("lab.echo", 100, wait_seconds=0.5):
            for lease in leases:
                await lease.done()
            worked += len(leases)
        assert worked == stored
        assert await lab.put(a_task("lab.echo", number=10**6)) is True
        for queue in (lab, worker, clinic):
            await queue.close()


async def test_a_tenant_less_leaves_the_server_healthy_and_the_others_as_they_were(tmp_path: Path) -> None:
    """What the account had lies on the disk; it is there again where the tenant comes back."""
    with running(tmp_path) as platform:
        for tenant in TENANTS:
            events = JetStreamQueue.of(platform.settings(f"{tenant}.events"))
            await events.ensure(f"{tenant}.echo", lease_seconds=30, max_leased=10)
            await events.put(a_task(f"{tenant}.echo"))
            await events.close()
    for tenants in (["lab"], TENANTS):
        with running(tmp_path, tenants=tenants) as platform:
            await asyncio.to_thread(wait_until_healthy, platform)
            for tenant in tenants:
                events = JetStreamQueue.of(platform.settings(f"{tenant}.events"))
                assert (await events.backlog(f"{tenant}.echo")).tasks == 1
                await events.close()


def wait_until_healthy(platform: Platform) -> None:
    """As the kubelet asks."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{platform.monitor_port}{nats.HEALTH}") as answer:
            assert answer.status == 200
            return
        assert time.monotonic() < deadline, "it is not healthy"
        time.sleep(0.1)
