"""What a person configures of a platform on AWS: the account, the network, the cluster and its nodes."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headrace.model.function import Quantity
from headrace.model.metadata import Name
from headrace.model.value import ConsistentValue
from infra import aws_limits, versions
from infra.aws.account import Account
from infra.aws_network_settings import AwsNetwork, Zone
from infra.ranges import Range
from infra.repeats import repeats

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
RoleArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+$", max_length=512)
]
InstanceType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]
Mail = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=50)]  # a budget takes no longer ones


class Market(StrEnum):
    """What EC2 promises of an instance."""

    ON_DEMAND = "onDemand"
    SPOT = "spot"  # cheaper, and taken back with two minutes' notice


class Image(StrEnum):
    """What nodes boot, as EKS names it."""

    X86 = "AL2023_x86_64_STANDARD"
    ARM = "AL2023_ARM_64_STANDARD"
    X86_GPU = "AL2023_x86_64_NVIDIA"
    ARM_GPU = "AL2023_ARM_64_NVIDIA"

    @property
    def has_driver(self) -> bool:
        """Whether NVIDIA's driver is in it."""
        return self in (Image.X86_GPU, Image.ARM_GPU)


class Protection(StrEnum):
    """What `pulumi destroy`, or a change that would replace it, does to what holds data."""

    PROTECT = "protect"
    RETAIN = "retain"
    NONE = "none"


class Log(StrEnum):
    """Logs of the control plane."""

    API = "api"
    AUDIT = "audit"
    AUTHENTICATOR = "authenticator"
    CONTROLLER_MANAGER = "controllerManager"
    SCHEDULER = "scheduler"


class AwsCluster(ConsistentValue):
    """The EKS cluster."""

    administrators: tuple[RoleArn, ...] = Field(
        min_length=1,
        description="roles and users that may do everything on it, who runs `pulumi up` among them: the "
        "cluster gives its maker no rights of its own",
        examples=[["arn:aws:iam::123456789012:role/platform"]],
    )
    viewers: tuple[RoleArn, ...] = Field(
        default=(),
        description="roles and users that may look at workloads and their logs, at Headrace's own objects "
        "and at nodes, not at secrets",
    )
    clients: tuple[Range, ...] = Field(
        default=(),
        description="address ranges outside the network that reach the API server; none: it is reached from "
        "inside alone, where `pulumi up` then has to run",
    )
    logs: tuple[Log, ...] = Field(
        default=(Log.API, Log.AUDIT, Log.AUTHENTICATOR), description="logs of the control plane that are kept"
    )
    log_days: int = Field(default=90, ge=1, le=3653, description="how long they are kept; a number AWS knows")

    def _faults(self) -> Iterator[str]:
        yield from repeats("administrators", self.administrators)
        yield from repeats("viewers", self.viewers)
        yield from repeats("clients", self.clients)
        yield from repeats("logs", self.logs)
        for each in sorted(set(self.administrators) & set(self.viewers)):
            yield f"found {each} in administrators and in viewers, allowed in one; take one out"
        if self.log_days not in LOG_DAYS:
            near = min(LOG_DAYS, key=lambda days: abs(days - self.log_days))
            yield f"found logDays {self.log_days}, allowed those that CloudWatch knows; write {near}"
        yield from aws_limits.clients(self.clients)


class SystemGroup(ConsistentValue):
    """Nodes that are always on: the platform itself runs there."""

    instance_types: tuple[InstanceType, ...] = Field(
        default=("t3.large",), min_length=1, description="EC2's types, the first that is to be had"
    )
    image: Image = Field(default=Image(versions.CPU_IMAGE), description="what they boot")
    disk: Quantity = Field(default="30Gi", description="each node's disk, 20Gi at least")
    nodes: int = Field(
        default=2, ge=1, le=10, description="how many; they are in as many of the first zones, at most"
    )

    def _faults(self) -> Iterator[str]:
        yield from aws_limits.disk(self.disk)
        yield from repeats("instanceTypes", self.instance_types)


class NodeGroup(ConsistentValue):
    """The managed node group of a pool with driver `eks`, empty until the scaler needs it."""

    instance_types: tuple[InstanceType, ...] = Field(
        min_length=1,
        description="EC2's types, each with at least the pool's capacity; more of them are found more often",
        examples=[["m6i.2xlarge"]],
    )
    market: Market = Field(
        default=Market.ON_DEMAND, description="`onDemand`, or `spot`: cheaper, and taken back at any time"
    )
    image: Image | None = Field(
        default=None, description="what nodes boot; none: with NVIDIA's driver where the pool has GPUs"
    )
    disk: Quantity = Field(
        default="100Gi", description="each node's disk: images and staged files, 20Gi at least"
    )
    zones: tuple[Zone, ...] = Field(
        default=(), description="zones of its nodes; none: all of the network. GPUs are not in every zone"
    )

    def _faults(self) -> Iterator[str]:
        yield from aws_limits.disk(self.disk)
        yield from repeats("instanceTypes", self.instance_types)
        yield from repeats("zones", self.zones)


