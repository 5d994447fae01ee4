"""The worker processes of one machine: as many as wanted, surplus ones told to end, dead ones reaped."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.model.function import Function
from headrace.model.resources import ResourceList, total
from headrace.nodes.local import NAME
from headrace.placement.inventory import Inventory
from headrace.placement.suiting import request_of
from headrace.placement.ways import Choice, Way, choose_way
from headrace.scaler.backoff import Backoff
from headrace.scaler.ports import Present, RemoteGpus, Wanted
from headrace.scaler.turns import FINISH_SECONDS

_log = logging.getLogger(__name__)
_NONE = Wanted({}, ResourceList())


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
    request: ResourceList
    child: Child
    started: float
    leaving: bool = False

    @property
    def name(self) -> str:
        return f"worker-{self.function}-{self.child.pid}"


@dataclass
class WorkerPool:
    """See the scaler's port WorkerHost. `launch` starts a worker of a function.

    `capacity` is what all may use together, those that are leaving too; `now` gives seconds since the epoch.
    """

    launch: Callable[[str], Child]
    capacity: ResourceList
    now: Callable[[], float]
    _members: list[_Member] = field(default_factory=list)
    _backoffs: dict[str, Backoff] = field(default_factory=dict)

    def takes(self, function: Function) -> bool:
        """See the port. A function whose image serves HTTP needs a container: here its files wait."""
        return function.spec.run.http is None

    def gpu(self, function: Function) -> Choice:
        """See the port. On this machine nobody shares GPUs out."""
        return choose_way(function, Inventory())

    def request(self, function: Function, way: Way) -> ResourceList:
        """See the port. Here no supervisor stands beside a worker."""
        return request_of(function, way)

    def leaving_seconds(self, function: Function) -> float:
        """See the port: the same for all."""
        del function
        return FINISH_SECONDS

    def remote(self) -> RemoteGpus:
        """See the port: none."""
        return RemoteGpus()

    async def present(self) -> Sequence[Present]:
        """See the port."""
        self.reap()
        return [Present(m.name, m.function, NAME, m.started, m.leaving) for m in self._members]

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
        return {member.name: member.child.pid for member in self._members}

    def reap(self) -> None:
        """Forget workers that ended; one that ended badly delays the next start of its function."""
        for member in [m for m in self._members if not m.child.alive]:
            self._members.remove(member)
            status = member.child.exit_status
            member.child.kill()
            if status and not member.leaving:
                backoff = self._backoffs.get(member.function, Backoff())
                self._backoffs[member.function] = backoff.after_death(started=member.started, now=self.now())
                _log.warning(
                    "a worker of %s ended with %s:\n%s", member.function, status, member.child.log_tail(),
                    extra={"action": "stack.worker_died", "function": member.function, "status": status},
                )  # fmt: skip

    async def reconcile(self, wanted: Mapping[str, Wanted]) -> None:
        """See the port; the youngest leave first."""
        for function in {m.function for m in self._members}:
            self._trim(function, wanted.get(function, _NONE).on.get(NAME, 0))
        for function, wish in wanted.items():
            while self._may_start(function, wish):
                child = self.launch(function)
                self._members.append(_Member(function, wish.request, child, self.now()))
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

    def _may_start(self, function: str, wish: Wanted) -> bool:
        backoff = self._backoffs.get(function, Backoff())
        free = self.capacity.minus(total(member.request for member in self._members))
        missing = self.count(function) < wish.on.get(NAME, 0)
        return missing and wish.request.fits(free) and self.now() >= backoff.not_before

    def kill(self) -> None:
        """End all workers at once; their tasks return to the queue when the leases run out."""
        for member in self._members:
            member.child.kill()
        self._members.clear()
