"""Doors on AWS that stand open to everyone: security groups, and the API server of EKS."""

from collections.abc import Iterator
from dataclasses import dataclass

from .reach import ALL_PORTS, ports, wide_open
from .tree import Node
from .values import Fault, Ports, Resource, Rule, Surroundings

_GROUPS = (
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
)
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_CLUSTER = "aws:eks/cluster:Cluster"
_NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_EVERY_PROTOCOL = ("-1", "all")
_TCP = ("tcp", "6", *_EVERY_PROTOCOL)


@dataclass(frozen=True, slots=True)
class Door:
    """What a rule of a security group lets in: ranges, by a protocol, at ports.

    `is_for_tcp`: whether connections come in; the ports of others are none that a server listens at, and of
    ICMP they are kinds of messages.
    """

    protocol: str
    ports: Ports
    ranges: tuple[str, ...]
    is_for_tcp: bool

    def where(self, range_: str) -> str:
        told = "all ports" if self.ports == ALL_PORTS else f"{self.protocol}/{self.ports}"
        return f"ingress {told} from {range_}"


def doors(resource: Resource) -> Iterator[Door]:
    """The doors of a resource, as each of its kinds writes them."""
    inputs = resource.inputs
    if resource.type in _GROUPS:
        for rule in inputs.at("ingress").entries():
            yield _door(rule, "protocol", ("cidrBlocks", "ipv6CidrBlocks"))
    elif resource.type == _RULE and inputs.at("type").says("ingress"):
        yield _door(inputs, "protocol", ("cidrBlocks", "ipv6CidrBlocks"))
    elif resource.type == _INGRESS:
        yield _door(inputs, "ipProtocol", ("cidrIpv4", "cidrIpv6"))


def _door(rule: Node, protocol: str, ranges: tuple[str, str]) -> Door:
    given = rule.at(protocol)
    named = "a protocol not known yet" if given.is_unknown else given.told
    found = ALL_PORTS if named in _EVERY_PROTOCOL else ports(rule.at("fromPort"), rule.at("toPort"))
    others = tuple(each.text for key in ranges for each in rule.at(key).entries())
    tcp = given.is_unknown or given.is_absent or given.text.lower() in _TCP
    return Door(named, found, others, tcp)


def _open_groups(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for door in doors(resource):
        for range_ in wide_open(door.ranges):
            yield Fault(
                door.where(range_),
                "everyone",
                "the security groups or ranges that have to connect",
                "name them; a port that everyone has to reach is an exception with a reason",
            )
    yield from _open_nodes(resource)


def _open_nodes(resource: Resource) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/eks/latest/APIReference/API_RemoteAccessConfig.html"""
    access = resource.inputs.at("remoteAccess")
    if resource.type != _NODE_GROUP or access.at("ec2SshKey").is_absent:
        return
    if access.at("sourceSecurityGroupIds").is_absent:
        yield Fault(
            "remoteAccess.sourceSecurityGroupIds",
            "none beside ec2SshKey, so EKS opens port 22 to everyone",
            "the security groups that have to connect",
            "name them, or take remoteAccess out",
        )


def _open_clusters(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    network = resource.inputs.at("vpcConfig")
    if resource.type != _CLUSTER or network.at("endpointPublicAccess").is_false or network.is_unknown:
        return
    listed = network.at("publicAccessCidrs")
    if listed.is_absent or list(wide_open(each.text for each in listed.entries())):
        yield Fault(
            "vpcConfig.publicAccessCidrs",
            "an API server that everyone may reach",
            "a private one, or ranges of your own",
            "write vpcConfig.endpointPublicAccess: false, or publicAccessCidrs",
        )


GROUPS = Rule(
    "open-security-group",
    "A security group lets in who has to come in",
    "security groups and their rules, node groups of EKS",
    "ingress from a range that stands for everyone (`0.0.0.0/0`, `::/0`, half of either), at any port; a "
    "node group's `remoteAccess.ec2SshKey` without `sourceSecurityGroupIds`",
    each=_open_groups,
)
CLUSTERS = Rule(
    "open-api-server",
    "An API server is not everyone's to reach",
    "clusters of EKS",
    "a public endpoint without `publicAccessCidrs`, or with a range that stands for everyone",
    each=_open_clusters,
)
