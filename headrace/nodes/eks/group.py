"""What the driver needs of AWS: a node group's instances, seen and ended, and its desired size."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """How an instance stands in its Auto Scaling group."""

    PENDING = "pending"  # it was launched; nothing protects it from being ended yet
    IN_SERVICE = "in-service"
    ENDING = "ending"  # AWS, EKS or we have told it to end
    ASIDE = "aside"  # a person has put it on standby, or is taking it out


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance. `protected`: the group may not choose it when it shrinks."""

    id: str
    phase: Phase
    protected: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether it counts towards the desired size."""
        return self.phase in (Phase.PENDING, Phase.IN_SERVICE)

    @property
    def is_safe(self) -> bool:
        """Whether a lower desired size can't end it: protection holds from being in service on."""
        return self.phase is Phase.IN_SERVICE and self.protected


@dataclass(frozen=True, slots=True)
class GroupView:
    """A node group, seen now. `instances` by id; sizes are those of its Auto Scaling group.

    `guarded`: new instances are protected and zones are not rebalanced. `held`: why EKS has its own hand on
    the group, so that nobody else may change it; empty: it has not.
    """

    desired: int
    most: int
    least: int = 0
    instances: Mapping[str, Instance] = field(default_factory=dict)
    guarded: bool = True
    held: str = ""

    @property
    def alive(self) -> int:
        """How many instances count towards the desired size."""
        return sum(each.is_alive for each in self.instances.values())

    @property
    def unsafe(self) -> Sequence[str]:
        """Instances in service that are not protected."""
        return sorted(
            each.id
            for each in self.instances.values()
            if each.phase is Phase.IN_SERVICE and not each.protected
        )


@dataclass(frozen=True, slots=True)
class Launch:
    """An attempt to launch instances, begun at a moment in seconds since the epoch.

    `failure` is AWS's reason; empty: it succeeded, or is under way.
    """

    at: float
    failure: str = ""
    succeeded: bool = False


class Group(Protocol):
    """A managed node group and its Auto Scaling group.

    Every call raises TransientError, after some seconds at most, when it is not confirmed, and
    ConfigurationError where AWS refuses us or knows no such group.
    """

    async def look(self) -> GroupView:
        """Everything, by a fixed number of calls however many instances there are."""
        ...

    async def launches(self) -> Sequence[Launch]:
        """Attempts to launch, the newest first; no more than AWS gives at once."""
        ...

    async def ended(self, instances: Collection[str]) -> Mapping[str, str]:
        """Those of these that exist no more, each with AWS's reason."""
        ...

    async def guard(self, unprotected: Sequence[str]) -> None:
        """Protect these and all new instances from a shrinking group, and have no zones rebalanced."""
        ...

    async def set_desired(self, size: int) -> None:
        """Have so many instances. What is not protected may be ended where that is fewer."""
        ...

    async def terminate(self, instance: str, *, lower: bool) -> None:
        """End that very instance; quiet where it is none of the group's any more.

        `lower`: with the desired size lowered by one in the same step, so that nothing takes its place.
        """
        ...
