"""A service that is an HTTP server: how it reads its settings, listens, answers faults, and ends."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp

from headrace.health.faults import Fault, fault_of
from headrace.logs.json_lines import configure_logging
from headrace.model.errors import HeadraceError
from headrace.model.settings import Settings, places_of

KEEP_ALIVE_SECONDS = 75  # longer than a caller's pause, so that it need not connect anew


def server_of(app: ASGIApp, *, host: str, port: int, grace_seconds: int) -> uvicorn.Server:
    """A server; `grace_seconds` is for calls under way when it is told to end."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=grace_seconds,
        )
    )


def fault_logged(error: Exception, log: logging.Logger, action: str, where: Mapping[str, str]) -> Fault:
    """The fault to answer for what a call raised; what is not the caller's is logged, as `action`."""
    extra = {"action": action, **where}
    if isinstance(error, HeadraceError):
        fault = fault_of(error)
        if fault.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("%s", error, extra=extra)
        return fault
    log.error("unexpected", exc_info=error, extra=extra)
    reason = "an unexpected fault; the log of this service has it"
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", reason)


def run_service(name: str, path: Path, serve: Callable[[Settings], Awaitable[None]]) -> None:
    """Serve by the settings document at `path` until SIGTERM or SIGINT.

    Exit status 0 then, 1 with the reason on stderr when it can't go on.
    """
    # uvicorn stops on SIGTERM and then sends the signal once more: by then it must not kill.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.from_json(path.read_bytes())
    except OSError as error:
        sys.exit(f"{name}: the settings {path} can't be read: {error}")
    except ValidationError as error:
        sys.exit(f"{name}: the settings {path} can't be used: faulty are {places_of(error)}")
    configure_logging(settings.secrets)

    async def work() -> None:
        await serve(settings)

    try:
        asyncio.run(work())
    except HeadraceError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(0)
