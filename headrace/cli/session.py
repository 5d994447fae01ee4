"""From the folder in which `headrace up` keeps its state to a connected stack."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import psutil
import typer
from pydantic import ValidationError

from headrace.catalog.folder import load_folder
from headrace.connect.following import read_objects
from headrace.local.state import StackState, StateDirectory
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.settings import Settings, places_of
from headrace.model.troubles import Trouble
from headrace.operations.stack import Stack
from headrace.queue.accounts import queue_of
from headrace.scaler.explaining import Explanation, Shortfall
from headrace.storage.s3 import S3Storage

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Session:
    """A connected stack and what else a command needs of the world: a clock, a sleep, what the stack tells.

    `now` gives seconds since the epoch; `workers` gives workers by function and `reasons` the codes of the
    scaler's reasons, None where that is not known; `unmet` gives why nothing is done for a function's files.
    """

    stack: Stack
    listing_seconds: float
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    workers: Callable[[], Mapping[str, int] | None] = lambda: None
    reasons: Callable[[], Mapping[str, str] | None] = lambda: None
    unmet: Callable[[str], Sequence[Shortfall]] = lambda _: ()
    settings: Settings | None = None  # None: there are no servers behind it


Opener = Callable[[Path], AbstractAsyncContextManager[Session]]


def execute(
    context: typer.Context,
    state: Path,
    step: Callable[[Session], Awaitable[Result]],
    *,
    opener: "Opener | None" = None,
) -> Result:
    """Run a command's step in a session of the stack; tests pass their own opener as the context's object."""
    chosen = cast("Opener", context.obj or opener or open_session)
    # What adapters log is raised as well, or shown by the command: without a handler it would appear twice.
    logging.getLogger("headrace").addHandler(logging.NullHandler())
    # Its warning at the end of each TLS connection is nothing that a person could act on.
    logging.getLogger("asyncio").setLevel(logging.ERROR)

    async def main() -> Result:
        async with chosen(state) as session:
            return await step(session)

    return asyncio.run(main())


@asynccontextmanager
async def open_session(state: Path) -> AsyncIterator[Session]:
    """Connect to the stack whose state is kept in a folder. Raises ConfigurationError."""
    settings = read_settings(state)
    storage = S3Storage(settings.storage)
    queue = queue_of(settings.queue)
    try:
        folder, place = Path(settings.functions_directory), settings.kubernetes
        functions = read_objects(folder, place) if place else load_folder(folder)
        stack = Stack(storage, queue, functions, settings.platform_bucket, settings.buckets, place)
        yield Session(
            stack,
            settings.receiver.listing_seconds,
            workers=lambda: told.workers if (told := read_told(state)) else None,
            reasons=lambda: told.reasons if (told := read_told(state)) else None,
            unmet=lambda function: _unmet(state, function),
            settings=settings,
        )
    finally:
        await queue.close()
        await storage.close()


def read_settings(state: Path) -> Settings:
    """The settings document. Raises ConfigurationError when there is none or it is not sound."""
    path = StateDirectory(state).settings
    try:
        return Settings.from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"no stack here: {path} is missing; start one with `headrace up`, or name its folder with "
            "--state",
            trouble=Trouble.NO_STACK,
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be read ({error.strerror}); it belongs to another user?",
            trouble=Trouble.STATE_UNREADABLE,
        ) from error
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} is not what `headrace up` writes (see {places_of(error)}); "
            "mend it, or choose another with --state",
            trouble=Trouble.STATE_UNREADABLE,
        ) from error


def read_told(state: Path) -> StackState | None:
    """What a living `headrace up` tells of itself; None when none lives."""
    try:
        told = StackState.from_json(StateDirectory(state).stack.read_bytes())
    except (OSError, ValidationError):
        return None
    return told if psutil.pid_exists(told.pid) else None


def _unmet(state: Path, function: str) -> Sequence[Shortfall]:
    """Why a function's files wait, of a living stack; none where that is not known."""
    try:
        told = read_explanation(state).functions
    except NotFoundError:
        return ()
    return next((each.unmet for each in told if each.name == function), ())


def read_explanation(state: Path) -> Explanation:
    """Why the scaler of a living stack decided as it did. Raises NotFoundError when none lives."""
    folder = StateDirectory(state)
    try:
        if read_told(state) is not None:
            return Explanation.from_json(folder.plan.read_bytes())
    except (OSError, ValidationError) as error:
        raise NotFoundError(
            f"{folder.plan} is not what `headrace up` writes; is it of another version? start it anew",
            trouble=Trouble.VERSIONS_DIFFER,
        ) from error
    raise NotFoundError(
        f"no stack runs on {folder.path}; start one with `headrace up`, or name its folder with --state",
        trouble=Trouble.STACK_STOPPED,
    )
