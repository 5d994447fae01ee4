"""A lower bound on every schedule of a trace: nodes and work as fluids, as a linear programme over slots.

Averages over slots of what any schedule does keep every row below, preemptive or not, clairvoyant or not,
so the least cost under these rows is at most any schedule's. For thin load it is far too low (a tenth of a
node may be booted for a tenth of a boot): `whole` is the yardstick there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from headrace.scaler.simulation.optimum.cost import DueFile, Optimum
from headrace.scaler.simulation.optimum.programme import Programme, Term

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slots:
    """The time axis: `count` slots from the first arrival on, and before them `boot` slots for booting."""

    start: float
    seconds: float
    count: int
    boot: int

    def ends(self) -> Floats:
        """Seconds from the first arrival on: small numbers, that sums of many lose no digits."""
        return self.seconds * np.arange(1, self.count + 1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Columns:
    """Slot averages: power-ons so far (from the first booting slot on), power-offs so far; work at ends."""

    on: range
    off: range
    work: range


def fluid_optimum(
    deadlines: Sequence[DueFile], *, boot_seconds: float, workers_per_node: int, slot_seconds: float = 30
) -> Optimum:
    """A lower bound for any schedule that starts every file by its deadline, within the solver's 1e-7.

    A boot is a whole number of slots, so slots are somewhat shorter or longer than asked; one shorter
    than half a slot counts as none. Raises FatalError where the solver fails.
    """
    if not deadlines:
        return Optimum(0.0)
    slots = slots_of(deadlines, boot_seconds=boot_seconds, slot_seconds=slot_seconds)
    programme = Programme()
    add_fluid(programme, deadlines, slots, workers_per_node=workers_per_node)
    return Optimum(programme.least() * slots.seconds)


def slots_of(deadlines: Sequence[DueFile], *, boot_seconds: float, slot_seconds: float) -> Slots:
    """Slots from the first arrival to the last moment at which a file may end."""
    boot = round(boot_seconds / slot_seconds)
    seconds = boot_seconds / boot if boot else slot_seconds
    start = min(file.arrived for file in deadlines)
    end = max(file.start_by + file.service_seconds for file in deadlines)
    return Slots(start, seconds, math.ceil((end - start) / seconds), boot)


def add_fluid(
    programme: Programme, deadlines: Sequence[DueFile], slots: Slots, *, workers_per_node: int
) -> Columns:
    """Add the fluid programme: its cost in node-slots, its work in what a node does in a slot."""
    service = np.array([file.service_seconds for file in deadlines])
    a_slot = workers_per_node * slots.seconds
    arrived, due = (
        _ramps(np.array(starts) - slots.start, service, slots.ends()) / a_slot
        for starts in ([file.arrived for file in deadlines], [file.start_by for file in deadlines])
    )
    columns = Columns(
        on=programme.columns(slots.boot + slots.count, cost=1),
        off=programme.columns(slots.count, cost=-1),
        work=programme.bounded(np.minimum(due, arrived), arrived),  # equal ones may differ by rounding
    )
    for so_far in (columns.on, columns.off):
        for before, after in pairwise(so_far):
            programme.at_least_zero(Term(after, 1), Term(before, -1))
    for slot, (on, off) in enumerate(zip(columns.on, columns.off, strict=False)):  # `on` is a boot earlier
        serving = (Term(on, 1), Term(off, -1))
        programme.at_least_zero(*serving)
        done = (Term(columns.work[slot], -1), *([Term(columns.work[slot - 1], 1)] if slot else []))
        programme.at_least_zero(*serving, *done)
    return columns


def _ramps(starts: Floats, service: Floats, times: Floats) -> Floats:
    """Seconds of work at each time, when file j grows by one a second from starts[j] on for service[j]."""
    return _rising(starts, times) - _rising(starts + service, times)


def _rising(starts: Floats, times: Floats) -> Floats:
    """The sum over j of max(0, time - starts[j]), for each time."""
    ordered = np.sort(starts)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    counts = np.searchsorted(ordered, times)
    rising: Floats = counts * times - sums[counts]
    return rising
