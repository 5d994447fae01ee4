"""From what a caller sends to tasks in the queue: a file is stored first, as if it had been uploaded."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from headrace.api.payload import key_of
from headrace.catalog.folder import Installed
from headrace.events.deposit import Deposit
from headrace.events.gate import Gate
from headrace.events.intake import Intake, Report
from headrace.health.faults import Fault, FaultError, refusal
from headrace.model.errors import HeadraceError, NotFoundError, TransientError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.model.function import Input
from headrace.model.settings import Settings
from headrace.model.task import task_id
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import admit
from headrace.operations.stack import Stack
from headrace.queue.port import Queue
from headrace.storage.port import ObjectInfo, Storage

AGAIN_SECONDS = 0.5  # between two tries while a bucket is made, or the store is away
QUOTA_RETRY_SECONDS = 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submitted:
    """The ids of the tasks that a call led to, in no promised order.

    `held`: why some are not in the queue yet; the listing brings them. `ignored`: what became no task.
    """

    tasks: tuple[str, ...]
    ignored: tuple[IgnoredEvent, ...] = ()
    held: tuple[str, ...] = ()


class Submitter:
    """Stores files and puts their tasks into the queue. `number` names a folder that nobody else has."""

    def __init__(
        self,
        storage: Storage,
        queue: Queue,
        settings: Settings,
        *,
        clock: Callable[[], float],
        number: Callable[[], str],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._queue = queue
        self._settings = settings
        self._clock = clock
        self._number = number
        self._sleep = sleep
        gate = Gate(queue, settings.kubernetes, clock)
        self._deposit = Deposit(queue, settings.queue, gate)

    async def take(self, installed: Installed, delivery: Delivery) -> Submitted:
        """The tasks of a notification's objects that the function takes. Raises TransientError."""
        return _submitted(await self._take(installed, delivery))

    async def admit(self, function: str) -> None:
        """Raises FaultError where the function's tenant may have no more files waiting: 429."""
        place = self._settings.kubernetes
        tenant = place.declared(tenant_of(function)) if place else None
        if tenant is None or tenant.quota.files_waiting is None:
            return
        found = admit(tenant, await self._queue.total(tenant.name), 1)
        if not found.files:
            headers = {"Retry-After": str(QUOTA_RETRY_SECONDS)}
            status = HTTPStatus.TOO_MANY_REQUESTS
            raise FaultError(Fault(status, "the quota is used up", found.reason, headers=headers))

    async def send(self, stack: Stack, installed: Installed, body: Path, name: str) -> Submitted:
        """Store a file below the function's first input, and queue its task.

        What is stored is not lost: where the queue is away, the store's notification or the listing brings
        the task. Raises TransientError where it could not be stored.
        """
        bucket, source = stack.inputs(installed)[0]
        key = key_of(source, name, self._number())
        info = await self._stored(bucket, key, body)
        _check_taken(installed, source, key)
        identifier = task_id(installed.function.name, bucket, key, info.identity)
        delivery = Delivery(created=(FileEvent(bucket, key),))
        try:
            found = _submitted(await self._take(installed, delivery))
        except TransientError as error:
            _log.warning("%s: %s", identifier, error, extra={"action": "api.queued_later"})
            return Submitted(
                (identifier,), held=(f"it is stored, and queued once the queue answers: {error}",)
            )
        return Submitted((identifier,), found.ignored, found.held)

    async def _take(self, installed: Installed, delivery: Delivery) -> Report:
        await self._deposit.open(installed.function)
        intake = Intake(
            self._storage,
            self._deposit,
            functions=lambda: (installed.function,),
            settings=self._settings,
            clock=self._clock,
        )
        return await intake.take(delivery)

    async def _stored(self, bucket: str, key: str, body: Path) -> ObjectInfo:
        """A new function's bucket comes a moment after it, and its store may start anew for that."""
        deadline = self._clock() + (self._settings.api.ready_seconds if self._settings.api else 0.0)
        while True:
            try:
                await self._storage.put(bucket, key, body)
                return await self._storage.head(bucket, key)
            except (NotFoundError, TransientError) as error:
                if self._clock() >= deadline:
                    raise _away(bucket, error) from error
            await self._sleep(AGAIN_SECONDS)


def _submitted(report: Report) -> Submitted:
    held = tuple(dict.fromkeys(each.reason for each in report.held))
    tasks = (*report.stored, *report.queued, *(each.task for each in report.held))
    return Submitted(tuple(task.id for task in tasks), report.ignored, held)


def _check_taken(installed: Installed, source: Input, key: str) -> None:
    if not source.takes(key):
        reason = f"{installed.function.name} does not take {key!r}; give the file another name"
        raise refusal(HTTPStatus.BAD_REQUEST, "not valid", reason)


def _away(bucket: str, error: HeadraceError) -> TransientError:
    return TransientError(f"the file could not be stored in {bucket}; send it again: {error}")
