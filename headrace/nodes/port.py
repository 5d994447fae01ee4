"""What Headrace needs of those who switch nodes: to see them all, to start one, to stop one."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headrace.model.resources import NOTHING, ResourceList


class Power(StrEnum):
    """How a node stands, as its driver sees it now."""

    OFF = "off"  # switched off, or not existing in a cloud
    STARTING = "starting"
    ON = "on"
    STOPPING = "stopping"
    UNKNOWN = "unknown"  # the driver can't say


@dataclass(frozen=True, slots=True)
class Sighting:
    """One node, seen now. `joined`: it takes workers; `allocatable`: what they may use of it, now.

    `address` is where a hook's command reaches the machine, a host name or an IP address; empty: nowhere.
    `certain`: the driver can't be mistaken in `power`, so that nothing need be waited for to believe it.
    `hindrance`: why a node that is off can't be started now, or is off though it was ordered, for people;
    empty: nothing is known to hinder it.
    """

    name: str
    power: Power
    joined: bool = False
    allocatable: ResourceList = NOTHING
    address: str = ""
    certain: bool = False
    hindrance: str = ""


class NodeDriver(Protocol):
    """The nodes of one pool.

    Every call raises TransientError, after some seconds at most, when it is not confirmed; what was asked
    may have been done nevertheless. `start` and `stop` say how a node shall be, so that each may be repeated;
    both raise NotFoundError for a name that this pool can't have. A driver whose nodes are always on (local,
    static) takes both in quiet.
    """

    async def nodes(self) -> Sequence[Sighting]:
        """Every node that exists or could be started by its name, in the order of names.

        One that a cloud has deleted may be missing; it is off.
        """
        ...

    async def start(self, name: str) -> None:
        """Order a node to be on; without effect while it starts, is on or stops."""
        ...

    async def stop(self, name: str) -> None:
        """Order a node to be off, whatever it does; without effect while it stops or is off."""
        ...


def devices(amounts: ResourceList) -> ResourceList:
    """The part that device plugins bring, often minutes after a node has joined: names with a domain."""
    return ResourceList.of({name: amount for name, amount in amounts if "/" in name})
