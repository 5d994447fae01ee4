"""`python -m headrace.events --settings FILE`: the receiver and the listing as one process.

Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from pydantic import ValidationError

from headrace.events.service import Service
from headrace.logs.json_lines import configure_logging
from headrace.model.errors import HeadraceError
from headrace.model.settings import Settings
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage

GRACE_SECONDS = 4  # for requests that are under way when the process is told to stop
KEEP_ALIVE_SECONDS = 75  # longer than a sender's pause, so that it need not connect anew


async def _serve(settings: Settings) -> None:
    storage = S3Storage(settings.storage)
    queue = JetStreamQueue(settings.queue.url, token=settings.queue.token)
    try:
        service = Service(settings, storage, queue, clock=time.time)
        await service.start()
        config = uvicorn.Config(
            service.receiver.app(),
            host=settings.receiver.host,
            port=settings.receiver.port,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = uvicorn.Server(config)
        async with service.background(give_up=lambda: setattr(server, "should_exit", True)):
            await server.serve()
    finally:
        await queue.close()
        await storage.close()


def main(settings: Annotated[Path, typer.Option(help="the settings document")]) -> None:
    """Receive notifications and put tasks."""
    # uvicorn stops on SIGTERM and then sends the signal once more: by then it must not kill.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        loaded = Settings.from_json(settings.read_bytes())
    except (OSError, ValidationError) as error:
        sys.exit(f"events: the settings {settings} can't be used: {error}")
    configure_logging((loaded.receiver.token, loaded.storage.secret_key, loaded.queue.token))
    try:
        asyncio.run(_serve(loaded))
    except HeadraceError as error:
        sys.exit(f"events: {error}")
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    typer.run(main)
