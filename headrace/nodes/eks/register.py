"""Which instances are which nodes, and which nodes are wanted: one value, seen by all scalers. Pure.

A node is a slot with a name. A slot without an instance waits for one that AWS is to launch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import Field

from headrace.model.value import StoredValue

FIRST_PAUSE_SECONDS = 60.0  # after launches that failed; doubles while they fail
MOST_PAUSE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One node that is on, on its way, or on its way off. Times are seconds since the epoch.

    `up`: its instance has been in service. `ending`: since when it shall end, without delay; None: it shall
    be on. `claimed`: when a scaler last took it upon itself to end the instance.
    """

    ordered: float
    instance: str = ""
    up: bool = False
    ending: float | None = None
    claimed: float = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether AWS is to launch an instance for it."""
        return not self.instance and self.ending is None


@dataclass(frozen=True, slots=True)
class Pause:
    """Until when nothing is started, after so many failures in a row, for AWS's reason."""

    failures: int = 0
    until: float = 0.0
    reason: str = ""

    def after_failure(self, reason: str, now: float) -> "Pause":
        """The pause doubles with each failure."""
        seconds = min(MOST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures, 16))
        return Pause(self.failures + 1, now + seconds, reason)


NO_PAUSE = Pause()


class Register(StoredValue):
    """The slots of a node group by their nodes' names, and the pool that they belong to."""

    pool: str
    slots: Mapping[str, Slot] = Field(default_factory=dict)
    pause: Pause = NO_PAUSE

    def with_slots(self, slots: Mapping[str, Slot]) -> "Register":
        """With these slots, in the order of names."""
        return self.model_copy(update={"slots": dict(sorted(slots.items()))})

    def by_instance(self) -> Mapping[str, str]:
        """Names of nodes by the instance that they have."""
        return {slot.instance: name for name, slot in self.slots.items() if slot.instance}


def started(register: Register, name: str, now: float) -> Register:
    """With a node wanted. One that is there, or that ends, stays as it is; in a pause none is added."""
    if name in register.slots or now < register.pause.until:
        return register
    return register.with_slots({**register.slots, name: Slot(ordered=now)})


def stopped(register: Register, name: str, now: float) -> Register:
    """With a node to be ended without delay; without effect where there is none, or it ends."""
    slot = register.slots.get(name)
    if slot is None or slot.ending is not None:
        return register
    return register.with_slots({**register.slots, name: replace(slot, ending=now)})
