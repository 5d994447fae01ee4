"""A tenant: whose functions share a cluster with others', what they may take together, and which images.

Pure. Fair shares are reckoned by the scaler (docs/scaler.md); this module says what a tenant is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from headrace.model.amounts import amount_text as resource_text
from headrace.model.amounts import bytes_text, countable, in_units, resource_name, spelt
from headrace.model.bucket import BucketName
from headrace.model.function import MAX_QUANTITY_LENGTH, MOST, MOST_ENTRIES, Access
from headrace.model.images import ImageRule
from headrace.model.metadata import Namespace
from headrace.model.quantity import QUANTITY_PATTERN, parse_bytes, parse_quantity
from headrace.model.value import Value

# What is counted of a worker beside what it asks of its node.
WORKERS = "workers"
REMOTE_SESSIONS = "remoteGpuSessions"
REMOTE_MEMORY = "remoteGpuMemory"

SharedAccess = Literal[Access.TIMESLICE, Access.MPS, Access.MIG]
SHARED: tuple[Access, ...] = (Access.TIMESLICE, Access.MPS, Access.MIG)


def share_name(access: Access) -> str:
    """Under which name shares of GPUs of one kind are counted."""
    return f"gpuShares.{access}"


def amount_text(name: str, amount: int) -> str:
    """An amount of anything that is counted of a tenant, for people."""
    return bytes_text(amount) if name == REMOTE_MEMORY else resource_text(name, amount)


def _quantity(text: str) -> str:
    parse_quantity(text)
    return text


_BOUND = WithJsonSchema(
    {
        "anyOf": [
            {
                "type": "string",
                "pattern": QUANTITY_PATTERN,
                "format": "quantity-or-zero",
                "maxLength": MAX_QUANTITY_LENGTH,
            },
            {"type": "integer", "minimum": 0},
        ]
    }
)
Count = Annotated[int, Field(ge=0, le=MOST)]
Bound = Annotated[
    str,
    Field(max_length=MAX_QUANTITY_LENGTH),
    AfterValidator(_quantity),
    BeforeValidator(spelt),
    _BOUND,
]
Bounds = Annotated[
    Mapping[Annotated[str, AfterValidator(resource_name)], Bound],
    Field(max_length=MOST_ENTRIES),
    AfterValidator(countable),
]


class Quota(Value):
    """The most that a tenant's functions may have together; what is not named has no bound, 0 is none."""

    files_waiting: Count | None = Field(
        default=None, description="files that wait or are in work; more are not let in; none: no bound"
    )
    workers: Count | None = Field(default=None, description="workers; none: no bound")
    resources: Bounds = Field(
        default_factory=dict,
        description="what its workers take of nodes, the platform's part of each included: cpu, memory, "
        "nvidia.com/gpu, nvidia.com/mig-1g.5gb, as Kubernetes quantities",
    )
    gpu_shares: Mapping[SharedAccess, Count] = Field(
        default_factory=dict,
        description="shares of GPUs by kind: `timeslice`, `mps`, `mig` (instances of any profile)",
    )
    remote_gpu_sessions: Count | None = Field(
        default=None, description="GPUs of servers that its workers hold; none: no bound"
    )
    remote_gpu_memory: Bound | None = Field(
        default=None,
        description="memory that they hold there; a worker that wants whole GPUs counts as if each were the "
        "largest of its servers; none: no bound",
    )

    @property
    def bounds(self) -> Mapping[str, int]:
        """What workers may take together, by the name it is counted under; in the units of ResourceList."""
        counted = {WORKERS: self.workers, REMOTE_SESSIONS: self.remote_gpu_sessions}
        counted |= {share_name(access): number for access, number in self.gpu_shares.items()}
        if self.remote_gpu_memory is not None:
            counted[REMOTE_MEMORY] = parse_bytes(self.remote_gpu_memory)
        counted |= {name: in_units(name, amount) for name, amount in self.resources.items()}
        return {name: amount for name, amount in sorted(counted.items()) if amount is not None}


class Terms(Value):
    """What a tenant may take, beside others."""

    quota: Quota = Field(default=Quota(), description="the most that its functions may have together")
    weight: Annotated[float, Field(gt=0, le=10**6, allow_inf_nan=False)] = Field(
        default=1.0,
        description="its share where resources are short, beside the others' of the same priority: one of "
        "weight 2 gets twice as much as one of weight 1",
    )
    priority: int = Field(
        default=0,
        ge=-(10**9),
        le=10**9,
        description="tenants of a higher one are served first, whatever the others' shares; a function's own "
        "priority counts among its tenant's functions only",
    )
    images: tuple[ImageRule, ...] = Field(
        default=(),
        max_length=MOST_ENTRIES,
        description="where its functions' images may come from; none: from anywhere",
    )


class Tenant(Terms):
    """Functions of one namespace, in what they share with others."""

    name: Namespace = Field(description="the tenant's name: the namespace of its functions")
    buckets: Mapping[BucketName, BucketName] = Field(
        default_factory=dict,
        max_length=MOST_ENTRIES,
        description="the buckets that its functions may name, and what they are called in the store",
    )


@dataclass(frozen=True, slots=True)
class Admission:
    """How many of the files that arrive are let in, and why the others are not; empty: all are."""

    files: int
    reason: str = ""


def admit(tenant: Tenant, waiting: int, arriving: int) -> Admission:
    """Judge files of a tenant that has `waiting` files, those in work included. Nothing is counted here."""
    most = tenant.quota.files_waiting
    if most is None or waiting + arriving <= most:
        return Admission(arriving)
    free = max(0, most - waiting)
    return Admission(
        free,
        f"tenant {tenant.name}: found {waiting} files waiting and {arriving} arriving, allowed {most} "
        f"(quota.filesWaiting), so {free} are let in; wait until some are done, or raise the quota",
    )
