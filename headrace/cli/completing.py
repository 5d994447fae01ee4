"""What a shell offers for a word: functions, nodes and failed tasks of the stack in the state folder.

Read from the folder's files, without a server but for tasks, and without what takes long to import: a shell
asks at each press of a key. What can't be told, for whatever reason, or within a moment, is not offered.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

TASK_SECONDS = 1.0  # for the store to tell which tasks have failed, this program's imports included
MOST_TASKS = 50
_STATE = ".headrace"
_VARIABLE = "HEADRACE_STATE"


def function_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Of the stack; where there is none yet, of the folder of functions."""
    return _offered(incomplete, lambda: _functions(_state(ctx)))


def node_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """As the scaler told or remembers them."""
    return _offered(incomplete, lambda: _nodes(_state(ctx)))


def subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """What `headrace explain` takes beside objects: functions and nodes."""
    return _offered(incomplete, lambda: [*_functions(_state(ctx)), *_nodes(_state(ctx))])


def failed_tasks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Tasks of the function named before that have failed, as the store has them."""
    return _offered(incomplete, lambda: _asked(_state(ctx), str(ctx.params.get("function") or "")))


def _offered(incomplete: str, names: Callable[[], Iterable[str]]) -> list[str]:
    found: Sequence[str] = ()
    # A completion has nowhere to tell an error: the command itself will.
    with suppress(Exception):
        found = sorted(set(names()))
    return [each for each in found if each.startswith(incomplete)]


def _state(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("state") or os.environ.get(_VARIABLE) or _STATE)


def _functions(state: Path) -> Iterator[str]:
    settings = _read(state / "settings.json")
    folder = Path(settings.get("functionsDirectory") or "functions")
    if settings.get("kubernetes"):
        yield from (path.stem for path in folder.glob("*.json"))
    else:
        yield from (path.parent.name for path in folder.glob("[!.]*/function.yaml"))


def _nodes(state: Path) -> Iterator[str]:
    yield from (str(node["name"]) for node in _read(state / "plan.json").get("nodes", ()))
    for pool in _read(state / "scaler.json").get("pools", {}).values():
        yield from (str(node["name"]) for node in pool.get("nodes", ()))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _asked(state: Path, function: str) -> Sequence[str]:
    """In a thread that is left behind when it takes too long: the process ends soon."""
    found: list[str] = []
    thread = threading.Thread(target=_failures, args=(state, function, found), daemon=True)
    thread.start()
    thread.join(TASK_SECONDS)
    return list(found)


def _failures(state: Path, function: str, found: list[str]) -> None:
    with suppress(Exception):  # as above
        import asyncio  # noqa: PLC0415  (slow ones, for this alone)

        from headrace.cli.session import read_settings  # noqa: PLC0415  (likewise)
        from headrace.model.keys import FAILURES  # noqa: PLC0415  (likewise)
        from headrace.storage.s3 import S3Storage  # noqa: PLC0415  (likewise)

        async def look() -> None:
            settings = read_settings(state)
            storage = S3Storage(settings.storage)
            async for info in storage.list(settings.platform_bucket, f"{FAILURES}/{function}/"):
                found.append(info.key.rpartition("/")[2])
                if len(found) >= MOST_TASKS:
                    break

        asyncio.run(look())
