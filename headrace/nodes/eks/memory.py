"""A node group in memory, on a clock that is given: for tests. Nothing survives it.

It has the habits of Auto Scaling that the driver must live with: what it launches comes later, a lower
desired size ends whatever is not protected, what was ended by somebody else is replaced.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from headrace.model.errors import ConfigurationError
from headrace.nodes.eks.group import GroupView, Instance, Launch, Phase


@dataclass(slots=True)
class _Life:
    """An instance since its launch; `told`: when it was told to end."""

    launched: float
    protected: bool
    told: float | None = None
    reason: str = ""


@dataclass
class MemoryGroup:
    """See the port. `now` gives seconds since the epoch; `pending_seconds` and `ending_seconds` are AWS's.

    `refusal` is why nothing can be launched; empty: it can. `before` is called with each call's name, and may
    raise, or return a future to be waited for. `ended_by_us` and `shrunk` are the instances that `terminate`
    has ended, and those that a lower size has.
    """

    now: Callable[[], float]
    most: int = 10
    least: int = 0
    pending_seconds: float = 0.0
    ending_seconds: float = 0.0
    refusal: str = ""
    held: str = ""
    desired: int = 0
    guarded: bool = False
    before: Callable[[str], object] = lambda _: None
    calls: list[str] = field(default_factory=list)
    ended_by_us: list[str] = field(default_factory=list)
    shrunk: list[str] = field(default_factory=list)
    _lives: dict[str, _Life] = field(default_factory=dict)
    _launches: list[Launch] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    async def look(self) -> GroupView:
        """See the port."""
        await self._reach("look")
        shown = {
            name: self._instance(name, life) for name, life in self._lives.items() if self._is_shown(life)
        }
        return GroupView(self.desired, self.most, self.least, shown, guarded=self.guarded, held=self.held)

    async def launches(self) -> Sequence[Launch]:
        """See the port."""
        await self._reach("launches")
        return tuple(reversed(self._launches))

    async def ended(self, instances: Collection[str]) -> Mapping[str, str]:
        """See the port."""
        await self._reach("ended")
        lives = {name: self._lives.get(name) for name in instances}
        return {
            name: life.reason if life else "never heard of it"
            for name, life in lives.items()
            if life is None or not self._is_shown(life)
        }

    async def guard(self, unprotected: Sequence[str]) -> None:
        """See the port."""
        await self._reach("guard")
        self.guarded = True
        for name in unprotected:
            self._lives[name].protected = True

    async def set_desired(self, size: int) -> None:
        """See the port."""
        await self._reach(f"set {size}")
        if not self.least <= size <= self.most:
            raise ConfigurationError(f"found size {size}, allowed {self.least} to {self.most}")
        self.desired = size

    async def terminate(self, instance: str, *, lower: bool) -> None:
        """See the port."""
        await self._reach(f"terminate {instance}")
        life = self._lives.get(instance)
        if life is None or not self._is_shown(life):
            return
        if lower and self.desired <= self.least:
            raise ConfigurationError(f"found desired size {self.desired}, the least there may be")
        self.desired -= lower  # as AWS does, also for one that ends already
        if life.told is None:
            self.ended_by_us.append(instance)
            life.told, life.reason = self.now(), "it was told to end"

    # What AWS does by itself

    def work(self) -> None:
        """Launch what is missing, end what is too much and not protected."""
        alive = [name for name, life in self._lives.items() if life.told is None]
        if len(alive) < self.desired and self.refusal:
            self._launches.append(Launch(self.now(), self.refusal))
        for _ in range(self.desired - len(alive) if not self.refusal else 0):
            self._lives[f"i-{next(self._numbers):04}"] = _Life(self.now(), self.guarded)
            self._launches.append(Launch(self.now(), succeeded=True))
        free = [name for name in alive if not self._instance(name, self._lives[name]).is_safe]
        for name in free[: max(0, len(alive) - self.desired)]:
            self.shrunk.append(name)
            self._lives[name].told, self._lives[name].reason = self.now(), "the group shrank"

    def take(self, instance: str, reason: str) -> None:
        """End an instance at once, as a spot interruption does; it is replaced in the next `work`."""
        life = self._lives[instance]
        life.told, life.reason = self.now() - self.ending_seconds, reason

    def launch(self) -> str:
        """Add an instance beyond the desired size, as a rebalance does."""
        name = f"i-{next(self._numbers):04}"
        self._lives[name] = _Life(self.now(), self.guarded)
        return name

    @property
    def alive(self) -> Sequence[str]:
        """Instances that are there and were not told to end."""
        return sorted(name for name, life in self._lives.items() if life.told is None)

    def _instance(self, name: str, life: _Life) -> Instance:
        if life.told is not None:
            return Instance(name, Phase.ENDING, life.protected)
        pending = self.now() < life.launched + self.pending_seconds
        return Instance(name, Phase.PENDING if pending else Phase.IN_SERVICE, life.protected)

    def _is_shown(self, life: _Life) -> bool:
        return life.told is None or self.now() < life.told + self.ending_seconds

    async def _reach(self, call: str) -> None:
        """Others get their turn first, as while a call is on its way."""
        await asyncio.sleep(0)
        waiting = self.before(call)
        if isinstance(waiting, asyncio.Future):
            await waiting
        self.calls.append(call)
