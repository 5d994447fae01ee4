"""The client without asyncio. It may be used by several threads."""

import time
from collections.abc import Callable, Iterator, Mapping
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
    headers_of,
    pieces,
    translated,
)
from headrace.client.values import Job, Outcome, Service, Submitted, TaskState
from headrace.model.errors import TransientError

Result = TypeVar("Result")
Told = Callable[[TaskState], None]


class Client:
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
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._http = httpx2.Client(auth=login.auth, timeout=seconds, transport=transport)
        self._sleep = sleep
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def services(self) -> tuple[Service, ...]:
        """Every service that this login sees."""
        return self._do(calls.services())

    def service(self, name: str) -> Service:
        """One service, with its token."""
        return self._do(calls.service(name))

    def create(self, definition: Mapping[str, Any]) -> Service:
        """Make a service of OSCAR's definition."""
        return self._do(calls.create(definition))

    def update(self, definition: Mapping[str, Any]) -> None:
        """Change the service that the definition names."""
        self._do(calls.update(definition))

    def delete(self, name: str) -> None:
        """Delete a service; its buckets stay."""
        self._do(calls.delete(name))

    def job(
        self, service: str, source: Source, *, name: str | None = None, progress: Progress | None = None
    ) -> Submitted:
        """Send a file to be worked."""
        return self._do(calls.job(service, source, name), progress)

    def run(
        self, service: str, source: Source, *, name: str | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Send a file, and wait for what is made of it; ApiError.task names what is not done in time."""
        return self._do(calls.run(service, source, name), progress)

    def task(self, service: str, task: str) -> TaskState:
        """How a task stands."""
        return self._do(calls.task(service, task))

    def wait(
        self, service: str, task: str, *, seconds: float | None = None, tell: Told = lambda _: None
    ) -> TaskState:
        """Look at a task until nothing more is to come of it, and `tell` of each look.

        A server that is away is asked again. Raises TransientError after so many `seconds`.
        """
        begun, pause = self._now(), WAIT_SECONDS
        while True:
            state = self._looked(service, task)
            if state is not None:
                tell(state)
                if state.settled:
                    return state
            if seconds is not None and self._now() - begun >= seconds:
                raise TransientError(
                    f"task {task} of {service} has not ended after {seconds:g} s; it goes on"
                )
            self._sleep(pause)
            pause = min(LONGEST_WAIT_SECONDS, pause * 1.5)

    def log(self, service: str, task: str) -> str:
        """What a task's last attempt printed."""
        return self._do(calls.log(service, task))

    def jobs(self, service: str) -> Iterator[Job]:
        """Every job of a service, page by page: those in the queue, then those that ended, newest first."""
        page = ""
        while True:
            found, page = self._do(calls.jobs(service, page))
            yield from found
            if not page:
                return

    def _looked(self, service: str, task: str) -> TaskState | None:
        """None: it can't be told now."""
        try:
            return self.task(service, task)
        except ApiError as error:
            if not error.is_transient:
                raise
        except TransientError:
            pass
        return None

    def _do(self, call: Call[Result], progress: Progress | None = None) -> Result:
        content = pieces(call.source, progress) if call.source else None
        with translated(self._url):
            response = self._http.request(
                call.method,
                self._url + call.path,
                params=dict(call.query),
                headers=headers_of(call.headers, call.source),
                content=content,
            )
            return call.result(answer_of(response))
