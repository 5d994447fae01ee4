"""Whether a node is worth keeping, and whether company is expected: from how files arrived lately. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Load:
    """What arrived in the last `boot` seconds and in the last `wait + boot`: node-seconds of work, and files.

    `wait_seconds` is the promise's, `boot_seconds` the usual boot of the nodes in question.
    """

    wait_seconds: float
    boot_seconds: float
    work_in_boot: float = 0.0
    work_in_both: float = 0.0
    files_in_both: float = 0

    @property
    def nodes(self) -> float:
        """Nodes that the arrivals keep busy; the lower of two windows: a burst that is over is no rate."""
        if self.boot_seconds <= 0:
            return self.work_in_both / self.wait_seconds if self.wait_seconds > 0 else 0.0
        both = self.wait_seconds + self.boot_seconds
        return min(self.work_in_boot / self.boot_seconds, self.work_in_both / both)


def keeps(load: Load, nodes_on: float) -> bool:
    """Whether the last of `nodes_on` idle nodes saves more by staying than it costs.

    It works the share f of the time that `nodes_on - 1` others leave over; idling through one cycle between
    two of its uses must cost no more than the boot that it saves.
    """
    if load.boot_seconds <= 0 or not load.files_in_both:
        return False
    both = load.wait_seconds + load.boot_seconds
    share = min(1.0, max(0.0, load.nodes - (nodes_on - 1)))
    cycle = both / load.files_in_both + both
    if nodes_on > 1 and share > 0:
        cycle += (nodes_on - 1) * both / share
    return (1 - share) * cycle <= load.boot_seconds


def chance_of_company(silences: Sequence[float], *, silent: float, left: float) -> float:
    """The share of past silences, of those longer than the present one, that ended within the time left."""
    longer = [silence for silence in silences if silence > silent]
    if not longer:
        return 0.0
    return sum(1 for silence in longer if silence <= silent + left) / len(longer)


def silence_of(last_arrival: float | None, now: float) -> float:
    """Seconds since the last arrival; without one it has always been silent."""
    return now - last_arrival if last_arrival is not None else inf
