"""The cheapest schedule of whole nodes, for files of equal service and equal wait, one worker a node.

The trace is cut where it is silent for so long that no cheapest schedule keeps a node on. Each part is then
solved exactly where it can be: one or two bursts in closed form, files that one node could serve alone and
few files by dynamic programmes. Elsewhere the figure is a lower bound, beside the cost of a schedule that
exists.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from headrace.scaler.simulation.optimum.cost import DueFile, Optimum, total
from headrace.scaler.simulation.optimum.fluid import fluid_optimum

ROUNDING_SECONDS = 1e-6  # a file is not called late for less
FEW_FILES = 10  # in a part; one more takes three times as long
SOLVER_SHARE = 1e-6  # by which the solver's figures may be wrong


@dataclass(frozen=True, slots=True)
class Terms:
    """What all files have in common: computing time, the time within which each must start, a node's boot."""

    service_seconds: float
    start_within_seconds: float  # of its arrival: the longest wait and a boot
    boot_seconds: float

    @property
    def longest_silence_seconds(self) -> float:
        """Longer ones cut a trace: to stay on from the latest allowed start would cost more than a boot."""
        return self.start_within_seconds + self.boot_seconds + self.service_seconds

    def files_started(self, seconds: float) -> int:
        """How many files a node can start one after another in so many seconds, both ends included."""
        return math.floor((seconds + ROUNDING_SECONDS) / self.service_seconds) + 1


def whole_optimum(
    arrivals: Sequence[float], *, service_seconds: float, max_wait_seconds: float, boot_seconds: float
) -> Optimum:
    """The optimum of files that arrive at these times and must start within `max_wait_seconds` and a boot.

    For bursts and thin load: the time it takes grows with the square of the files between two silences.
    """
    terms = Terms(service_seconds, max_wait_seconds + boot_seconds, boot_seconds)
    return total(_part(part, terms) for part in _parts(sorted(arrivals), terms))


def _parts(arrivals: Sequence[float], terms: Terms) -> Iterator[Sequence[float]]:
    """The arrivals between two silences."""
    first = 0
    for index in range(1, len(arrivals) + 1):
        if index == len(arrivals) or arrivals[index] - arrivals[index - 1] > terms.longest_silence_seconds:
            yield arrivals[first:index]
            first = index


def _part(arrivals: Sequence[float], terms: Terms) -> Optimum:
    sizes = list(Counter(arrivals).items())
    if len(sizes) == 1:
        exact = burst_seconds(len(arrivals), terms)
        return Optimum(exact, exact)
    if len(sizes) == 2:
        (first, before), (second, after) = sizes
        exact = two_bursts_seconds((before, after), terms, gap_seconds=second - first)
        return Optimum(exact, exact)
    feasible = consecutive_seconds(arrivals, terms)
    if one_node_is_enough(arrivals, terms) and terms.service_seconds <= terms.boot_seconds:
        return Optimum(feasible, feasible)
    if len(arrivals) <= FEW_FILES:
        exact = few_files_seconds(arrivals, terms)
        return Optimum(exact, exact)
    bound = _lower_bound(arrivals, terms)
    return Optimum(feasible if bound >= feasible * (1 - SOLVER_SHARE) else bound, feasible)


def burst_seconds(files: int, terms: Terms) -> float:
    """The optimum of files that arrive at one instant: as few nodes as can start them in time."""
    nodes = math.ceil(files / terms.files_started(terms.start_within_seconds))
    return files * terms.service_seconds + nodes * terms.boot_seconds