class Budget(ConsistentValue):
    """An alarm on what the whole account costs in a month."""

    amount: float = Field(ge=0.01, allow_inf_nan=False, description="US dollars a month", examples=[100.0])
    mails: tuple[Mail, ...] = Field(
        min_length=1,
        max_length=10,
        description="who is told at 80 % spent, and when 100 % is foreseen",
        examples=[["somebody@example.org"]],
    )

    def _faults(self) -> Iterator[str]:
        yield from repeats("mails", self.mails)


class AwsSettings(ConsistentValue):
    """A platform on AWS, which the stack makes from the network to the buckets."""

    account: str = Field(
        pattern=r"^[0-9]{12}$",
        description="the account; credentials of any other are refused",
        examples=["123456789012"],
    )
    region: str = Field(
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$",
        description="the region: one of AWS's public ones, or of GovCloud (US)",
        examples=["eu-central-1"],
    )
    name: str = Field(
        default="headrace",
        pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$",
        description="what the names of all that is made begin with; another for a second platform",
    )
    network: AwsNetwork = Field(
        description="where the cluster is",
        examples=[{"made": {"zones": ["eu-central-1a", "eu-central-1b"]}}],
    )
    cluster: AwsCluster = Field(
        description="the cluster", examples=[{"administrators": ["arn:aws:iam::123456789012:role/platform"]}]
    )
    system: SystemGroup = Field(default=SystemGroup(), description="nodes for the platform itself")
    node_groups: Mapping[Name, NodeGroup] = Field(
        default_factory=dict, description="node groups by the name of their pool"
    )
    repositories: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")], ...] = Field(
        default=("headrace", "echo"),
        description="image repositories that are made, each below `<name>/`, for the services and functions",
    )
    kept_images: int = Field(
        default=50, ge=1, le=1000, description="images that a repository keeps, the newest"
    )
    budget: Budget | None = Field(default=None, description="an alarm on costs; none: nobody is told")
    protection: Protection = Field(
        default=Protection.PROTECT,
        description="of what holds data: `protect` refuses to delete it, on the cluster as well; `retain` "
        "leaves buckets, keys, queues and images in the account, `none` deletes it",
    )
    platform: bool = Field(
        default=True,
        description="whether the platform is deployed on the cluster; `false` at first, so that the images "
        "can be pushed to repositories that `pulumi up` has made",
    )
    tags: Mapping[str, str] = Field(
        default_factory=dict, max_length=40, description="tags of all that is made, such as a cost centre"
    )

    @property
    def place(self) -> Account:
        """The account as its addresses name it."""
        return Account(self.account, self.region, self.name)

    def _faults(self) -> Iterator[str]:
        yield from self._parts_of_aws()
        zones = self.network.zones
        for zone in zones:
            if zone[:-1] != self.region:
                where = "network.made.zones" if self.network.made else "network.given.subnets"
                yield f"found {zone} in {where}, allowed zones of region {self.region}; write another"
        for name, group in self.node_groups.items():
            for zone in group.zones:
                if zone not in zones:
                    yield (
                        f"found zone {zone} in nodeGroups.{name}.zones, allowed {', '.join(zones)}, where "
                        "the network has subnets; take it out"
                    )
        if self.system.image.has_driver:
            yield f"found system.image {self.system.image}, allowed one without GPU; write another"
        yield from repeats("repositories", self.repositories)
        yield from aws_limits.tags(self.tags)

    def _parts_of_aws(self) -> Iterator[str]:
        """The region has services by the names that are used here, and what they are used for."""
        if not self.place.is_supported:
            yield (
                f"found region {self.region}, allowed AWS's public regions and GovCloud's, as elsewhere "
                "services have other names; write another"
            )
            return
        if self.place.is_in_govcloud and self.budget is not None:
            yield (
                f"found budget in {self.region}, allowed in AWS's public regions, as GovCloud's costs are "
                "the standard account's; take it out, and set an alarm there"
            )
        start = f"arn:{self.place.partition}:"
        for key, listed in (
            ("administrators", self.cluster.administrators),
            ("viewers", self.cluster.viewers),
        ):
            for each in listed:
                if not each.startswith(start):
                    yield f"found {each} in cluster.{key}, allowed those of {start}; write another"
