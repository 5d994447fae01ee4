"""`python -m headrace.gpu.stub --port N`: one GPU server for tests and demonstrations.

Anyone who reaches its port may use it. Once it serves, it prints one JSON object with its address and port.
Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't serve.
"""

import asyncio
import json
import signal
import sys
from typing import Annotated

import typer

from headrace.gpu.stub.server import Server
from headrace.gpu.stub.sessions import Books
from headrace.logs.json_lines import configure_logging
from headrace.model.quantity import parse_bytes


async def _serve(books: Books, address: str, port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = Server(books)
    found = await server.start(address, port)
    sys.stdout.write(json.dumps({"address": address, "port": found}) + "\n")
    sys.stdout.flush()
    try:
        await ended.wait()
    finally:
        await server.stop()


def main(
    port: Annotated[int, typer.Option(help="where it listens; 0: a free port")],
    address: Annotated[str, typer.Option(help="the address that it listens on")] = "127.0.0.1",
    gpus: Annotated[int, typer.Option(min=1, help="how many GPUs it has")] = 1,
    memory: Annotated[str, typer.Option(help="memory of each, a Kubernetes quantity")] = "16Gi",
    sessions: Annotated[int, typer.Option(min=1, help="sessions open at once, at most")] = 16,
) -> None:
    """Serve GPUs that are simulated on this machine's processor."""
    try:
        memory_bytes = parse_bytes(memory)
    except ValueError as error:
        sys.exit(f"stub: --memory: {error}")
    configure_logging(())
    try:
        asyncio.run(_serve(Books.of([memory_bytes] * gpus, max_sessions=sessions), address, port))
    except OSError as error:
        sys.exit(f"stub: can't listen on {address}:{port}: {error}")


if __name__ == "__main__":
    typer.run(main)
