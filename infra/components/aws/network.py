"""The network: a VPC with a private and a public subnet in each zone, or one that is there already."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws.ec2 import (
    DefaultSecurityGroup,
    Eip,
    InternetGateway,
    NatGateway,
    Route,
    RouteTable,
    RouteTableAssociation,
    Subnet,
    Vpc,
)

from infra.aws.estate import Estate
from infra.aws_ground import AwsGround
from infra.aws_network_settings import AwsNetwork, Gateways, GivenNetwork, MadeNetwork
from infra.components.aws.endpoints import Endpoints, EndpointsArgs

ANYWHERE = "0.0.0.0/0"
# By which a load balancer of Kubernetes finds its subnets:
# https://docs.aws.amazon.com/eks/latest/userguide/network-load-balancing.html
OUTSIDE, INSIDE = {"kubernetes.io/role/elb": "1"}, {"kubernetes.io/role/internal-elb": "1"}


@dataclass(frozen=True, slots=True)
class NetworkArgs:
    """What is configured, and where it is declared."""

    network: AwsNetwork
    estate: Estate
    ground: AwsGround


class Network(pulumi.ComponentResource):
    """`subnets`: ids of the private ones by zone, in the configured order."""

    subnets: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Network", name, None, opts)
        self._name, self._estate = name, args.estate
        self._ground = args.ground.under(self)
        if args.network.made is not None:
            self._create(args.network.made)
        elif args.network.given is not None:
            self._take(args.network.given)
        self.register_outputs({})

    def _take(self, given: GivenNetwork) -> None:
        self.subnets = {zone: pulumi.Output.from_input(each) for zone, each in given.subnets.items()}

    def _create(self, made: MadeNetwork) -> None:
        vpc = self._create_vpc(made)
        public = self._create_subnets(vpc, made.plan.public, "public", OUTSIDE)
        private = self._create_subnets(vpc, made.plan.private, "private", INSIDE)
        way_out = self._create_way_out(vpc, public)
        gateways = self._create_gateways(made, public, way_out)
        tables = self._create_private_tables(vpc, private, gateways)
        self.subnets = {zone: each.id for zone, each in private.items()}
        args = EndpointsArgs(made, self._estate, vpc.id, self.subnets, tables, self._ground)
        Endpoints("endpoints", args, pulumi.ResourceOptions(parent=self))

    def _create_vpc(self, made: MadeNetwork) -> Vpc:
        opts, tags = self._ground.options(), self._tags()
        vpc = Vpc(
            self._name,
            cidr_block=made.range,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=tags,
            opts=opts,
        )
        # Whatever names no security group would get this one.
        closed, tags = f"{self._name}-default", self._tags("unused")
        DefaultSecurityGroup(closed, vpc_id=vpc.id, ingress=[], egress=[], tags=tags, opts=opts)
        return vpc

    def _create_subnets(
        self, vpc: Vpc, ranges: Mapping[str, str], kind: str, tags: Mapping[str, str]
    ) -> Mapping[str, Subnet]:
        return {
            zone: Subnet(
                f"{self._name}-{kind}-{zone}",
                vpc_id=vpc.id,
                cidr_block=ranges[zone],
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags={**self._tags(kind, zone), **tags},
                opts=self._ground.options(),
            )
            for zone in ranges
        }

    def _create_way_out(self, vpc: Vpc, public: Mapping[str, Subnet]) -> InternetGateway:
        """Of the public subnets."""
        opts = self._ground.options()
        gateway = InternetGateway(self._name, vpc_id=vpc.id, tags=self._tags(), opts=opts)
        table = self._create_table(vpc, "public")
        Route(
            f"{self._name}-public",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=opts,
        )
        for zone, subnet in public.items():
            self._associate(f"public-{zone}", table, subnet)
        return gateway

    def _create_gateways(
        self, made: MadeNetwork, public: Mapping[str, Subnet], way_out: InternetGateway
    ) -> Mapping[str, NatGateway]:
        """Zone -> the way out of its private subnet; empty where there is none."""
        if made.nat_gateways is Gateways.NONE:
            return {}
        found = {zone: self._create_gateway(zone, public[zone], way_out) for zone in made.served_zones}
        return {zone: found.get(zone, found[made.zones[0]]) for zone in made.zones}

    def _create_gateway(self, zone: str, subnet: Subnet, way_out: InternetGateway) -> NatGateway:
        """AWS makes one only where there is a way out already, and keeps its address until it is gone."""
        name, opts, tags = f"{self._name}-nat-{zone}", self._ground.options(way_out), self._tags("nat", zone)
        address = Eip(name, domain="vpc", tags=tags, opts=opts)
        return NatGateway(name, allocation_id=address.id, subnet_id=subnet.id, tags=tags, opts=opts)

    def _create_private_tables(
        self, vpc: Vpc, private: Mapping[str, Subnet], gateways: Mapping[str, NatGateway]
    ) -> list[pulumi.Output[str]]:
        """One a zone, so that a zone's way out can change without the others'."""
        tables = []
        for zone, subnet in private.items():
            table = self._create_table(vpc, f"private-{zone}")
            self._associate(f"private-{zone}", table, subnet)
            if zone in gateways:
                Route(
                    f"{self._name}-private-{zone}",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    nat_gateway_id=gateways[zone].id,
                    opts=self._ground.options(),
                )
            tables.append(table.id)
        return tables

    def _create_table(self, vpc: Vpc, what: str) -> RouteTable:
        name, opts = f"{self._name}-{what}", self._ground.options()
        return RouteTable(name, vpc_id=vpc.id, tags=self._tags(what), opts=opts)

    def _associate(self, what: str, table: RouteTable, subnet: Subnet) -> None:
        name, opts = f"{self._name}-{what}", self._ground.options()
        RouteTableAssociation(name, route_table_id=table.id, subnet_id=subnet.id, opts=opts)

    def _tags(self, *what: str) -> Mapping[str, str]:
        return {"Name": self._estate.account.own(*what)}
