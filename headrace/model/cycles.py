"""Rings of functions: one whose results would start itself, alone or by way of others."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from headrace.model.function import Destination, Function, Input


@dataclass(frozen=True, slots=True)
class Step:
    """A result of `function` that starts `starts`; `key` is an example of such a result's key."""

    function: str
    starts: str
    destination: Destination
    input: Input
    key: str

    def __str__(self) -> str:
        return (
            f"{self.function} may write s3://{self.destination.bucket}/{self.key}, "
            f"which starts {self.starts} ({_filters(self.destination.prefix, self.destination.suffix)} meets "
            f"{_filters(self.input.prefix, self.input.suffix)})"
        )


@dataclass(frozen=True, slots=True)
class Cycle:
    """The steps of a ring; the last one starts the first one's function."""

    steps: tuple[Step, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        return tuple(step.function for step in self.steps)

    def __str__(self) -> str:
        ring = " -> ".join((*self.functions, self.functions[0]))
        steps = "\n".join(f"  {step}" for step in self.steps)
        return (
            f"{ring}: files would loop for ever, allowed no such ring; give an output a bucket or prefix "
            f"that no input takes, or suffixes of output and input that exclude each other\n{steps}"
        )


def find_cycles(functions: Iterable[Function]) -> tuple[Cycle, ...]:
    """The shortest ring through each function that lies on one, every ring once, in order of names.

    Whatever a function's filters allow counts as written: what its code really writes is not known.
    """
    steps = steps_between(functions)
    rings: dict[frozenset[tuple[str, str]], Cycle] = {}
    for name in steps:
        ring = _shortest_ring(name, steps)
        if ring:
            edges = frozenset((step.function, step.starts) for step in ring)
            rings.setdefault(edges, Cycle(tuple(ring)))
    return tuple(rings.values())


def steps_between(functions: Iterable[Function]) -> Mapping[str, tuple[Step, ...]]:
    """For each function, in order of names, the others (or itself) that its results start, one step each."""
    ordered = sorted(functions, key=lambda function: function.name)
    return {
        function.name: tuple(step for other in ordered if (step := _step(function, other)) is not None)
        for function in ordered
    }


def reaching_key(destination: Destination, source: Input) -> str | None:
    """A key that the destination may be given and that the input takes; None where there is none.

    A result's key is the destination's prefix, any folders, and a name without `/` that the destination
    takes. Buckets are not compared.
    """
    if not (destination.prefix.startswith(source.prefix) or source.prefix.startswith(destination.prefix)):
        return None
    filters = product(destination.name_prefix or ("",), destination.suffix or ("",), source.suffix or ("",))
    keys = (key for filter_ in filters for key in _candidates(destination.prefix, source.prefix, *filter_))
    return next((key for key in keys if source.takes(key)), None)


def _candidates(written: str, read: str, begin: str, end: str, wanted: str) -> Iterator[str]:
    """Keys that the output may be given, the shortest of each kind.

    If any key below `written` whose name begins with `begin` and ends with `end` also begins with `read`
    and ends with `wanted`, then one of these does: what else such a key holds can be left out.
    """
    inside = read if read.startswith(written) else written
    if len(read) > len(written) and not read.endswith("/"):
        inside += "/"
    if "/" not in wanted:
        for last in (end, wanted):
            name = (begin + last) or "file"
            if name.endswith(end):
                yield inside + name
        return
    tail = wanted.rpartition("/")[2]
    for name in (tail[start:] for start in range(len(tail))):
        if name.startswith(begin) and name.endswith(end):
            yield written + name  # the output's prefix holds the rest of what is wanted
            if name == tail:
                yield _joined(inside, wanted)


def _joined(folder: str, ending: str) -> str:
    """A key in a folder with an ending that has a `/`, without an empty segment between."""
    if not ending.startswith("/"):
        return folder + ending
    return folder + ending[1:] if folder.endswith("/") else f"{folder}folder{ending}"


def _step(function: Function, other: Function) -> Step | None:
    for destination, source in product(function.spec.output, other.spec.input):
        key = reaching_key(destination, source) if destination.bucket == source.bucket else None
        if key is not None:
            return Step(function.name, other.name, destination, source, key)
    return None


def _shortest_ring(name: str, steps: Mapping[str, Sequence[Step]]) -> Sequence[Step]:
    """The fewest steps from a function back to itself; empty where there is no way."""
    paths: deque[tuple[Step, ...]] = deque((step,) for step in steps[name])
    seen = {name}
    while paths:
        path = paths.popleft()
        last = path[-1].starts
        if last == name:
            return path
        if last not in seen:
            seen.add(last)
            paths.extend((*path, step) for step in steps[last])
    return ()


def _filters(prefix: str, suffixes: Sequence[str]) -> str:
    return f"{prefix}*{{{','.join(suffixes)}}}" if suffixes else f"{prefix}*"
