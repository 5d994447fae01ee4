"""A node's life: what is remembered of it, and how a sighting or an order changes that. Pure.

Whoever acts on a Change runs its hooks that begin with `pre`, gives its order to the driver, runs the other
hooks, and stores the memory only when the order was confirmed: an unconfirmed one then comes again. A
disabled node is watched, but nothing is ordered of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from headrace.model.node import NodeState, step
from headrace.model.pool import Hook
from headrace.model.resources import ResourceList
from headrace.nodes.port import Power, Sighting, devices
from headrace.scaler.settings import ScalerSettings


class Order(StrEnum):
    """What a driver is told."""

    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """One node, as it is remembered over restarts. Times are seconds since the epoch; None: not so.

    `failed` is the order that failed last, without such an order's success since, and `failures` how many
    failed in a row. `joined`: while booting, since when it has been there but lacks devices. `missed`: since
    when its driver has not seen it on, though it should be.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, extra="ignore")

    name: str
    state: NodeState = NodeState.UNKNOWN
    since: float = 0.0
    ordered: float = 0.0  # when it was last ordered to boot
    enabled: bool = True
    failures: int = 0
    failed: Order | None = None
    joined: float | None = None
    missed: float | None = None

    def to_json(self) -> bytes:
        """One JSON document, camelCase."""
        return _STORED.dump_json(self, by_alias=True)

    @classmethod
    def from_json(cls, data: bytes) -> "NodeMemory":
        """Parse a JSON document; keys that a newer version added are read over.

        Raises pydantic.ValidationError.
        """
        return _STORED.validate_json(data, strict=True, by_alias=True, by_name=False)


_STORED = TypeAdapter(NodeMemory)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a pool's nodes shall be like: the devices in `allocatable`, after a boot of `boot_seconds`."""

    allocatable: ResourceList
    boot_seconds: float
    settings: ScalerSettings