def two_bursts_seconds(files: tuple[int, int], terms: Terms, *, gap_seconds: float) -> float:
    """The optimum of two bursts, `gap_seconds` apart: the best numbers of nodes for either and for both.

    A node for both starts its files of the first burst as late as allowed, and may idle until the second.
    """
    alone = terms.files_started(terms.start_within_seconds)
    both = min(2 * alone, terms.files_started(gap_seconds + terms.start_within_seconds))
    idle = max(0.0, gap_seconds - terms.start_within_seconds - terms.service_seconds)
    most = [math.ceil(each / alone) for each in files]
    costs = []
    for first_only, shared in product(range(most[0] + 1), range(sum(most) + 1)):
        left = max(0, files[0] - first_only * alone)
        if left <= shared * alone:
            room = min(shared * alone, shared * both - left)
            second_only = math.ceil(max(0, files[1] - room) / alone)
            nodes = first_only + shared + second_only
            costs.append(nodes * terms.boot_seconds + shared * idle)
    return sum(files) * terms.service_seconds + min(costs)


def consecutive_seconds(arrivals: Sequence[float], terms: Terms) -> float:
    """The least cost where each node serves consecutive files, from as late as their deadlines allow.

    Such a schedule exists, so this is never below the optimum. It is the optimum where `one_node_is_enough`
    and a file takes no longer than a boot: two nodes that serve at the same time can then be made one whose
    cost is at most theirs, and nodes that do not overlap serve consecutive files.
    """
    best = [0.0] + [math.inf] * len(arrivals)  # of the first files, so many
    for first in range(len(arrivals)):
        for last, seconds in enumerate(_one_node_seconds(arrivals[first:], terms), first + 1):
            best[last] = min(best[last], best[first] + seconds)
    return best[-1]


def few_files_seconds(arrivals: Sequence[float], terms: Terms) -> float:
    """The optimum of a few files in order of arrival: the best of all ways to share them out to nodes.

    A node may serve its files in that order: any two that are not can be swapped, for their times are alike
    and the one that came first is due first. Sets of files are bits of a number; their ways are 3^files.
    """
    alone = [_alone(chosen, arrivals, terms) for chosen in range(1 << len(arrivals))]
    best = [0.0]
    for files in range(1, len(alone)):
        first = files & -files
        left = files - first
        best.append(min(alone[first + others] + best[left - others] for others in _subsets(left)))
    return best[-1]


def _alone(files: int, arrivals: Sequence[float], terms: Terms) -> float:
    """Seconds of one node that serves these, infinite where it can't in time."""
    chosen = [arrived for index, arrived in enumerate(arrivals) if files >> index & 1]
    seconds = list(_one_node_seconds(chosen, terms))
    return seconds[-1] if chosen and len(seconds) == len(chosen) else math.inf


def _subsets(files: int) -> Iterator[int]:
    chosen = files
    while chosen:
        yield chosen
        chosen = (chosen - 1) & files
    yield 0


def _one_node_seconds(arrivals: Sequence[float], terms: Terms) -> Iterator[float]:
    """The least seconds of a node, boot included, that serves the first file, the first two and so on.

    It ends before the first file that would start too late.
    """
    service = terms.service_seconds
    latest, free = math.inf, -math.inf  # when it may begin at the latest; when it ends at the earliest
    for index, arrived in enumerate(arrivals):
        begun = max(free, arrived)
        due = arrived + terms.start_within_seconds
        if begun > due + ROUNDING_SECONDS:
            return
        free = begun + service
        latest = min(latest, due - index * service)
        yield terms.boot_seconds + max((index + 1) * service, free - latest)


def one_node_is_enough(arrivals: Sequence[float], terms: Terms) -> bool:
    """Whether one node that is always on starts every file in time."""
    free = -math.inf
    for arrived in arrivals:
        begun = max(free, arrived)
        if begun > arrived + terms.start_within_seconds:
            return False
        free = begun + terms.service_seconds
    return True


def _lower_bound(arrivals: Sequence[float], terms: Terms) -> float:
    files = [DueFile(each, each + terms.start_within_seconds, terms.service_seconds) for each in arrivals]
    return fluid_optimum(files, boot_seconds=terms.boot_seconds, workers_per_node=1).node_seconds
