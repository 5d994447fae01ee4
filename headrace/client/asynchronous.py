"""The client with asyncio. It belongs to one event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from headrace.client import calls
from headrace.client.calls import Call, Progress, Source
from headrace.client.errors import ApiError
from headrace.client.sending import (
    LONGEST_WAIT_SECONDS,
    WAIT_SECONDS,
    Login,
    answer_of,
    flowing,
    headers_of,
    translated,
)
from headrace.client.values import Job, Outcome, Service, Submitted, TaskState
from headrace.model.errors import TransientError

Result = TypeVar("Result")
Told = Callable[[TaskState], None]


class AsyncClient:
    """Calls of one API, by a user's name and password or by a service's token.

    Every call raises ApiError with the API's reason, and UnreachableError. `seconds`: for one step of a call,
    such as the next bytes of an answer.
    """

    def __init__(
        self,
        url: str,
        login: Login,
        *,
        seconds: float = 330.0,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._http = httpx2.AsyncClient(auth=login.auth, timeout=seconds, transport=transport)
        self._sleep = sleep
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def services(self) -> tuple[Service, ...]:
        """Every service that this login sees."""
        return await self._do(calls.services())

    async def service(self, name: str) -> Service:
        """One service, with its token."""
        return await self._do(calls.service(name))

    async def create(self, definition: Mapping[str, Any]) -> Service:
        """Make a service of OSCAR's definition."""
        return await self._do(calls.create(definition))

    async def update(self, definition: Mapping[str, Any]) -> None:
        """Change the service that the definition names."""
        await self._do(calls.update(definition))

    async def delete(self, name: str) -> None:
        """Delete a service; its buckets stay."""
        await self._do(calls.delete(name))

    async def job(
        self, service: str, source: Source, *, name: str | None = None, progress: Progress | None = None
    ) -> Submitted:
        """Send a file to be worked."""
        return await self._do(calls.job(service, source, name), progress)

    async def run(
        self, service: str, source: Source, *, name: str | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Send a file, and wait for what is made of it; ApiError.task names what is not done in time."""
        return await self._do(calls.run(service, source, name), progress)

    async def task(self, service: str, task: str) -> TaskState:
        """How a task stands."""
        return await self._do(calls.task(service, task))

    async def wait(
        self, service: str, task: str, *, seconds: float | None = None, tell: Told = lambda _: None
    ) -> TaskState:
        """Look at a task until nothing more is to come of it, and `tell` of each look.

        A server that is away is asked again. Raises TransientError after so many `seconds`.
        """
        begun, pause = self._now(), WAIT_SECONDS
        while True:
            state = await self._looked(service, task)
            if state is not None:
                tell(state)
                if state.settled:
                    return state
            if seconds is not None and self._now() - begun >= seconds:
                raise TransientError(
                    f"task {task} of {service} has not ended after {seconds:g} s; it goes on"
                )
            await self._sleep(pause)
            pause = min(LONGEST_WAIT_SECONDS, pause * 1.5)

    async def log(self, service: str, task: str) -> str:
        """What a task's last attempt printed."""
        return await self._do(calls.log(service, task))

    async def jobs(self, service: str) -> AsyncIterator[Job]:
        """Every job of a service, page by page: those in the queue, then those that ended, newest first."""
        page = ""
        while True:
            found, page = await self._do(calls.jobs(service, page))
            for each in found:
                yield each
            if not page:
                return

    async def _looked(self, service: str, task: str) -> TaskState | None:
        """None: it can't be told now."""
        try:
            return await self.task(service, task)
        except ApiError as error:
            if not error.is_transient:
                raise
        except TransientError:
            pass
        return None

    async def _do(self, call: Call[Result], progress: Progress | None = None) -> Result:
        content = flowing(call.source, progress) if call.source else None
        with translated(self._url):
            response = await self._http.request(
                call.method,
                self._url + call.path,
                params=dict(call.query),
                headers=headers_of(call.headers, call.source),
                content=content,
            )
            return call.result(answer_of(response))
