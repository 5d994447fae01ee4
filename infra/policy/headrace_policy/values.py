"""What rules speak in: a resource, a fault of it, the surroundings by which it is judged, a rule."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .tree import Node

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a stack.

    `refers`: by input, the URNs of the resources that it comes from; known only of a whole stack.
    `provider`: the inputs of its provider.
    """

    type: str
    name: str
    urn: str
    inputs: Node
    refers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    provider: Node = field(default_factory=Node)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a resource, and where in it; `remedy` is what to do."""

    where: str
    found: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}found {self.found}, allowed {self.allowed}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports from `first` to `last`, both included; below 0: not known yet."""

    first: int
    last: int

    def overlap(self, other: "Ports") -> bool:
        return self.first <= other.last and other.first <= self.last

    def __contains__(self, other: "Ports") -> bool:
        return self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        if self.first < 0:
            return "a port that is not known yet"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class GpuServers:
    """Where a stack has GPU servers, which ask nobody who they are, and who else may reach them."""

    networks: Sequence[Network] = ()
    clients: Sequence[Network] = ()
    ports: Sequence[Ports] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules know beside the resource."""

    production: bool = True
    gpu_servers: GpuServers = field(default_factory=GpuServers)


Finding = tuple[Resource, Fault]
Judge = Callable[[Resource, Surroundings], Iterator[Fault]]
StackJudge = Callable[[Sequence[Resource], Surroundings], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, of one resource at a time (`each`) or of all resources of a stack (`together`).

    `title`: what it wants; `looks_at` and `refuses`: at which resources it looks, and what does not pass.
    """

    name: str
    title: str
    looks_at: str
    refuses: str
    each: Judge | None = None
    together: StackJudge | None = None

    def findings(self, resources: Sequence[Resource], surroundings: Surroundings) -> Iterator[Finding]:
        """The faults of these resources; for a rule of a whole stack they have to be all of it."""
        if self.together is not None:
            yield from self.together(resources, surroundings)
            return
        for resource in resources:
            for fault in self.each(resource, surroundings) if self.each else ():
                yield resource, fault
