"""What a stack's folder says, and which of its processes and ports are there."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from headrace.catalog.folder import Examined
from headrace.doctor.stack import Notifications, StackFacts
from headrace.local.provision import HOST, ports_of
from headrace.local.state import StackState, StateDirectory
from headrace.model.errors import HeadraceError
from headrace.model.settings import Settings

READY_SECONDS = 5.0
_ZOMBIE = psutil.STATUS_ZOMBIE
_LINE = re.compile(r"^(\w+) = (.+)$", re.MULTILINE)  # of the file that headrace.local.seaweedfs writes
_BUCKETS = "/buckets/"


async def stack_facts(
    state: StateDirectory,
    settings: Settings | None,
    *,
    trouble: HeadraceError | None,
    told: StackState | None,
    examined: Examined | None,
) -> StackFacts:
    """`told`: what a living stack says of itself; `examined` functions: None where they have no folder."""
    functions = [each.function for each in examined.installed] if examined else []
    found = StackFacts(
        is_there=settings is not None or trouble is not None,
        settings=trouble,
        functions=[each.name for each in functions],
        faults=[str(each) for each in examined.faults] if examined else (),
        has_folder=examined is not None,
    )
    if settings is None:
        return found
    receiver = settings.receiver
    return replace(
        found,
        lives=told is not None,
        age_seconds=time.time() - told.started_at if told else 0.0,
        dead=dead(told.processes) if told else (),
        taken={} if told else await asyncio.to_thread(taken, settings),
        receiver=await asyncio.to_thread(_receiver, receiver.host, receiver.port) if told else None,
        notifications=notifications(state.store / "notification.toml", receiver.token),
        endpoint=f"http://{receiver.host}:{receiver.port}/events",
        wanted=frozenset(settings.real_bucket(i.bucket) for f in functions for i in f.spec.input),
    )


def dead(processes: Mapping[str, int]) -> Sequence[str]:
    """Those that have ended."""
    return [name for name, pid in processes.items() if not _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != _ZOMBIE
    except psutil.Error:
        return False


def taken(settings: Settings) -> Mapping[str, str]:
    """The stack's ports on which something listens: by service, `port NUMBER, PROGRAM (PID)`."""
    wanted = asdict(ports_of(settings))
    return {f"{name}, port {port}": _listener(port) for name, port in wanted.items() if port and _held(port)}


def _held(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _listener(port: int) -> str:
    """Who has it, where this user may know."""
    with suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f"{psutil.Process(each.pid).name()} (process {each.pid})"
    return "a program of another user"


def _receiver(host: str, port: int) -> str | None:
    """What is wrong with the receiver; None: nothing."""
    connection = HTTPConnection(host, port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = answer.read(500).decode(errors="replace")
    except (HTTPException, OSError) as error:
        return f"nothing answers at http://{host}:{port}/readyz: {error}"
    finally:
        connection.close()
    return None if answer.status == HTTPStatus.OK else f"it is not ready ({answer.status}): {said}"


def notifications(path: Path, token: str) -> Notifications | None:
    """As the embedded store is told; None where it is not told here."""
    try:
        lines: Iterable[tuple[str, str]] = _LINE.findall(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    values = {name: json.loads(value) for name, value in lines}
    prefixes = values.get("path_prefixes", [])
    return Notifications(
        endpoint=str(values.get("endpoint", "")),
        token_is_right=values.get("bearer_token") == token,
        buckets=frozenset(each.removeprefix(_BUCKETS).rstrip("/") for each in prefixes),
    )
