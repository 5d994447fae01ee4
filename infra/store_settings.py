"""What a person configures of the store, and of the ways in and the disks that servers have."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from headrace.model.bucket import BucketName
from headrace.model.function import Quantity
from headrace.model.value import Value
from infra.ranges import EVERYWHERE, Range


class ServiceType(StrEnum):
    """How a Kubernetes service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Disk(Value):
    """A volume that is claimed for a server."""

    storage: Quantity = Field(description="its size; it may grow later where the class allows that")
    storage_class: str = Field(
        default="",
        description="the class; empty: the cluster's default. Read when the volume is made, not later",
    )


class Entrance(Value):
    """How something is reached from outside the platform."""

    service: ServiceType = Field(default=ServiceType.CLUSTER_IP, description="the type of its service")
    clients: tuple[Range, ...] = Field(
        default=(), description="address ranges that may connect, besides the platform's own pods"
    )


class BucketSettings(Value):
    """A bucket of the stack."""

    name: BucketName | None = Field(
        default=None,
        description="its name in the store; none: the logical one, behind its tenant's name and a hyphen "
        "where it has one; on AWS with account and region",
    )


class SeaweedStore(Value):
    """A SeaweedFS server that the stack runs."""

    disk: Disk = Field(default=Disk(storage="20Gi"), description="where the objects lie")
    entrance: Entrance = Field(default=Entrance(), description="who else may reach S3")


class GivenStore(Value):
    """An S3 endpoint that is there already."""

    endpoint: str = Field(pattern=r"^https?://[^/\s]+$", description="http(s)://host:port")
    region: str = Field(default="us-east-1", description="the region that requests are signed for")
    access_key: str = Field(min_length=1, description="the key's name")
    secret_key: str = Field(
        min_length=1, repr=False, description="set it with `pulumi config set --secret --path`"
    )
    addresses: tuple[Range, ...] = Field(
        default=EVERYWHERE, min_length=1, description="address ranges where the endpoint is"
    )


class Store(Value):
    """Where objects are: exactly one of the two."""

    seaweedfs: SeaweedStore | None = Field(default=None, description="a server that the stack runs")
    s3: GivenStore | None = Field(default=None, description="an endpoint that is there already")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        found = [name for name in ("seaweedfs", "s3") if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, allowed exactly one of seaweedfs, s3; "
                "write one of them"
            )
        return self
