"""What a look at AWS changes in the register, and what is to be asked of AWS then. Pure.

Whatever is asked is absolute: so many instances, that very instance. So two scalers at once do no harm, and
one that was killed between two steps leaves the next one what it needs to go on.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from headrace.nodes.eks.group import GroupView, Launch, Phase
from headrace.nodes.eks.register import NO_PAUSE, Register, Slot

PATIENCE_SECONDS = 60.0  # of failed launches: AWS tries other zones and types by itself meanwhile
LATE_SECONDS = 30.0  # an instance may be listed so long after its launch was called off
CLAIM_SECONDS = 30.0  # after which another scaler may end an instance in place of who said that it would
CLOCK_SECONDS = 5.0  # by which our clock and AWS's may differ


@dataclass(frozen=True, slots=True)
class Look:
    """What one look has shown, at a moment in seconds since the epoch.

    `ended`: instances that exist no more, with AWS's reason. `marks`: instances whose Node object names a
    slot. `avoid`: names that strangers do not get now, so that their end is seen first.
    """

    view: GroupView
    at: float
    ended: Mapping[str, str] = field(default_factory=dict)
    launches: Sequence[Launch] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    avoid: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """The register, the group, and nodes whose instance has just gone, each with the reason."""

    register: Register
    view: GroupView
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """An instance to end; `lower`: with the desired size lowered in the same step."""

    instance: str
    lower: bool


@dataclass(frozen=True, slots=True)
class Todo:
    """What to ask of AWS: a size, then these ends. `refused`: instances that the group's least size keeps."""

    desired: int | None = None
    endings: tuple[Ending, ...] = ()
    refused: tuple[str, ...] = ()


def settled(register: Register, look: Look) -> Register:
    """The register after a look; looked at again, nothing more changes but claims that have run out."""
    slots = _left(register.slots, look)
    gone = register.slots.keys() - slots.keys()
    bound = _bound(slots, register.pool, replace(look, avoid={*look.avoid, *gone}))
    reason = refusal(look.launches, since=_waiting_since(bound), now=look.at)
    pause = register.pause
    if reason:
        pause = pause.after_failure(reason, look.at)
    elif look.at >= pause.until and any(bound[n].instance for n, slot in slots.items() if slot.is_waiting):
        pause = NO_PAUSE
    kept = _given_up(bound, look.view, all_waiting=bool(reason or look.view.held))
    told = {name: _marked(slot, look) for name, slot in kept.items() if not _is_over(slot, kept, look)}
    return register.model_copy(update={"pause": pause}).with_slots(told)


def counted(slots: Mapping[str, Slot], view: GroupView) -> int:
    """How many instances there shall be: those that were not told to end yet, and those waited for."""
    return sum(_counts(slot, view) for slot in slots.values())


def _counts(slot: Slot, view: GroupView) -> bool:
    if not slot.instance:
        return slot.is_waiting
    instance = view.instances.get(slot.instance)
    return instance is not None and instance.is_alive


def todo(register: Register, look: Look) -> Todo:
    """What is missing between register and group.

    The size is raised where instances are waited for, and lowered only where that can end none. A surplus
    that AWS has made itself, to replace an instance, is left to whoever made it.
    """
    view, slots = look.view, register.slots
    if view.held:
        return Todo()
    size = _size(slots, view)
    level, alive = view.desired if size is None else size, view.alive
    endings, refused = [], []
    for slot in slots.values():
        if slot.ending is None or slot.claimed != look.at or not _counts(slot, view):
            continue
        lower = level >= alive
        if lower and level <= view.least:
            refused.append(slot.instance)
            continue
        endings.append(Ending(slot.instance, lower))
        level, alive = level - lower, alive - 1
    return Todo(size, tuple(endings), tuple(refused))


def _size(slots: Mapping[str, Slot], view: GroupView) -> int | None:
    """The desired size to set; None: it stays.

    While one is waited for, its instance may be on the way, unprotected and not shown yet: a lower size could
    end it in place of the one that was called off.
    """
    wanted, size = counted(slots, view), view.desired
    waited_for = any(slot.is_waiting for slot in slots.values())
    safe = all(each.is_safe for each in view.instances.values() if each.is_alive)
    if wanted > size and waited_for:
        size = min(wanted, view.most)
    elif wanted < size and safe and not waited_for:
        size = max(wanted, view.least)
    return None if size == view.desired else size


