"""Start, stop and look at a box, from outside."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.cluster import finding, hosting, keep, standing
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.inside import REPLACED
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.cluster.place import LIMIT_BYTES, Place
from tests.toolchain.places import CHECKOUT, Places
from tests.toolchain.running import ToolchainError

UP_SECONDS = 150.0
DOWN_SECONDS = 30.0
TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Started:
    """A box, and its keeper where this process is the parent of it."""

    box: Box
    keeper: subprocess.Popen[bytes] | None = None

    def end(self) -> None:
        """Take the box down. Raises ToolchainError."""
        down(self.box.place)
        if self.keeper is not None:
            self.keeper.wait()


def up(place: Place, kind: Kind, engines: Places, *, bound: Callable[[], None] | None = None) -> Started:
    """Start a box and wait until it is ready; one that is up already is taken as it is.

    `bound` runs in the new process before the keeper: a test ties the box's life to its own by it.
    Raises ToolchainError: what is missing, or which program did not start and the end of its log.
    """
    with suppress(ToolchainError):
        return Started(Box.at(place))
    _check(place, kind, engines)
    down(place)
    place.logs.mkdir(parents=True)
    if kind is Kind.CLUSTER:
        hosting.prepare(place)
    keeper = _start_keeper(place, kind, bound)
    try:
        if kind is Kind.CLUSTER:
            hosting.connect(place, keeper.pid)
        return Started(_ready(place, keeper), keeper)
    except BaseException:
        _end(place)
        keeper.wait()
        raise


def down(place: Place) -> bool:
    """End the box and remove its folder; whether there was one. Raises ToolchainError."""
    known = place.standing.exists() or place.logs.exists()
    ended = _end(place)
    if known:
        shutil.rmtree(place.root)
    return ended or known


@contextmanager
def only_keeper(place: Place) -> Iterator[None]:
    """Hold the folder. Raises ToolchainError where another keeper does."""
    with place.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolchainError(f"another box lives in {place.root}") from None
        yield


def _check(place: Place, kind: Kind, engines: Places) -> None:
    if len(str(place.root).encode()) > LIMIT_BYTES:
        raise ToolchainError(
            f"{place.root} is too long a path: sockets lie below it; at most {LIMIT_BYTES} bytes are allowed"
        )
    if covered := [str(each) for each in REPLACED if place.root.is_relative_to(each)]:
        raise ToolchainError(f"{place.root} is in {covered[0]}, which a box replaces; name another folder")
    if finding.keepers(place):
        raise ToolchainError(f"a box in {place.root} is starting or failing; see status, or call down")
    strange = [] if not place.root.exists() else [p for p in place.root.iterdir() if not _is_ours(place, p)]
    if strange:
        raise ToolchainError(f"{place.root} holds other files ({strange[0].name}); name an empty folder")
    if lacks := keep.missing(engines, kind):
        raise ToolchainError(f"a box needs: {'; '.join(lacks)}")


def _is_ours(place: Place, path: Path) -> bool:
    return place.standing.exists() or path == place.logs or path == place.lock


def _start_keeper(place: Place, kind: Kind, bound: Callable[[], None] | None) -> subprocess.Popen[bytes]:
    spaces = hosting.unshare() if kind is Kind.CLUSTER else ()
    with place.log("keeper").open("ab") as log:
        return subprocess.Popen(
            [*spaces, sys.executable, *finding.keeper_arguments(place, kind)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            start_new_session=True,
            preexec_fn=bound,  # noqa: PLW1509  (only a system call; no other way to set it)
        )


def _ready(place: Place, keeper: subprocess.Popen[bytes]) -> Box:
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        found = standing.read(place)
        if found is not None and found.phase == "ready":
            return Box.at(place)
        if keeper.poll() is not None:
            raise ToolchainError(_why(place))
        time.sleep(TICK_SECONDS)
    raise ToolchainError(f"the box in {place.root} was not ready after {UP_SECONDS:g} s; logs: {place.logs}")


def _why(place: Place) -> str:
    found = standing.read(place)
    if found is not None and found.trouble:
        return found.trouble
    return f"the box's keeper ended:\n{place.log('keeper').read_text(errors='replace')[-2000:]}"


def _end(place: Place) -> bool:
    """End its processes, whether there were any; its folder stays."""
    family = finding.family(place)
    for pid in finding.keepers(place):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # all others end with them: nothing is left to be told
    deadline = time.monotonic() + DOWN_SECONDS
    while left := [each for each in family if finding.lives(each)]:
        if time.monotonic() > deadline:
            raise ToolchainError(f"processes of {place.root} do not end: {left}")
        time.sleep(TICK_SECONDS)
    hosting.release(place)
    return bool(family)