@dataclass(frozen=True, slots=True)
class Change:
    """What is remembered from now on, the moments that hooks are run for, and an order for the driver."""

    memory: NodeMemory
    hooks: tuple[Hook, ...] = ()
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a node. `busy`: a worker on it has a file."""

    seen: Sighting
    busy: bool
    expected: Expected
    now: float

    @property
    def there(self) -> bool:
        return self.seen.power is Power.ON and self.seen.joined

    @property
    def ready(self) -> bool:
        """There with all the devices that its pool promises."""
        return self.there and devices(self.expected.allocatable).fits(self.seen.allocatable)


def observe(memory: NodeMemory, seen: Sighting, *, busy: bool, expected: Expected, now: float) -> Change:
    """What a sighting changes; a node that its driver no longer lists is one seen off."""
    return _OBSERVED[memory.state](memory, _Look(seen, busy, expected, now))


def start(memory: NodeMemory, now: float) -> Change:
    """Order a node that is off to boot, or call off a draining; without effect on any other."""
    if not memory.enabled:
        return Change(memory)
    if memory.state is NodeState.DRAINING:
        return Change(_moved(memory, NodeState.IDLE, now))
    if memory.state is not NodeState.OFF:
        return Change(memory)
    booting = replace(_moved(memory, NodeState.BOOTING, now), ordered=now)
    return Change(booting, (Hook.PRE_POWER_ON, Hook.POST_POWER_ON), Order.START)


def drain(memory: NodeMemory, now: float) -> Change:
    """Let a node take no new worker and stop once it is idle; without effect unless it is on."""
    if memory.enabled and memory.state in (NodeState.IDLE, NodeState.BUSY):
        return Change(_moved(memory, NodeState.DRAINING, now))
    return Change(memory)


def stop(memory: NodeMemory, *, busy: bool, now: float) -> Change:
    """Order an idle or drained node to stop; without effect on any other, and where a worker has a file."""
    if memory.enabled and not busy and memory.state in (NodeState.IDLE, NodeState.DRAINING):
        return _stopping(memory, now)
    return Change(memory)


def enable(memory: NodeMemory, now: float) -> Change:
    """Let the scaler use a node again; its failures are forgotten, and a failed one is looked at anew."""
    state = NodeState.UNKNOWN if memory.state is NodeState.FAILED else memory.state
    return Change(replace(_moved(memory, state, now), enabled=True, failures=0, failed=None))


def disable(memory: NodeMemory) -> Change:
    """Leave a node as it is until a person enables it."""
    return Change(replace(memory, enabled=False))


def _moved(memory: NodeMemory, after: NodeState, now: float) -> NodeMemory:
    """In another state since now; in the same one, nothing changes."""
    state = step(memory.name, memory.state, after)
    if state is memory.state:
        return memory
    return replace(memory, state=state, since=now, joined=None, missed=None)


def _succeeded(memory: NodeMemory, order: Order) -> NodeMemory:
    """An order's success ends the row of its own failures, not that of the other's."""
    if memory.failed not in (None, order):
        return memory
    return replace(memory, failures=0, failed=None)


def _stopping(memory: NodeMemory, now: float) -> Change:
    stopping = _moved(memory, NodeState.STOPPING, now)
    return Change(stopping, (Hook.PRE_POWER_OFF, Hook.POST_POWER_OFF), Order.STOP)


def _failed(memory: NodeMemory, order: Order, look: _Look, hook: Hook) -> Change:
    """A node that is not on in time is told to be off: it may cost while it hangs."""
    failed = replace(_moved(memory, NodeState.FAILED, look.now), failures=memory.failures + 1, failed=order)
    release = order is Order.START and memory.enabled and not look.busy
    return Change(failed, (hook,), Order.STOP if release else None)


def _worked(memory: NodeMemory, look: _Look) -> Change:
    """Idle or busy, as its workers are; a draining node stays so."""
    if memory.state is NodeState.DRAINING:
        return Change(memory)
    after = NodeState.BUSY if look.busy else NodeState.IDLE
    if memory.state is after:
        return Change(memory)
    return Change(_moved(memory, after, look.now), (Hook.BUSY if look.busy else Hook.IDLE,))


def _came_on(memory: NodeMemory, look: _Look, *hooks: Hook) -> Change:
    idle = _succeeded(_moved(memory, NodeState.IDLE, look.now), Order.START)
    worked = _worked(idle, look)
    return Change(worked.memory, (*hooks, *worked.hooks))


def _coming(memory: NodeMemory, look: _Look, *hooks: Hook) -> Change:
    """On its way, though not by an order of this memory: it has a boot's time from now."""
    booting = replace(_moved(memory, NodeState.BOOTING, look.now), ordered=look.now)
    return Change(replace(booting, joined=look.now if look.there else None), hooks)


def _from_off(memory: NodeMemory, look: _Look) -> Change:
    if look.ready:
        return _came_on(memory, look, Hook.UNEXPECTED_POWER_ON)
    if look.seen.power in (Power.ON, Power.STARTING):
        return _coming(memory, look, Hook.UNEXPECTED_POWER_ON)
    if look.seen.power is Power.UNKNOWN:
        return _missed(memory, look)
    return Change(replace(memory, missed=None))


def _from_booting(memory: NodeMemory, look: _Look) -> Change:
    settings = look.expected.settings
    on_way_seconds = look.now - memory.ordered
    if look.ready and on_way_seconds >= settings.delay_power_on_seconds:
        return _came_on(memory, look, Hook.POWERED_ON)
    if look.seen.power is Power.OFF and look.seen.hindrance:  # its driver gave the start up: no fault of it
        return Change(_moved(memory, NodeState.OFF, look.now), (Hook.POWER_ON_FAILED,))
    joined = memory.joined if memory.joined is not None else look.now if look.there else None
    if look.seen.power not in (Power.ON, Power.UNKNOWN):
        joined = None
    if joined is not None:
        overdue = look.now - joined > settings.max_wait_devices_seconds
    else:
        overdue = on_way_seconds > settings.power_on_seconds(look.expected.boot_seconds)
    if overdue:
        return _failed(memory, Order.START, look, Hook.POWER_ON_FAILED)
    return Change(replace(memory, joined=joined))


