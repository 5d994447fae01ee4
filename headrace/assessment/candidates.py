"""The ways that are compared: what each copy of a function wishes for, or why it can't be had. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.model.errors import ConfigurationError
from headrace.model.function import Access, Gpu
from headrace.model.gpu_sharing import profile_of_resource
from headrace.placement.inventory import Inventory
from headrace.placement.ways import NO_GPU, Way, ways

CPU = "cpu"  # without any GPU
NAMES = (CPU, *(access.value for access in Access))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way. `name` fits into names of objects: `remote`, `mig-1g-5gb`.

    `wish` is what its copy of the function asks for, None: no GPU. `way` says why it can't be had, if so.
    """

    name: str
    wish: Gpu | None
    way: Way


def candidates(wish: Gpu, inventory: Inventory, named: Sequence[str]) -> tuple[Candidate, ...]:
    """What the cluster has of the ways named, each once, in that order; of MIG every profile with the memory.

    Of the function's own wish count, memory, isolation and profile are kept. Raises ConfigurationError for
    a name that is none.
    """
    if unknown := [repr(name) for name in named if name not in NAMES]:
        raise ConfigurationError(
            f"--way: found {', '.join(unknown)}, allowed {', '.join(NAMES)}; name some of them"
        )
    return tuple(
        each
        for name in dict.fromkeys(named)
        for each in ([Candidate(CPU, None, NO_GPU)] if name == CPU else _by(Access(name), wish, inventory))
    )


def _by(access: Access, wish: Gpu, inventory: Inventory) -> Iterator[Candidate]:
    is_mig = access is Access.MIG
    alone = wish.model_copy(update={"access": (access,), "profile": wish.profile if is_mig else None})
    for way in ways(alone, inventory):
        profile = profile_of_resource(way.resource) if is_mig and way.taken else None
        if profile is None:
            yield Candidate(access.value, alone, way)
        else:
            name = f"{access}-{profile.replace('.', '-')}"
            yield Candidate(name, alone.model_copy(update={"profile": profile}), way)
