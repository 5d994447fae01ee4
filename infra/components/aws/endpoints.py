"""Ways to AWS's services inside the network, so that what goes there leaves it at no point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.ec2 import SecurityGroup, SecurityGroupIngressArgs, VpcEndpoint

from infra.aws import owned
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround
from infra.aws_network_settings import Endpoint, MadeNetwork

HTTPS = 443


@dataclass(frozen=True, slots=True)
class EndpointsArgs:
    """What is configured; the VPC's id, ids of its private subnets by zone and of their route tables."""

    network: MadeNetwork
    estate: Estate
    vpc: pulumi.Output[str]
    subnets: Mapping[str, pulumi.Output[str]]
    tables: Sequence[pulumi.Output[str]]
    ground: AwsGround


class Endpoints(pulumi.ComponentResource):
    """S3's as a route, which costs nothing; the others' as addresses in the private subnets."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Endpoints", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        self._create_store()
        if args.network.endpoints:
            group = self._create_group(name)
            for each in args.network.endpoints:
                self._create(each, group)
        self.register_outputs({})

    def _create_store(self) -> None:
        VpcEndpoint(
            "endpoint-s3",
            vpc_id=self._args.vpc,
            service_name=self._service("s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=self._args.tables,
            policy=written(owned.store_endpoint(self._args.estate)),
            tags=self._tags("s3"),
            opts=self._ground.options(),
        )

    def _create_group(self, name: str) -> SecurityGroup:
        opening = SecurityGroupIngressArgs(
            description="nodes and pods",
            protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            cidr_blocks=[self._args.network.range],
        )
        return SecurityGroup(
            name,
            vpc_id=self._args.vpc,
            description="services of AWS, for whoever is in the network",
            ingress=[opening],
            egress=[],
            tags=self._tags("all"),
            opts=self._ground.options(),
        )

    def _create(self, endpoint: Endpoint, group: SecurityGroup) -> None:
        VpcEndpoint(
            f"endpoint-{endpoint.value}",
            vpc_id=self._args.vpc,
            service_name=self._service(endpoint.value),
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=[self._args.subnets[zone] for zone in self._args.network.served_zones],
            security_group_ids=[group.id],
            tags=self._tags(endpoint.value),
            opts=self._ground.options(),
        )

    def _service(self, name: str) -> str:
        return f"com.amazonaws.{self._args.estate.account.region}.{name}"

    def _tags(self, what: str) -> Mapping[str, str]:
        return {"Name": self._args.estate.account.own("endpoint", what)}