def is_moving(slots: Mapping[str, Slot], view: GroupView) -> bool:
    """Whether something is under way, so that another look is worth its calls soon."""
    unsettled = any(not slot.instance or slot.ending is not None for slot in slots.values())
    settling = any(not each.is_safe and each.phase is not Phase.ASIDE for each in view.instances.values())
    return unsettled or settling or bool(view.held)


# Instances that exist no more, and those that have no slot yet


def _left(slots: Mapping[str, Slot], look: Look) -> Mapping[str, Slot]:
    """Without those whose instance is gone. One that was never in service has failed to come: it waits on."""
    found = {}
    for name, slot in slots.items():
        if slot.instance not in look.ended:
            found[name] = slot
        elif not slot.up and slot.ending is None:
            found[name] = replace(slot, instance="")
    return found


def _bound(slots: Mapping[str, Slot], pool: str, look: Look) -> dict[str, Slot]:
    """With a slot for each instance that is alive.

    One whose Node names its slot gets that; the others go to whoever waits longest, to slots that were called
    off, and what is left is a node that nobody here ordered.
    """
    found = dict(slots)
    known = {slot.instance for slot in slots.values()}
    strangers = [each.id for each in look.view.instances.values() if each.is_alive and each.id not in known]
    marks = {each: look.marks.get(each, "") for each in strangers}
    marked = {each: name for each, name in marks.items() if _is_name(name, pool) and name not in look.avoid}
    for instance in sorted(strangers, key=lambda each: (each not in marked, each)):
        name = marked.get(instance, "")
        if not name or (name in found and found[name].instance):
            name = _place(found, pool, look.avoid)
        before = found.get(name, Slot(ordered=look.at))
        found[name] = replace(before, instance=instance)
    return found


def _is_name(name: str, pool: str) -> bool:
    return re.fullmatch(rf"{re.escape(pool)}-(0|[1-9][0-9]{{0,5}})", name) is not None


def _place(slots: Mapping[str, Slot], pool: str, avoid: Collection[str]) -> str:
    empty = {name: slot for name, slot in slots.items() if not slot.instance}
    if empty:
        return min(empty, key=lambda name: (empty[name].ending is not None, empty[name].ordered, name))
    return next(name for name in (f"{pool}-{number}" for number in count()) if name not in {*slots, *avoid})


# Launches that do not come


def _waiting_since(slots: Mapping[str, Slot]) -> float | None:
    return min((slot.ordered for slot in slots.values() if slot.is_waiting), default=None)


def refusal(launches: Sequence[Launch], *, since: float | None, now: float) -> str:
    """Why AWS does not launch what is waited for since then; empty: it may yet.

    It has failed for a while by then, without a success since.
    """
    if since is None:
        return ""
    failed: list[Launch] = []
    for launch in launches:
        if launch.succeeded or launch.at < since - CLOCK_SECONDS:
            break
        if launch.failure:
            failed.append(launch)
    if not failed or now - failed[-1].at < PATIENCE_SECONDS:
        return ""
    return failed[0].failure


def _given_up(slots: Mapping[str, Slot], view: GroupView, *, all_waiting: bool) -> Mapping[str, Slot]:
    """Without the slots that can't get an instance now, the newest first."""
    waiting = sorted((slot.ordered, name) for name, slot in slots.items() if slot.is_waiting)
    beyond = len(waiting) if all_waiting else max(0, counted(slots, view) - view.most)
    dropped = {name for _, name in waiting[len(waiting) - min(beyond, len(waiting)) :]}
    return {name: slot for name, slot in slots.items() if name not in dropped}


# Instances that are to end


def _marked(slot: Slot, look: Look) -> Slot:
    """With a claim where its instance is to end now, and with having been in service."""
    instance = look.view.instances.get(slot.instance)
    due = slot.ending is not None and look.at - slot.claimed >= CLAIM_SECONDS
    claims = due and instance is not None and instance.is_alive and not look.view.held
    up = slot.up or (instance is not None and instance.is_safe)
    return replace(slot, up=up, claimed=look.at if claims else slot.claimed)


def _is_over(slot: Slot, slots: Mapping[str, Slot], look: Look) -> bool:
    """Whether a launch was called off so long ago that its instance will not come any more."""
    if slot.instance or slot.ending is None:
        return False
    called_off = bool(look.view.held) or look.view.desired <= counted(slots, look.view)
    return called_off and look.at - slot.ending >= LATE_SECONDS
