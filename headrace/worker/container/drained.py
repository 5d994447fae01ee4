"""Holds back the end of the user's container while a file is being worked in it.

An image that serves ends at its TERM, in the middle of whatever it does. Kubernetes sends that only after
the container's hook preStop, here a GET to this port, has been answered: so it is answered when the worker
has finished. The node's kubelet asks; to anybody else the answer says nothing and does nothing.
https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from headrace.model.errors import ConfigurationError

HEAD_SECONDS = 10.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def answered_when(
    drained: Callable[[], Awaitable[object]],
    port: int,
    *,
    host: str = "0.0.0.0",  # noqa: S104  (the kubelet asks at the pod's address)
) -> AsyncIterator[int]:
    """Answer every request once `drained` returns; gives the port, which for 0 is one that was free.

    Raises ConfigurationError when the port can't be had.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(HEAD_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
            await drained()
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, host, port)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} is taken ({error.strerror}), and Kubernetes asks there whether the worker has "
            "finished; let the image serve on another one"
        ) from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
