"""The GPUs of a pool's nodes, and how NVIDIA's device plugin shares each of them out.

https://github.com/NVIDIA/k8s-device-plugin and NVIDIA's MIG user guide are the sources of names and limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from headrace.model.function import MIG_PROFILE, Access, Quantity
from headrace.model.quantity import parse_bytes
from headrace.model.resources import GPU
from headrace.model.value import Value

SHARED_GPU = f"{GPU}.shared"  # what the plugin calls a share, with renameByDefault
VENDOR = "nvidia.com/"
MOST_CLIENTS = 48  # of MPS on one GPU, from Volta on: https://docs.nvidia.com/deploy/mps/
MOST_SLICES = 7  # compute slices of one GPU under MIG
MOST_REPLICAS = 1024
MOST_PROFILES = 8
MOST_GPUS = 16
GIGABYTE = 10**9  # a profile's gb: in GiB its name would promise more than the instance has

Profile = Annotated[str, Field(pattern=MIG_PROFILE)]  # like 1g.5gb; `nvidia-smi mig -lgip` lists them
Share = Annotated[int, Field(ge=1, le=MOST_SLICES)]


def slices_of(profile: str) -> int:
    """The compute slices of a MIG profile."""
    return int(profile[0])


def bytes_of(profile: str) -> int:
    """The memory of a MIG profile in bytes, rather too little than too much."""
    return int(profile.partition(".")[2].removesuffix("gb")) * GIGABYTE


def resource_of_profile(profile: str) -> str:
    """What a container asks for to get one, where the plugin's migStrategy is `mixed`."""
    return f"{VENDOR}mig-{profile}"


def profile_of_resource(resource: str) -> str:
    """The MIG profile of such a resource."""
    return resource.removeprefix(f"{VENDOR}mig-")


class Sharing(Value):
    """How each GPU is shared out: exactly one of the three."""

    timeslice: int | None = Field(
        default=None, ge=2, le=MOST_REPLICAS, description="containers that take turns on one GPU"
    )
    mps: int | None = Field(
        default=None, ge=2, le=MOST_CLIENTS, description="containers that share one GPU by MPS, equal parts"
    )
    mig: Mapping[Profile, Share] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_PROFILES,
        description="MIG instances of one GPU: profile -> how many",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        found = [name for name in ("timeslice", "mps", "mig") if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, allowed exactly one of timeslice, mps, mig, as the "
                "device plugin does not combine them; write one of them"
            )
        return self

    @model_validator(mode="after")
    def _slices(self) -> Self:
        slices = sum(slices_of(name) * number for name, number in (self.mig or {}).items())
        if slices > MOST_SLICES:
            raise ValueError(
                f"found {slices} compute slices in mig, allowed {MOST_SLICES} of one GPU; "
                "take fewer instances"
            )
        return self

    @property
    def access(self) -> Access:
        """By which way containers come to such a GPU."""
        if self.timeslice is not None:
            return Access.TIMESLICE
        return Access.MPS if self.mps is not None else Access.MIG


@dataclass(frozen=True, slots=True)
class Offer:
    """So many of a resource a node; `memory_bytes`: what one of them has."""

    access: Access
    resource: str
    count: int
    memory_bytes: int


class PoolGpus(Value):
    """The GPUs of one node."""

    model: str = Field(min_length=1, max_length=64, description="the GPUs' model, like A100")
    memory: Quantity = Field(description="memory of each, as a Kubernetes quantity")
    count: int = Field(default=1, ge=1, le=MOST_GPUS, description="GPUs in one node")
    sharing: Sharing | None = Field(
        default=None, description="how each is shared out; none: a container takes it whole"
    )

    @model_validator(mode="after")
    def _memory(self) -> Self:
        mig = (self.sharing.mig if self.sharing else None) or {}
        needed = sum(bytes_of(name) * number for name, number in mig.items())
        if needed > parse_bytes(self.memory):
            raise ValueError(
                f"found {needed // GIGABYTE}gb in sharing.mig, allowed what is in memory, {self.memory}; "
                "take fewer or smaller instances"
            )
        return self

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What containers may ask for of one node."""
        return tuple(self._offers())

    def _offers(self) -> Iterator[Offer]:
        whole, sharing = parse_bytes(self.memory), self.sharing
        if sharing is None:
            yield Offer(access=Access.PASSTHROUGH, resource=GPU, count=self.count, memory_bytes=whole)
            return
        if sharing.mig is not None:
            for name, number in sorted(sharing.mig.items()):
                yield Offer(
                    access=Access.MIG,
                    resource=resource_of_profile(name),
                    count=self.count * number,
                    memory_bytes=bytes_of(name),
                )
            return
        replicas = sharing.timeslice or sharing.mps or 1
        # Time slices see the whole memory, and nothing keeps one from taking it all.
        memory = whole if sharing.timeslice else whole // replicas
        yield Offer(
            access=sharing.access, resource=SHARED_GPU, count=self.count * replicas, memory_bytes=memory
        )
