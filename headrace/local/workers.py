"""The worker processes of one machine: as many as wanted, surplus ones told to end, dead ones reaped."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headrace.local.backoff import Backoff

_log = logging.getLogger(__name__)


class Child(Protocol):
    """What the pool needs of a process."""

    @property
    def pid(self) -> int: ...

    @property
    def alive(self) -> bool: ...

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it, and what it left behind."""
        ...

    def log_tail(self) -> str:
        """The end of what it printed."""
        ...


@dataclass(slots=True)
class _Member:
    function: str
    child: Child
    started: float
    leaving: bool = False


@dataclass
class WorkerPool:
    """Workers by function. `launch` starts one; `cores` bounds them all, those that are leaving too."""

    launch: Callable[[str], Child]
    cores: int
    _members: list[_Member] = field(default_factory=list)
    _backoffs: dict[str, Backoff] = field(default_factory=dict)

    def count(self, function: str) -> int:
        """Workers of a function that were not told to end."""
        return sum(1 for m in self._members if m.function == function and not m.leaving)

    @property
    def running(self) -> dict[str, int]:
        """Every worker process by function, those that are leaving included."""
        counts: dict[str, int] = {}
        for member in self._members:
            counts[member.function] = counts.get(member.function, 0) + 1
        return counts

    @property
    def pids(self) -> dict[str, int]:
        """A name for each worker process, and its id."""
        return {f"worker-{member.function}-{member.child.pid}": member.child.pid for member in self._members}

    def reap(self, now: float) -> None:
        """Forget workers that ended; one that ended badly delays the next start of its function."""
        for member in [m for m in self._members if not m.child.alive]:
            self._members.remove(member)
            status = member.child.exit_status
            member.child.kill()
            if status and not member.leaving:
                backoff = self._backoffs.get(member.function, Backoff())
                self._backoffs[member.function] = backoff.after_death(started=member.started, now=now)
                _log.warning(
                    "a worker of %s ended with %s:\n%s", member.function, status, member.child.log_tail(),
                    extra={"action": "stack.worker_died", "function": member.function, "status": status},
                )  # fmt: skip

    def reconcile(self, wanted: Mapping[str, int], now: float) -> None:
        """Start and end workers until each function has its number; the youngest leave first."""
        for function in {m.function for m in self._members}:
            self._trim(function, wanted.get(function, 0))
        for function, number in wanted.items():
            while self._may_start(function, number, now):
                child = self.launch(function)
                self._members.append(_Member(function, child, now))
                _log.info(
                    "a worker of %s started", function,
                    extra={"action": "stack.worker_started", "function": function, "pid": child.pid},
                )  # fmt: skip

    def _trim(self, function: str, number: int) -> None:
        staying = [m for m in self._members if m.function == function and not m.leaving]
        for member in staying[number:]:
            member.leaving = True
            member.child.terminate()
            _log.info(
                "a worker of %s is no longer needed", function,
                extra={"action": "stack.worker_leaves", "function": function, "pid": member.child.pid},
            )  # fmt: skip

    def _may_start(self, function: str, number: int, now: float) -> bool:
        backoff = self._backoffs.get(function, Backoff())
        return self.count(function) < number and len(self._members) < self.cores and now >= backoff.not_before

    def kill(self) -> None:
        """End all workers at once; their tasks return to the queue when the leases run out."""
        for member in self._members:
            member.child.kill()
        self._members.clear()
