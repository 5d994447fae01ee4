"""One queue over several accounts: a function's name says which, and no account speaks for another."""

from collections.abc import Mapping, Sequence

import pytest

from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError, TransientError
from headrace.model.observation import Finished, Standing
from headrace.model.settings import QueueLogin, QueueSettings
from headrace.model.task import Task
from headrace.queue.accounts import AccountQueue, queue_of
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.memory import MemoryQueue


class Account(MemoryQueue):
    """One that a test takes away."""

    fault: HeadraceError | None = None

    async def told(self) -> Sequence[Finished]:
        if self.fault:
            raise self.fault
        return await super().told()

    async def standings(self) -> Mapping[str, Standing]:
        if self.fault:
            raise self.fault
        return await super().standings()


class Bench:
    """The stack's own account and two tenants'."""

    def __init__(self) -> None:
        self.accounts = {each: Account(now=lambda: 1.0) for each in ("", "lab", "other")}
        self.queue = AccountQueue(self.accounts)


def task(function: str) -> Task:
    return Task(id="1" * 32, function=function, bucket="b", key="k", etag="e", size=1, received=1.0)


def finished(function: str) -> Finished:
    return Finished(function=function, worker="w", files=1, bytes=0, seconds=1.0)


def standing(function: str, worker: str) -> Standing:
    return Standing(function=function, worker=worker, held=1, since=1.0)


async def test_functions_of_one_name_are_apart_in_their_tenants_accounts() -> None:
    bench = Bench()
    names = ("echo", "lab.echo", "other.echo")
    for each in names:
        await bench.queue.ensure(each, lease_seconds=30, max_leased=9)
    assert await bench.queue.put(task("lab.echo"))
    assert [(await bench.queue.backlog(each)).tasks for each in names] == [0, 1, 0]
    assert (await bench.accounts["lab"].backlog("lab.echo")).tasks == 1
    await bench.queue.drop("lab.echo")
    with pytest.raises(NotFoundError):
        await bench.accounts["lab"].backlog("lab.echo")


async def test_batches_of_all_accounts_are_heard_and_none_of_anothers_function() -> None:
    bench = Bench()
    assert await bench.queue.told() == ()
    for each in ("echo", "lab.echo", "other.echo"):
        await bench.queue.tell(finished(each))
    await bench.accounts["lab"].tell(finished("other.blur"))
    await bench.accounts["lab"].tell(finished("blur"))
    assert [each.function for each in await bench.queue.told()] == ["echo", "lab.echo", "other.echo"]


async def test_no_account_says_how_anothers_worker_stands() -> None:
    bench = Bench()
    assert await bench.queue.standings() == {}
    true = [
        standing("echo", "echo-1"),
        standing("lab.echo", "lab.echo-1"),
        standing("other.echo", "other.echo-1"),
    ]
    for each in true:
        await bench.queue.tell(each)
    for function, worker in (
        ("lab.echo", "other.echo-1"),
        ("lab.echo", "echo-1"),
        ("other.echo", "other.echo-2"),
    ):
        await bench.accounts["lab"].tell(standing(function, worker))
    assert await bench.queue.standings() == {each.worker: each for each in true}


@pytest.mark.parametrize("fault", [ConfigurationError("it refuses us"), TransientError("it is away")])
async def test_an_account_that_can_not_be_used_takes_nothing_from_the_others(
    fault: HeadraceError, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    await bench.queue.told()
    await bench.queue.standings()
    bench.accounts["lab"].fault = fault
    for _ in range(2):
        for name in ("echo", "other.echo"):
            await bench.queue.tell(finished(name))
        assert [each.function for each in await bench.queue.told()] == ["echo", "other.echo"]
    told = standing("other.echo", "other.echo-1")
    await bench.queue.tell(told)
    for _ in range(2):
        assert await bench.queue.standings() == {told.worker: told}
        assert set(bench.queue.unheard) == {"lab"}
    assert [each.message for each in caplog.records] == [
        f"the queue's account of tenant lab: {what} is not heard: {fault}"
        for what in ("what its workers have done", "how its workers stand")
    ]
    bench.accounts["lab"].fault = None
    await bench.queue.tell(finished("lab.echo"))
    assert [each.function for each in await bench.queue.told()] == ["lab.echo"]
    await bench.queue.standings()
    assert not bench.queue.unheard


async def test_of_no_account_that_can_be_used_the_fault_is_raised() -> None:
    bench = Bench()
    for each in bench.accounts.values():
        each.fault = TransientError("the server is away")
    with pytest.raises(TransientError, match="the server is away"):
        await bench.queue.told()
    with pytest.raises(TransientError, match="the server is away"):
        await bench.queue.standings()


async def test_a_tenant_without_an_account_is_named_with_those_that_have_one() -> None:
    bench = Bench()
    with pytest.raises(NotFoundError, match=r"function nobody.echo.*'nobody'.*allowed: lab, other; declare"):
        await bench.queue.ensure("nobody.echo", lease_seconds=30, max_leased=9)
    await bench.queue.tell(finished("nobody.echo"))
    await bench.queue.drop("nobody.echo")


def test_a_service_without_tenants_logins_has_a_single_connection() -> None:
    plain = QueueSettings(url="nats://127.0.0.1:1")
    assert isinstance(queue_of(plain), JetStreamQueue)
    accounts = {"lab": QueueLogin(user="u", password="p")}
    assert isinstance(queue_of(plain.model_copy(update={"accounts": accounts})), AccountQueue)
