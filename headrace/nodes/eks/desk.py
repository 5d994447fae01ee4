"""Looks at a node group now and then, and has AWS do what the register says; nobody waits for it.

A pass begins only when somebody asks how things are: who leads no more begins none. One that is under way
then does no harm.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from headrace.model.errors import HeadraceError, TransientError
from headrace.nodes.clock import CLOCK, Clock
from headrace.nodes.eks.group import Group, GroupView
from headrace.nodes.eks.keeping import Edit, KeptRegister
from headrace.nodes.eks.register import Register
from headrace.nodes.eks.steering import Ending, Look, Seen, is_moving, settled, todo

MOVING_SECONDS = 5.0  # between two looks while something is under way
RESTING_SECONDS = 30.0  # otherwise
MOST_PAUSE_SECONDS = 120.0  # between two looks that fail; doubles from MOVING_SECONDS on
BLIND_SECONDS = 90.0  # without a look, after which what was seen is no view of what is
LOST_SECONDS = 5.0  # for which it is told that a node's instance has gone
FIRST_SECONDS = 10.0  # for which a look is waited for where there is none to go by
SIZES_IN_ONE_PASS = 3  # while orders come
ENDS_AT_ONCE = 5

_log = logging.getLogger(__name__)


class Desk:
    """The node group of a pool, on one event loop. `marks` tells which instances' Node objects name a slot.

    `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        pool: str,
        group: Group,
        slots: KeptRegister,
        *,
        marks: Callable[[], Mapping[str, str]],
        now: Callable[[], float] = time.time,
        clock: Clock = CLOCK,
    ) -> None:
        self._pool = pool
        self._group = group
        self._slots = slots
        self._marks = marks
        self._now = now
        self._clock = clock
        self._view: GroupView | None = None
        self._viewed = 0.0  # when that was seen, by the clock
        self._due = clock.monotonic()
        self._failures = 0
        self._fault: HeadraceError = TransientError("the node group has not been seen yet; try again later")
        self._lost: dict[str, tuple[str, float]] = {}
        self._pass: asyncio.Task[None] | None = None

    async def seen(self) -> Seen:
        """How things are; waits for a look where there is none to go by. Raises what it failed by."""
        if self._pass is None and self._clock.monotonic() >= self._due:
            self._pass = asyncio.create_task(self._look())
        if self._is_blind and self._pass is not None:
            await asyncio.wait({self._pass}, timeout=FIRST_SECONDS)
        self._reap()
        if self._view is None or self._is_blind:
            raise self._fault
        now = self._clock.monotonic()
        self._lost = {name: (why, at) for name, (why, at) in self._lost.items() if now - at <= LOST_SECONDS}
        lost = {name: why for name, (why, _) in self._lost.items()}
        return Seen(self._slots.newest, self._view, lost)

    @property
    def _is_blind(self) -> bool:
        return self._view is None or self._clock.monotonic() - self._viewed > BLIND_SECONDS

    async def order(self, edit: Edit) -> Register:
        """Change the register; AWS is told in the next pass, which is due at once."""
        register = await self._slots.change(edit)
        if not self._failures:
            self._due = self._clock.monotonic()
        return register

    async def close(self) -> None:
        """Let go of what is under way."""
        if self._pass is not None:
            self._pass.cancel()
            await asyncio.gather(self._pass, return_exceptions=True)

    def _reap(self) -> None:
        """Take note of how a pass has ended; one that failed is repeated, after a pause that grows."""
        if self._pass is None or not self._pass.done():
            return
        ended, self._pass = self._pass, None
        if ended.cancelled():
            return  # by `close`
        try:
            ended.result()
        except HeadraceError as error:
            pause = min(MOST_PAUSE_SECONDS, MOVING_SECONDS * 2.0 ** min(self._failures, 16))
            self._failures += 1
            self._fault, self._due = error, self._clock.monotonic() + pause
            _log.warning(
                "pool %s: a look at AWS has failed, again in %.0f s: %s", self._pool, pause, error,
                extra={"action": "nodes.group_failed"},
            )  # fmt: skip
        else:
            self._failures = 0

    async def _look(self) -> None:
        """Look, write down what is to be, then tell AWS."""
        began = self._clock.monotonic()
        view = await self._group.look()
        if not view.held and (view.unsafe or not view.guarded):
            await self._group.guard(view.unsafe)
        before = await self._slots.read()
        look = await self._complete(Look(view, self._now(), marks=self._marks(), avoid=self._lost), before)
        after = await self._slots.change(lambda register: settled(register, look))
        self._view, self._viewed = view, self._clock.monotonic()
        moving = is_moving(after.slots, view)
        self._due = began + (MOVING_SECONDS if moving else RESTING_SECONDS)
        self._tell(before, after, look)
        await self._carry_out(after, look)

    async def _complete(self, look: Look, register: Register) -> Look:
        """With what only some looks need: why instances are not listed any more, why none come."""
        missing = register.by_instance().keys() - look.view.instances.keys()
        ended = await self._group.ended(missing) if missing else {}
        waiting = any(slot.is_waiting for slot in register.slots.values())
        launches = await self._group.launches() if waiting and not look.view.held else ()
        return replace(look, ended=ended, launches=launches)

    async def _carry_out(self, register: Register, look: Look) -> None:
        asked = todo(register, look)
        if asked.desired is not None:
            await self._set_desired(asked.desired, look)
        for instance in asked.refused:
            _log.error(
                "pool %s: instance %s is not ended: found the group's least size %d, allowed 0; set the node "
                "group's minSize to 0", self._pool, instance, look.view.least,
                extra={"action": "nodes.end_refused", "instance": instance},
            )  # fmt: skip
        await self._end(asked.endings)

    async def _set_desired(self, size: int, look: Look) -> None:
        """And look whether orders came, or another scaler changed the register, meanwhile."""
        for _ in range(SIZES_IN_ONE_PASS):
            await self._group.set_desired(size)
            extra = {"action": "nodes.size_set", "size": size}
            _log.info("pool %s: the desired size is %d", self._pool, size, extra=extra)
            look = replace(look, view=replace(look.view, desired=size))
            again = todo(await self._slots.read(), look).desired
            if again is None:
                return
            size = again

    async def _end(self, endings: Sequence[Ending]) -> None:
        """All; the first fault is raised once all were tried."""
        room = asyncio.Semaphore(ENDS_AT_ONCE)

        async def end(ending: Ending) -> None:
            async with room:
                await self._group.terminate(ending.instance, lower=ending.lower)

        for result in await asyncio.gather(*(end(each) for each in endings), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def _tell(self, before: Register, after: Register, look: Look) -> None:
        """Log what has come and gone, and remember whom AWS has taken."""
        for name, slot in before.slots.items():
            if slot.instance in look.ended and slot.ending is None:
                why = f"its instance {slot.instance} is gone: {look.ended[slot.instance]}"
                _log.warning("node %s: %s", name, why, extra={"action": "nodes.instance_lost", "node": name})
                if name not in after.slots:
                    self._lost[name] = why, self._clock.monotonic()
        for instance, name in after.by_instance().items():
            if instance not in before.by_instance():
                extra = {"action": "nodes.instance_came", "node": name, "instance": instance}
                _log.info("node %s is instance %s", name, instance, extra=extra)
        if after.pause.failures > before.pause.failures:
            _log.warning(
                "pool %s: AWS launches no instance, tried again in %.0f s: %s", self._pool,
                after.pause.until - look.at, after.pause.reason, extra={"action": "nodes.launch_refused"},
            )  # fmt: skip
