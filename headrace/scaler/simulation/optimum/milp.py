"""A lower bound on every schedule of whole nodes: the fluid programme with whole nodes at the ends of slots.

It settles parts of a few files only; `whole` has what is exact for many.
"""

from collections.abc import Sequence
from itertools import pairwise

from headrace.scaler.simulation.optimum.cost import DueFile
from headrace.scaler.simulation.optimum.fluid import add_fluid, slots_of
from headrace.scaler.simulation.optimum.programme import Programme, Term


def whole_node_bound(
    deadlines: Sequence[DueFile],
    *,
    boot_seconds: float,
    slot_seconds: float = 30,
    most_branches: int | None = None,
) -> float:
    """Seconds that no schedule of whole nodes, each of one worker, is below, within the solver's 1e-6.

    Between a slot's ends the number of power-ons lies between theirs, and so does its average. At most
    `most_branches` branches are looked at. Raises FatalError where the solver fails.
    """
    slots = slots_of(deadlines, boot_seconds=boot_seconds, slot_seconds=slot_seconds)
    programme = Programme()
    fluid = add_fluid(programme, deadlines, slots, workers_per_node=1)
    for averages in (fluid.on, fluid.off):
        ends = programme.columns(len(averages) + 1, whole=True)
        for average, (before, after) in zip(averages, pairwise(ends), strict=True):
            programme.at_least_zero(Term(average, 1), Term(before, -1))
            programme.at_least_zero(Term(after, 1), Term(average, -1))
    return programme.least_whole(most_branches=most_branches) * slots.seconds
