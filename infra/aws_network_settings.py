"""What a person configures of the network of a platform on AWS: made by the stack, or there already."""

import ipaddress
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from headrace.model.value import ConsistentValue, Value
from infra.aws.subnets import LARGEST, MOST_ZONES, SMALLEST, NetworkPlan
from infra.ranges import Range
from infra.repeats import repeats

# https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html: in two zones at least
LEAST_ZONES = 2
Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")]


class Gateways(StrEnum):
    """Ways out of the private subnets."""

    ONE = "one"  # all zones leave by the first zone's: its loss cuts the others off
    PER_ZONE = "perZone"
    NONE = "none"  # what the endpoints do not lead to can't be reached


class Endpoint(StrEnum):
    """Services of AWS that are reached inside the network. S3's is always there: it costs nothing."""

    AUTO_SCALING = "autoscaling"
    EC2 = "ec2"
    ECR_API = "ecr.api"
    ECR_IMAGES = "ecr.dkr"
    EKS = "eks"
    EKS_AUTH = "eks-auth"  # pods' identities
    LOGS = "logs"
    SQS = "sqs"
    STS = "sts"


class MadeNetwork(ConsistentValue):
    """A VPC that the stack makes, with a private and a public subnet in each zone."""

    range: Range = Field(
        default="10.40.0.0/16", description="the VPC's IPv4 addresses; it can't change later"
    )
    zones: tuple[Zone, ...] = Field(
        min_length=LEAST_ZONES,
        max_length=MOST_ZONES,
        description="availability zones, in this order; add new ones at the end",
        examples=[["eu-central-1a", "eu-central-1b"]],
    )
    nat_gateways: Gateways = Field(
        default=Gateways.ONE, description="the way out for nodes: `one`, `perZone`, or `none`"
    )
    endpoints: tuple[Endpoint, ...] = Field(
        default=tuple(Endpoint),
        description="services that are reached inside the network, each at a price an hour and zone; with "
        "natGateways `one` in its zone alone",
    )

    @property
    def plan(self) -> NetworkPlan:
        """Ranges of the subnets."""
        return NetworkPlan(ipaddress.IPv4Network(self.range), self.zones)

    @property
    def served_zones(self) -> tuple[str, ...]:
        """Zones with gateways and endpoints of their own."""
        return self.zones[:1] if self.nat_gateways is Gateways.ONE else self.zones

    def _faults(self) -> Iterator[str]:
        network = ipaddress.ip_network(self.range)
        if network.version != 4 or not LARGEST <= network.prefixlen <= SMALLEST:
            yield (
                f"found range {self.range}, allowed an IPv4 range of /{LARGEST} to /{SMALLEST}, as AWS takes "
                "for a VPC with room for all subnets; write another"
            )
        yield from repeats("zones", self.zones)
        yield from repeats("endpoints", self.endpoints)
        missing = [each.value for each in Endpoint if each not in self.endpoints]
        if self.nat_gateways is Gateways.NONE and missing:
            yield (
                f"found natGateways none without the endpoints {', '.join(missing)}, allowed with all, as "
                "nothing else leads to these services; add them, or a gateway"
            )


class GivenNetwork(ConsistentValue):
    """A VPC that is there already; routes, gateways and endpoints are its owner's matter."""

    subnets: Mapping[Zone, Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]] = Field(
        min_length=LEAST_ZONES,
        description="zone -> private subnet, all of one VPC; nodes reach AWS's services and the registries "
        "from there",
        examples=[{"eu-central-1a": "subnet-0123456789abcdef0", "eu-central-1b": "subnet-0123456789abcdef1"}],
    )

    def _faults(self) -> Iterator[str]:
        yield from repeats("subnets", tuple(self.subnets.values()))


class AwsNetwork(Value):
    """Where the cluster is: exactly one of the two."""

    made: MadeNetwork | None = Field(default=None, description="a VPC that the stack makes")
    given: GivenNetwork | None = Field(default=None, description="a VPC that is there already")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        found = [name for name in ("made", "given") if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, allowed exactly one of made, given; write one"
            )
        return self

    @property
    def zones(self) -> tuple[str, ...]:
        """In order."""
        if self.made is not None:
            return self.made.zones
        return tuple(self.given.subnets) if self.given is not None else ()
