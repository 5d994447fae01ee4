"""GET /healthz and GET /readyz, for services that have no HTTP server of their own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.model.errors import ConfigurationError

PORT = 8081
GRACE_SECONDS = 1

Check = Callable[[], str]  # what is wrong, for people; empty: nothing is


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service."""
        yield


@contextlib.asynccontextmanager
async def serving(
    port: int,
    *,
    ready: Check,
    alive: Check = lambda: "",
    remark: Check = lambda: "",
    more: Sequence[BaseRoute] = (),
    host: str = "0.0.0.0",  # noqa: S104  (the kubelet asks at the pod's address)
) -> AsyncIterator[int]:
    """Answer while the block runs; gives the port, which for 0 is one that was free.

    A check is asked at each request; a fault that it names is answered with status 503. `remark` is what a
    service that is ready can't do nevertheless: it is told along, with status 200. `more` is
    answered beside these.
    Raises ConfigurationError when the port can't be had.
    """
    listening = bound(host, port)
    server = _Server(_config(alive, ready, remark, more))
    task = asyncio.create_task(server.serve([listening]), name="health")
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


def bound(host: str, port: int, *, backlog: int = 16) -> socket.socket:
    """A socket that takes connections: uvicorn itself would end the process where it can't bind.

    Raises ConfigurationError when the port can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise ConfigurationError(
            f"calls can't be answered on {host}:{port} ({error.strerror}); free that port"
        ) from error


def _config(alive: Check, ready: Check, remark: Check, more: Sequence[BaseRoute]) -> uvicorn.Config:
    routes = [Route("/healthz", _answering(alive)), Route("/readyz", _answering(ready, remark))]
    return uvicorn.Config(
        Starlette(routes=[*routes, *more]),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _answering(check: Check, remark: Check = lambda: "") -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        fault, said = check(), remark()
        document = {"error": fault} if fault else {"status": "ok"} | ({"remark": said} if said else {})
        return Response(orjson.dumps(document), 503 if fault else 200, media_type="application/json")

    return answer
