"""Nodes in memory, on a clock that is given: for tests and the simulator. Nothing survives it.

How each boot goes is planned when it is ordered, so that a node's state is a function of the time alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.resources import ResourceList
from headrace.nodes.port import Power, Sighting, devices


@dataclass(frozen=True, slots=True)
class Course:
    """How a node's life goes from one order to start on; infinite: never."""

    boot_seconds: float  # from the order until it has joined
    device_seconds: float = 0.0  # from then until its devices are there
    life_seconds: float = math.inf  # from joining until it dies


@dataclass(frozen=True, slots=True)
class Odds:
    """What chance does to nodes."""

    boot_seconds: float
    boot_deviation: float = 0.0  # of a boot's length, as a share of it
    failing_share: float = 0.0  # of boots that never end
    device_seconds: float = 0.0
    mean_life_seconds: float = math.inf  # of nodes that die while they are on

    def course(self, chance: Random) -> Course:
        """One node's course, drawn."""
        fails = chance.random() < self.failing_share
        boot = max(0.0, self.boot_seconds * chance.gauss(1.0, self.boot_deviation))
        mortal = math.isfinite(self.mean_life_seconds)
        life = chance.expovariate(1 / self.mean_life_seconds) if mortal else math.inf
        return Course(math.inf if fails else boot, self.device_seconds, life)


@dataclass(frozen=True, slots=True)
class _Life:
    """A node since its last order to start; `stopped`: when it was ordered to stop."""

    ordered: float
    course: Course
    stopped: float = math.inf

    @property
    def joins(self) -> float:
        return self.ordered + self.course.boot_seconds

    def power(self, now: float, stop_seconds: float) -> Power:
        if now >= self.stopped + stop_seconds or now >= self.joins + self.course.life_seconds:
            return Power.OFF
        if now >= self.stopped:
            return Power.STOPPING
        return Power.ON if now >= self.joins else Power.STARTING


class MemoryNodes:
    """See the port. `now` gives seconds since the epoch; `plan` says how a start of a node will go.

    While `unreachable` is set, every call raises TransientError and changes nothing.
    """

    def __init__(
        self,
        names: Sequence[str],
        allocatable: ResourceList,
        *,
        now: Callable[[], float],
        plan: Callable[[str], Course],
        stop_seconds: float = 0.0,
    ) -> None:
        self.unreachable = False
        self._lives: dict[str, _Life | None] = dict.fromkeys(sorted(names))
        self._allocatable = allocatable
        self._bare = allocatable.minus(devices(allocatable))
        self._now = now
        self._plan = plan
        self._stop_seconds = stop_seconds

    async def nodes(self) -> Sequence[Sighting]:
        """See the port."""
        self._reach()
        return [self._sighting(name, life) for name, life in self._lives.items()]

    async def start(self, name: str) -> None:
        """See the port."""
        self._reach()
        if self._power(self._life(name)) is Power.OFF:
            self._lives[name] = _Life(self._now(), self._plan(name))

    async def stop(self, name: str) -> None:
        """See the port."""
        self._reach()
        life = self._life(name)
        if life is not None and self._power(life) not in (Power.OFF, Power.STOPPING):
            self._lives[name] = replace(life, stopped=self._now())

    def kill(self, name: str) -> None:
        """Take a node away at once, as a power cut does; it can be started again."""
        self._life(name)
        self._lives[name] = None

    def _reach(self) -> None:
        if self.unreachable:
            raise TransientError("the nodes in memory were made unreachable; try again later")

    def _life(self, name: str) -> _Life | None:
        if name not in self._lives:
            allowed = ", ".join(list(self._lives)[:5])
            raise NotFoundError(f"node {name} is none of this pool's {len(self._lives)} ({allowed}, …)")
        return self._lives[name]

    def _power(self, life: _Life | None) -> Power:
        return life.power(self._now(), self._stop_seconds) if life is not None else Power.OFF

    def _sighting(self, name: str, life: _Life | None) -> Sighting:
        power = self._power(life)
        if life is None or power is not Power.ON:
            return Sighting(name, power)
        complete = self._now() >= life.joins + life.course.device_seconds
        return Sighting(name, power, joined=True, allocatable=self._allocatable if complete else self._bare)
