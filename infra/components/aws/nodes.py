"""The cluster's nodes: some that are always on, and a group a pool, empty until the scaler needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import pulumi
from pulumi_aws.autoscaling import Tag
from pulumi_aws.ec2 import LaunchTemplate
from pulumi_aws.eks import NodeGroup, NodeGroupTaintArgs
from pulumi_aws.eks.outputs import NodeGroupResource

from headrace.model.pool import NodePoolSpec
from headrace.model.quantity import parse_bytes
from infra import names, versions
from infra.aws import node_templates, rights
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround
from infra.aws_settings import AwsSettings, Image, Market
from infra.aws_settings import NodeGroup as GroupSettings
from infra.components.aws.identity import RoleArgs, TrustedRole
from infra.stack_rules import has_gpus

ROOT_DEVICE = "/dev/xvda"  # of Amazon Linux
GIB = 2**30
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
MARKETS = {Market.ON_DEMAND: "ON_DEMAND", Market.SPOT: "SPOT"}


@dataclass(frozen=True, slots=True)
class NodesArgs:
    """What is configured: pools by name, those with driver `eks`; the cluster's name; subnets by zone."""

    settings: AwsSettings
    pools: Mapping[str, NodePoolSpec]
    cluster: pulumi.Output[str]
    estate: Estate
    subnets: Mapping[str, pulumi.Output[str]]
    ground: AwsGround


@dataclass(frozen=True, slots=True)
class Group:
    """One node group; `most` nodes at most, `least` always. `elastic`: the scaler says how many."""

    name: str
    instance_types: Sequence[str]
    market: Market
    image: Image
    disk: str
    zones: Sequence[str]
    least: int
    most: int
    labels: Mapping[str, str]
    elastic: bool
    taints: Sequence[NodeGroupTaintArgs] = ()


class Nodes(pulumi.ComponentResource):
    """The group on which the platform itself runs, and those of the pools."""

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Nodes", name, None, opts)
        self._args = args
        self._ground = args.ground.under(self, *args.ground.after)
        role = self._create_role()
        self._create(system_group(args.settings), role)
        for pool, spec in sorted(args.pools.items()):
            group = pool_group(pool, spec, args.settings)
            self._create_tags(pool, spec, self._create(group, role))
        self.register_outputs({})

    def _create_role(self) -> TrustedRole:
        """Of the nodes: they join, and pull images. Pods do not come by it."""
        account = self._args.estate.account
        args = RoleArgs(
            name=account.role_name("nodes"),
            trust=written(rights.trusted_by("ec2.amazonaws.com")),
            told="nodes",
            ground=self._ground,
            managed=[account.managed_policy(each) for each in NODE_POLICIES],
        )
        return TrustedRole("role-nodes", args, pulumi.ResourceOptions(parent=self))

    def _create(self, group: Group, role: TrustedRole) -> NodeGroup:
        template = self._create_template(group)
        # `up` while the scaler's nodes run must end none.
        ignored = ["scalingConfig.desiredSize"] if group.elastic else []
        return NodeGroup(
            f"nodes-{group.name}",
            cluster_name=self._args.cluster,
            node_group_name=group.name,
            node_role_arn=role.arn,
            version=versions.EKS,
            ami_type=group.image.value,
            capacity_type=MARKETS[group.market],
            instance_types=list(group.instance_types),
            subnet_ids=[self._args.subnets[zone] for zone in group.zones],
            launch_template={
                "id": template.id,
                "version": template.latest_version.apply(lambda version: str(int(version))),
            },
            scaling_config={"desired_size": group.least, "min_size": group.least, "max_size": group.most},
            update_config={"max_unavailable": 1},
            labels=dict(group.labels),
            taints=list(group.taints),
            opts=self._ground.options(ignore_changes=ignored),
        )

    def _create_template(self, group: Group) -> LaunchTemplate:
        name = self._args.estate.account.own("node", group.name)
        tags = {**self._args.settings.tags, "Name": name}
        return LaunchTemplate(
            f"template-{group.name}",
            name=name,
            # One hop does not reach into a pod, so none gets at the node's own rights.
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "disabled",
            },
            block_device_mappings=[
                {
                    "device_name": ROOT_DEVICE,
                    "ebs": {
                        "volume_type": "gp3",
                        "volume_size": ceil(parse_bytes(group.disk) / GIB),
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            tag_specifications=[
                {"resource_type": kind, "tags": tags} for kind in ("instance", "volume", "network-interface")
            ],
            opts=self._ground.options(),
        )

    def _create_tags(self, pool: str, spec: NodePoolSpec, group: NodeGroup) -> None:
        """EKS puts a node group's own tags on no Auto Scaling group."""
        scaling = group.resources.apply(_scaling_group)
        for key, value in node_templates.tags(pool, spec).items():
            Tag(
                f"{pool}-{key.removeprefix(node_templates.TEMPLATE).lstrip('/')}",
                autoscaling_group_name=scaling,
                tag={"key": key, "value": value, "propagate_at_launch": False},
                opts=self._ground.options(),
            )


def _scaling_group(resources: Sequence[NodeGroupResource]) -> str:
    """EKS makes exactly one a group."""
    return str(next(each.name for found in resources for each in found.autoscaling_groups or ()))


def system_group(settings: AwsSettings) -> Group:
    """Always on, in as few zones as it has nodes: a volume stays in its zone, and so must a node."""
    system = settings.system
    return Group(
        name=names.SYSTEM_GROUP,
        instance_types=system.instance_types,
        market=Market.ON_DEMAND,
        image=system.image,
        disk=system.disk,
        zones=settings.network.zones[: system.nodes],
        least=system.nodes,
        most=system.nodes + 1,
        labels={},
        elastic=False,
    )


def pool_group(name: str, spec: NodePoolSpec, settings: AwsSettings) -> Group:
    """Empty at first; what a node has is told by the pool."""
    group: GroupSettings = settings.node_groups[name]
    fitting = Image(versions.GPU_IMAGE if has_gpus(spec) else versions.CPU_IMAGE)
    return Group(
        name=spec.eks.node_group if spec.eks else name,
        instance_types=group.instance_types,
        market=group.market,
        image=group.image or fitting,
        disk=group.disk,
        zones=group.zones or settings.network.zones,
        least=0,
        most=spec.max_nodes,
        labels=node_templates.labels(name, spec),
        elastic=True,
        taints=[
            NodeGroupTaintArgs(key=each.key, value=each.value, effect=node_templates.effect(each.effect))
            for each in spec.taints
        ],
    )
