"""Which optimum a run is compared with, and how much that figure is worth. Needs the extra `simulate`.

In node-hours: as if every node were one of the largest pool. Where there are several pools and all have a
price, in cost as well: as if all work ran where a worker is cheapest. Limits (maxNodes, maxBooting,
maxWorkers) bind no optimum.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from headrace.scaler.simulation.optimum.cost import DueFile, Proof
from headrace.scaler.simulation.optimum.fluid import fluid_optimum
from headrace.scaler.simulation.optimum.whole import whole_optimum
from headrace.scaler.simulation.report import Method, Yardstick
from headrace.scaler.simulation.setting import Setting
from headrace.scaler.simulation.trace import Arrival, Trace

SLOT_SECONDS = 30.0
MOST_SLOTS = 5000  # of a part: longer ones get longer slots, which keeps the bound a bound
MOST_PAIRS = 10**6  # of files of one part: the exact optimum's time grows with them


def yardstick(trace: Trace, setting: Setting) -> Yardstick:
    """The optimum of an undisturbed run. Raises FatalError where the solver fails."""
    case = _Case(trace, setting)
    if case.wants_whole_nodes:
        (function,), (pool,) = setting.functions, setting.pools
        found = whole_optimum(
            [each.time for each in trace.arrivals],
            service_seconds=trace.arrivals[0].service_seconds,
            max_wait_seconds=function.max_wait_seconds,
            boot_seconds=pool.usual_boot_seconds,
        )
        return Yardstick(found.node_seconds / 3600, Method.WHOLE, found.proof)
    bounds = [case.bounds(part) for part in case.parts]
    node_hours, cost = (sum(column) / 3600 for column in zip(*bounds, strict=True))
    priced = len(setting.pools) > 1 and all(pool.view.price_per_hour > 0 for pool in setting.pools)
    return Yardstick(node_hours, Method.FLUID, Proof.LOWER_BOUND, cost if priced else None)


class _Case:
    """A trace and a setting, in one unit of demand: workers, or the resource that is asked for most."""

    def __init__(self, trace: Trace, setting: Setting) -> None:
        self._trace = trace
        self._setting = setting
        self._functions = {function.name: function for function in setting.functions}
        self._boot_seconds = [pool.usual_boot_seconds for pool in setting.pools]

    @property
    def wants_whole_nodes(self) -> bool:
        """One worker a node, files that are alike, and no part of so many that it takes too long."""
        alike = len({each.service_seconds for each in self._trace.arrivals}) == 1
        if not (len(self._setting.pools) == 1 and alike and len(self._functions) == 1 and self._most == 1):
            return False
        return sum(_pairs(part) for part in self.parts) <= MOST_PAIRS

    @cached_property
    def parts(self) -> tuple[Sequence[Arrival], ...]:
        """The files between silences through which no cheapest schedule keeps a node on."""
        wait = max(function.max_wait_seconds for function in self._functions.values())
        longest = max(each.service_seconds for each in self._trace.arrivals)
        return tuple(_cut(self._trace.arrivals, wait + longest + 2 * max(self._boot_seconds)))

    def bounds(self, part: Sequence[Arrival]) -> tuple[float, float]:
        """What no schedule of a part is below: node-seconds, and seconds x price an hour.

        Of the fluid, and of one node on which everything fits, the greater.
        """
        one, fluid = self._one_node(part), self._fluid(part)
        views = [pool.view for pool in self._setting.pools]
        price = min(view.price_per_hour for view in views)
        price_when_full = min(
            view.price_per_hour * self._most / holds for view in views if (holds := self._holds[view.name])
        )
        return max(one, fluid), max(price * one, price_when_full * fluid)

    def _one_node(self, part: Sequence[Arrival]) -> float:
        """Node-seconds, as if each file took as long as the shortest and could wait for as long as any."""
        wait = max(function.max_wait_seconds for function in self._functions.values())
        times = sorted({each.time for each in part})
        return one_node_seconds(
            times if len(times) ** 2 <= MOST_PAIRS else times[:1],
            service_seconds=min(each.service_seconds for each in part),
            start_within_seconds=wait + max(self._boot_seconds),
            boot_seconds=min(self._boot_seconds),
        )

    def _fluid(self, part: Sequence[Arrival]) -> float:
        """Seconds of nodes of the largest pool.

        A file that takes a share w of a node is told as one of w times its seconds that ends when it does:
        less is then due at any time than there is, so the bound stays one.
        """
        seconds = max(SLOT_SECONDS, (part[-1].time - part[0].time) / MOST_SLOTS)
        whole = all(taken == 1 for taken in self._takes.values())
        files = []
        for each in part:
            start_by = each.time + self._functions[each.function].max_wait_seconds + max(self._boot_seconds)
            share = 1.0 if whole else self._takes[each.function] / self._most
            work = share * each.service_seconds
            if work:
                files.append(DueFile(each.time, start_by + each.service_seconds - work, work))
        return fluid_optimum(
            files,
            boot_seconds=min(self._boot_seconds),
            workers_per_node=self._most if whole else 1,
            slot_seconds=seconds,
        ).node_seconds

    @property
    def _most(self) -> int:
        return max(self._holds.values())

    @cached_property
    def _resource(self) -> str | None:
        """What to count in; None: workers, where all functions need the same of a node."""
        if len({function.request for function in self._functions.values()}) == 1:
            return None
        demand: dict[str, float] = {}
        for each in self._trace.arrivals:
            for name, amount in self._functions[each.function].request:
                most = max(pool.view.capacity[name] for pool in self._setting.pools)
                demand[name] = demand.get(name, 0.0) + each.service_seconds * amount / most
        return max(demand, key=lambda name: (demand[name], name))

    @cached_property
    def _takes(self) -> Mapping[str, int]:
        """Units that a file of each function holds."""
        resource = self._resource
        return {n: 1 if resource is None else f.request[resource] for n, f in self._functions.items()}

    @cached_property
    def _holds(self) -> Mapping[str, int]:
        """Units of a node of each pool."""
        resource, request = self._resource, self._setting.functions[0].request
        views = [pool.view for pool in self._setting.pools]
        return {
            v.name: request.count_in(v.capacity) if resource is None else v.capacity[resource] for v in views
        }


def one_node_seconds(
    arrivals: Sequence[float], *, service_seconds: float, start_within_seconds: float, boot_seconds: float
) -> float:
    """The least cost of a node that works any number of files at a time; `arrivals` ascend.

    No schedule of nodes that hold less is below: wherever one of them is on, this one may be. Files of one
    spell of being on are consecutive: it begins by the first one's deadline, and ends a file after the last.
    """
    best = [0.0]
    for last, arrived in enumerate(arrivals):
        spells = (
            best[first] + max(0.0, arrived - arrivals[first] - start_within_seconds)
            for first in range(last + 1)
        )
        best.append(min(spells) + boot_seconds + service_seconds)
    return best[-1]


def _cut(arrivals: Sequence[Arrival], longest_silence_seconds: float) -> Iterator[Sequence[Arrival]]:
    first = 0
    for index, (before, after) in enumerate(pairwise(arrivals), 1):
        if after.time - before.time > longest_silence_seconds:
            yield arrivals[first:index]
            first = index
    yield arrivals[first:]


def _pairs(part: Sequence[Arrival]) -> int:
    """Pairs of files that the exact optimum looks at: none of one or two bursts."""
    return len(part) ** 2 if len({each.time for each in part}) > 2 else 0
