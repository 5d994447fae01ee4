"""A host that serves its GPUs to workers elsewhere: what Ansible's verify or Pulumi writes down."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from headrace.model.function import MOST, MOST_ENTRIES, Quantity
from headrace.model.metadata import Name, ObjectMetadata
from headrace.model.value import Value

MOST_DEVICES = 64

Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", max_length=253)]
CudaVersion = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})?$")]


class Backend(StrEnum):
    """What carries a worker's calls to the server's GPU."""

    RCUDA = "rcuda"
    LUPINE = "lupine"
    STUB = "stub"  # tests: really talks over TCP, computes on the CPU


class Device(Value):
    """One GPU of a server."""

    model: str = Field(min_length=1, max_length=64, description="the GPU's model, like A100")
    memory: Quantity = Field(description="its memory, as a Kubernetes quantity")
    cuda_version: CudaVersion | None = Field(
        default=None, description="the CUDA version that it serves; none: any"
    )


class GpuServerMetadata(ObjectMetadata):
    """What names a GPU server."""

    name: Name = Field(description="the server's name")


class GpuServerSpec(Value):
    """The `spec` of a GPU server."""

    address: Address = Field(description="host name or IP address that workers reach it at")
    port: int = Field(ge=1, le=65535, description="the port that it serves on")
    backend: Backend = Field(description="what carries a worker's calls to its GPUs")
    max_sessions: int = Field(ge=1, le=MOST, description="workers served at once, at most")
    pool: Name | None = Field(
        default=None, description="the pool whose node it is, which switches it on; none: always on"
    )
    host: Address | None = Field(
        default=None, description="that node's name; none: the server's own. Servers may share a host"
    )
    devices: tuple[Device, ...] = Field(
        min_length=1, max_length=MOST_DEVICES, description="its GPUs, in the order of their numbers"
    )
    node_selector: Mapping[str, str] = Field(
        default_factory=dict,
        max_length=MOST_ENTRIES,
        description="labels of the nodes whose workers reach it; none: all",
    )


class GpuServer(Value):
    """One GPU server."""

    api_version: Literal["headrace.dev/v1alpha1"] = Field(description="the version of this format")
    kind: Literal["GpuServer"] = Field(description="the kind of the object")
    metadata: GpuServerMetadata = Field(description="the server's name")
    spec: GpuServerSpec = Field(description="where it is and what it serves")

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def host(self) -> str:
        """The name of its host among its pool's nodes."""
        return self.spec.host or self.name