def _from_on(memory: NodeMemory, look: _Look) -> Change:
    worked = _worked(memory, look)
    if look.there:
        seen = replace(worked.memory, missed=None)
        if seen.state is NodeState.DRAINING and seen.enabled and not look.busy:
            return _stopping(seen, look.now)
        return replace(worked, memory=seen)
    if look.seen.power is Power.STOPPING:
        return _stopped_elsewhere(worked, look)
    missed = _missed(worked.memory, look)
    return replace(missed, hooks=(*worked.hooks, *missed.hooks))


def _stopped_elsewhere(worked: Change, look: _Look) -> Change:
    """Its cloud, another leader or a person stops it; what works on it is not given up yet."""
    after = NodeState.DRAINING if look.busy else NodeState.STOPPING
    return replace(worked, memory=_moved(worked.memory, after, look.now))


def _missed(memory: NodeMemory, look: _Look) -> Change:
    """A node not seen as it should be: believed once that has lasted for long enough, or is certain."""
    missed = look.now if memory.missed is None else memory.missed
    if not look.seen.certain and look.now - missed < look.expected.settings.glitch_seconds:
        return Change(replace(memory, missed=missed))
    if look.seen.power is Power.UNKNOWN:
        return Change(_moved(memory, NodeState.UNKNOWN, look.now), (Hook.UNKNOWN,))
    if look.seen.power is Power.ON:
        return _failed(memory, Order.START, look, Hook.UNEXPECTED_POWER_OFF)
    return Change(_moved(memory, NodeState.OFF, look.now), (Hook.UNEXPECTED_POWER_OFF,))


def _from_stopping(memory: NodeMemory, look: _Look) -> Change:
    settings = look.expected.settings
    stopping_seconds = look.now - memory.since
    if look.seen.power is Power.OFF and stopping_seconds >= settings.delay_power_off_seconds:
        off = _succeeded(_moved(memory, NodeState.OFF, look.now), Order.STOP)
        return Change(off, (Hook.POWERED_OFF,))
    if stopping_seconds > settings.max_wait_power_off_seconds:
        return _failed(memory, Order.STOP, look, Hook.POWER_OFF_FAILED)
    return Change(memory)


def _from_failed(memory: NodeMemory, look: _Look) -> Change:
    settings = look.expected.settings
    retries = settings.retries_power_off if memory.failed is Order.STOP else settings.retries_power_on
    if memory.failures >= retries or look.now - memory.since < settings.recovery_seconds:
        return Change(memory)
    if look.ready:
        return _came_on(memory, look, Hook.POWERED_ON)
    if look.seen.power is Power.OFF:
        return Change(_succeeded(_moved(memory, NodeState.OFF, look.now), Order.STOP))
    hanging = look.seen.power in (Power.ON, Power.STARTING)
    return _stopping(memory, look.now) if hanging and memory.enabled and not look.busy else Change(memory)


def _from_unknown(memory: NodeMemory, look: _Look) -> Change:
    if look.ready:
        return _came_on(memory, look)
    if look.seen.power in (Power.ON, Power.STARTING):
        return _coming(memory, look)
    if look.seen.power is Power.STOPPING:
        return _stopped_elsewhere(Change(memory), look)
    return Change(_moved(memory, NodeState.OFF, look.now) if look.seen.power is Power.OFF else memory)


_OBSERVED: Mapping[NodeState, Callable[[NodeMemory, _Look], Change]] = {
    NodeState.OFF: _from_off,
    NodeState.BOOTING: _from_booting,
    NodeState.IDLE: _from_on,
    NodeState.BUSY: _from_on,
    NodeState.DRAINING: _from_on,
    NodeState.STOPPING: _from_stopping,
    NodeState.FAILED: _from_failed,
    NodeState.UNKNOWN: _from_unknown,
}
