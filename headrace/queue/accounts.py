"""One queue over several accounts of a server: each tenant's functions have theirs (ADR 20)."""

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.observation import Finished, Standing
from headrace.model.settings import QueueSettings
from headrace.model.task import Task
from headrace.model.tenancy import tenant_of
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.port import Backlog, Lease, Queue

T = TypeVar("T")

_log = logging.getLogger(__name__)


def queue_of(settings: QueueSettings) -> Queue:
    """The queue that a service is told: one account, or that of the stack and those of its tenants."""
    return AccountQueue.of(settings) if settings.accounts else JetStreamQueue.of(settings)


class AccountQueue:
    """See the port. A function's name says in which account it is; the stack's own goes by the name "".

    What an account tells of others' functions or workers is not heard: its users may say anything there. One
    that can't be used takes nothing from the others: what these tell is heard, and it is logged which is not.
    """

    def __init__(self, accounts: Mapping[str, Queue]) -> None:
        self._accounts = accounts
        self._untold = _Deafness("what its workers have done")
        self._unheard = _Deafness("how its workers stand")

    @classmethod
    def of(cls, settings: QueueSettings) -> "AccountQueue":
        """With a connection to each account, opened when it is first needed."""
        tenants = ("", *sorted(settings.accounts))
        return cls({each: JetStreamQueue.of(settings.of_account(each)) for each in tenants})

    async def ensure(self, function: str, *, lease_seconds: float, max_leased: int) -> None:
        """See the port. Raises NotFoundError where the tenant has no account."""
        await self._of(function).ensure(function, lease_seconds=lease_seconds, max_leased=max_leased)

    async def put(self, task: Task) -> bool:
        """See the port."""
        return await self._of(task.function).put(task)

    async def pull(self, function: str, limit: int, *, wait_seconds: float) -> Sequence[Lease]:
        """See the port."""
        return await self._of(function).pull(function, limit, wait_seconds=wait_seconds)

    async def backlog(self, function: str) -> Backlog:
        """See the port."""
        return await self._of(function).backlog(function)

    async def total(self, tenant: str) -> int:
        """See the port; none where the tenant has no account."""
        account = self._accounts.get(tenant)
        return await account.total(tenant) if account is not None else 0

    async def ids(self, function: str) -> frozenset[str]:
        """See the port."""
        return await self._of(function).ids(function)

    async def find(self, function: str, task_id: str) -> tuple[Task, int] | None:
        """See the port."""
        return await self._of(function).find(function, task_id)

    async def tasks(self, function: str, limit: int) -> Sequence[Task]:
        """See the port."""
        return await self._of(function).tasks(function, limit)

    async def remove(self, function: str, task_id: str) -> bool:
        """See the port."""
        return await self._of(function).remove(function, task_id)

    async def pause(self, function: str) -> None:
        """See the port."""
        await self._of(function).pause(function)

    async def resume(self, function: str) -> None:
        """See the port."""
        await self._of(function).resume(function)

    async def drop(self, function: str) -> None:
        """See the port; quiet where the tenant has no account either."""
        if (account := self._accounts.get(tenant_of(function))) is not None:
            await account.drop(function)

    async def tell(self, told: Finished | Standing) -> None:
        """See the port."""
        if (account := self._accounts.get(tenant_of(told.function))) is not None:
            await account.tell(told)

    async def told(self) -> Sequence[Finished]:
        """See the port. What one account told comes before what the next did."""
        heard = await self._heard((each.told() for each in self._accounts.values()), self._untold)
        return tuple(
            told for tenant, own in heard.items() for told in own if tenant_of(told.function) == tenant
        )

    async def standings(self) -> Mapping[str, Standing]:
        """See the port."""
        heard = await self._heard((each.standings() for each in self._accounts.values()), self._unheard)
        return {
            worker: standing
            for tenant, own in heard.items()
            for worker, standing in own.items()
            if tenant_of(worker) == tenant_of(standing.function) == tenant
        }

    @property
    def unheard(self) -> Collection[str]:
        """See the port."""
        return self._unheard.tenants

    async def close(self) -> None:
        """See the port."""
        await asyncio.gather(*(each.close() for each in self._accounts.values()))

    async def _heard(self, asked: Iterable[Awaitable[T]], deafness: "_Deafness") -> Mapping[str, T]:
        """By tenant what the accounts answered that did. Raises the first fault where none did."""
        answers = await asyncio.gather(*asked, return_exceptions=True)
        heard: dict[str, T] = {}
        faults: dict[str, HeadraceError] = {}
        for tenant, answer in zip(self._accounts, answers, strict=True):
            if isinstance(answer, HeadraceError):
                faults[tenant] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                heard[tenant] = answer
        if faults and not heard:
            raise next(iter(faults.values()))
        deafness.take(faults)
        return heard

    def _of(self, function: str) -> Queue:
        account = self._accounts.get(tenant_of(function))
        if account is None:
            known = ", ".join(filter(None, self._accounts)) or "none"
            raise NotFoundError(
                f"function {function}: found no account of tenant {tenant_of(function)!r} in the queue, "
                f"allowed: {known}; declare the tenant in the stack, and deploy the platform"
            )
        return account


class _Deafness:
    """Tenants whose accounts tell nothing of `what`, while others' do; logged when it begins and ends."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.tenants: Collection[str] = frozenset()

    def take(self, faults: Mapping[str, HeadraceError]) -> None:
        """After all were asked: of whom nothing was heard, and why."""
        for tenant, fault in faults.items():
            if tenant not in self.tenants:
                extra = {"action": "queue.account_unheard", "tenant": tenant}
                _log.error("%s: %s is not heard: %s", _account(tenant), self._what, fault, extra=extra)
        for tenant in self.tenants:
            if tenant not in faults:
                extra = {"action": "queue.account_heard", "tenant": tenant}
                _log.info("%s: %s is heard again", _account(tenant), self._what, extra=extra)
        self.tenants = frozenset(faults)


def _account(tenant: str) -> str:
    return f"the queue's account of tenant {tenant}" if tenant else "the queue's account of the stack itself"
