"""An image that serves, as the worker sees it: each file is posted to it, files of a batch at once.

The container runs the image's own command, and nothing of ours is in it. So all that is known of it is
whether its port takes connections, what it answers, and that Kubernetes ends this container after that one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx2

from headrace.health.connecting import connects
from headrace.model.errors import TransientError
from headrace.model.function import Http
from headrace.worker.attempt import HANDED_BACK, RETURNED, Cause, Outcome, Staged
from headrace.worker.container.posting import refused, request_headers, result_name, wait_seconds
from headrace.worker.limits import Limits, Usage, exceeded, timed_out
from headrace.worker.runner_port import vanished

LOOK_SECONDS = 0.2  # between two looks whether the port takes connections
LOADING_SECONDS = 1.0  # between two requests to a server that has only ever said that it is not ready
CONNECT_SECONDS = 5.0
BLOCK_BYTES = 2**18
TOLD_BYTES = 2**16  # of an answer that is no success, for the log
LEFT = Outcome(Cause.LEFT, "the pod's time to leave was up")
ENDED = Outcome(Cause.LEFT, "the server has ended")
_KEPT = httpx2.Limits(max_keepalive_connections=0)  # one that the server closed would look like its death


@dataclass
class Server:
    """The user's container. `loaded`: its port has taken a connection; `answered`: not with 503 alone."""

    http: Http
    host: str = "127.0.0.1"  # the containers of a pod share their addresses
    loaded: bool = False
    answered: bool = False
    told_to_leave: bool = False  # it lives on until this worker has finished
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class ServedRunner:
    """See the port Runner. `now` gives seconds since the epoch."""

    def __init__(self, server: Server, *, now: Callable[[], float] = time.time) -> None:
        self._server = server
        self._now = now
        self._alive = False
        self._loading: asyncio.Task[float] | None = None
        self._client = httpx2.AsyncClient(
            base_url=f"http://{server.host}:{server.http.port}",
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            limits=_KEPT,
            trust_env=False,
        )
        self.load_seconds: float | None = None
        self.files = 0
        self.computed_seconds = 0.0

    @property
    def usable(self) -> bool:
        """See the port."""
        return self._alive and not self._server.gone.is_set()

    async def start(self) -> None:
        """See the port. The server starts by itself; here it is waited for."""
        self._loading = asyncio.create_task(self._answering())
        self._alive = True

    async def _answering(self) -> float:
        """Until the port takes connections; the seconds that it took."""
        began = time.monotonic()
        while True:
            with suppress(TransientError):
                await connects(self._server.host, self._server.http.port, seconds=CONNECT_SECONDS)
                return time.monotonic() - began
            await asyncio.sleep(LOOK_SECONDS)

    async def run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        """See the port. The first failure of a batch is the batch's."""
        outcome = await self._loaded(limits)
        if outcome.good:
            self.files += len(batch)
            began = time.monotonic()
            outcomes = await asyncio.gather(*(self._worked(staged, limits) for staged in batch))
            self.computed_seconds = time.monotonic() - began
            outcome = min(outcomes, key=lambda each: (each.good, each.cause not in HANDED_BACK))
        if outcome.cause in {Cause.VANISHED, Cause.NOT_LOADED, Cause.LEFT}:
            await self.kill()
        return outcome

    async def _loaded(self, limits: Limits) -> Outcome:
        if self.load_seconds is not None or self._loading is None:
            return RETURNED
        gone = asyncio.create_task(self._server.gone.wait())
        try:
            await asyncio.wait(
                {self._loading, gone}, timeout=limits.seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            gone.cancel()
        if self._loading.done():
            self._server.loaded, self.load_seconds = True, self._loading.result()
            return RETURNED
        if self._server.gone.is_set() and (self._server.loaded or self._server.told_to_leave):
            return ENDED
        if self._server.gone.is_set():
            return self._not_loaded("the server ended before it took")
        return self._not_loaded(f"within {limits.seconds:g} s the server took no")

    def _not_loaded(self, how: str) -> Outcome:
        port = self._server.http.port
        return Outcome(
            Cause.NOT_LOADED, f"{how} connections on port {port} (run.http.port); see the container's own log"
        )

    async def _worked(self, staged: Staged, limits: Limits) -> Outcome:
        """Post a file until it is answered, within its time."""
        try:
            async with asyncio.timeout(limits.seconds) as deadline:
                while True:
                    answer = await self._posted(staged, limits, deadline)
                    if answer is not None:
                        return answer
        except TimeoutError:
            return timed_out(limits)
        except (httpx2.NetworkError, httpx2.ProtocolError) as error:
            return self._lost(limits, error)
        except httpx2.DecodingError as error:
            return Outcome(Cause.HTTP_STATUS, f"the server's answer can't be decoded: {error}")
        except OSError as error:
            return Outcome(Cause.DISK, f"the server's answer can't be kept: {error.strerror}")

    async def _posted(self, staged: Staged, limits: Limits, deadline: asyncio.Timeout) -> Outcome | None:
        """What one request came to; None: it is to be repeated."""
        request = self._client.build_request(
            "POST", self._server.http.path, headers=request_headers(staged), content=_blocks(staged.file)
        )
        try:
            response = await self._client.send(request, stream=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):  # nothing was handed over
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._server.gone.wait()
            return ENDED if self._server.gone.is_set() else None
        try:
            if response.is_success:
                self._server.answered = True
                return await _stored(response, staged, limits)
            body = await _beginning(response)
        finally:
            await response.aclose()
        asked = wait_seconds(response.status_code, response.headers.get("retry-after"), self._now())
        wait = self._loading_seconds(response.status_code) if asked is None else asked
        left = (deadline.when() or 0.0) - asyncio.get_running_loop().time()
        if wait is not None and wait < left:
            await asyncio.sleep(wait)
            return None
        staged.folder.log.write_bytes(body)
        hint = f" and asks to wait {asked:g} s, longer than its time-out leaves" if asked is not None else ""
        return refused(response.status_code, body, location=response.headers.get("location"), hint=hint)

    def _loading_seconds(self, status: int) -> float | None:
        """Many a server listens while it loads its model, and says 503 till then."""
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            self._server.answered = True
        return None if self._server.answered else LOADING_SECONDS

    def _lost(self, limits: Limits, error: Exception) -> Outcome:
        """The connection broke in the middle of a file: a death counts, unless the pod had to go by then."""
        if self._server.told_to_leave:
            return LEFT
        return vanished(limits, f"the server broke off the connection ({str(error) or type(error).__name__})")

    def log_tail(self) -> bytes:
        """See the port: what the image prints is the container's own log."""
        return b""

    async def kill(self) -> None:
        """See the port. The server itself is not this container's to end."""
        self._alive = False
        if self._loading is not None:
            self._loading.cancel()
        await self._client.aclose()


async def _blocks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while block := await asyncio.to_thread(content.read, BLOCK_BYTES):
            yield block


async def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    async for block in response.aiter_bytes():
        body += block
        if len(body) >= TOLD_BYTES:
            break
    return body[:TOLD_BYTES]


async def _stored(response: httpx2.Response, staged: Staged, limits: Limits) -> Outcome:
    """Keep the answer's body as the one result; one of no bytes is no result."""
    path, written = staged.folder.output / result_name(staged.file.name, response.headers), 0
    async for block in response.aiter_bytes():
        written += len(block)
        outcome = exceeded(Usage(seconds=0.0, memory_bytes=0, disk_bytes=written, log_bytes=0), limits)
        if outcome is not None:
            return outcome
        with path.open("ab") as file:
            file.write(block)
    return RETURNED
