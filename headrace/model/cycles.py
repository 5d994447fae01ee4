"""Rings of functions: one whose results would start itself, alone or by way of others."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
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

    A result's key is the destination's prefix, any folders where it keeps the input's, and a name, with
    folders or without, that the destination takes. Buckets are not compared.
    """
    if not (destination.prefix.startswith(source.prefix) or source.prefix.startswith(destination.prefix)):
        return None
    filters = product(destination.name_prefix or ("",), destination.suffix or ("",), source.suffix or ("",))
    keys = (_example(destination, source.prefix, *filter_) for filter_ in filters)
    return next((key for key in keys if key is not None and source.takes(key)), None)


def _example(destination: Destination, read: str, begin: str, end: str, wanted: str) -> str | None:
    """A key of a result whose name begins with `begin` and ends with `end`, which ends with `wanted`.

    It begins with `read` where one of these can. None: an ending is no ending of the other, or the name
    can't begin with both `begin` and what `read` has beyond the destination's prefix.
    """
    last = max(end, wanted, key=len)
    if not (last.endswith(end) and last.endswith(wanted)) or last.endswith("/"):
        return None  # a name ends with no `/`
    beyond = read[len(destination.prefix) :]
    if not destination.keep_folders:
        first = max(begin, beyond, key=len)
        meets = first.startswith(begin) and first.startswith(beyond) and not first.startswith("/")
        return destination.prefix + _named(first, last) if meets else None
    folders = f"{beyond}/" if beyond and not beyond.endswith("/") else beyond
    return destination.prefix + folders + _named(begin, last)


def _named(first: str, last: str) -> str:
    """The shortest name of this beginning and this ending, none of whose segments is empty."""
    between = "folder" if last.startswith("/") and first[-1:] in {"", "/"} else ""
    name = first + between + last
    return f"{name}file" if name == "" or name.endswith("/") else name


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
