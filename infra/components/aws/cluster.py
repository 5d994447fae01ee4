"""The EKS cluster: its control plane, and who may do what there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.cloudwatch import LogGroup
from pulumi_aws.eks import AccessEntry, AccessPolicyAssociation
from pulumi_aws.eks import Cluster as EksCluster

from infra import kubeconfig, versions
from infra.aws import rights
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround
from infra.aws_network_settings import LEAST_ZONES
from infra.aws_settings import AwsCluster, Protection
from infra.components.aws.identity import RoleArgs, TrustedRole

ADMINISTRATOR, VIEWER = "AmazonEKSClusterAdminPolicy", "AmazonEKSViewPolicy"


@dataclass(frozen=True, slots=True)
class ClusterArgs:
    """What is configured; ids of the private subnets by zone; the key of secrets and logs."""

    cluster: AwsCluster
    estate: Estate
    subnets: Mapping[str, pulumi.Output[str]]
    key: pulumi.Output[str]
    ground: AwsGround


class Cluster(pulumi.ComponentResource):
    """`kubeconfig`: of whoever has credentials of an administrator of it."""

    name: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]  # secret

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Cluster", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        made = self._create(self._create_logs(), self._create_role())
        self.name = made.name
        self._create_access(args.cluster.administrators, "administrator", ADMINISTRATOR)
        self._create_access(args.cluster.viewers, "viewer", VIEWER)
        region = args.estate.account.region
        found = pulumi.Output.all(made.name, made.endpoint, made.certificate_authority)
        self.kubeconfig = pulumi.Output.secret(
            found.apply(lambda known: kubeconfig.of_eks(region, known[0], known[1], known[2]["data"]))
        )
        self.register_outputs({"name": self.name})

    def _create_logs(self) -> LogGroup:
        """EKS would make it by itself, for ever and in plain text."""
        return LogGroup(
            "cluster",
            name=log_group(self._args.estate),
            retention_in_days=self._args.cluster.log_days,
            kms_key_id=self._args.key,
            opts=self._ground.options(),
        )

    def _create_role(self) -> TrustedRole:
        account = self._args.estate.account
        args = RoleArgs(
            name=account.role_name("cluster"),
            trust=written(rights.trusted_by("eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession"))),
            told="the control plane",
            ground=self._ground,
            managed=(account.managed_policy("AmazonEKSClusterPolicy"),),
        )
        return TrustedRole("role-cluster", args, pulumi.ResourceOptions(parent=self))

    def _create(self, logs: LogGroup, role: TrustedRole) -> EksCluster:
        args, settings = self._args, self._args.cluster
        # What a cluster begins with it keeps: others could never be added later.
        subnets = [args.subnets[zone] for zone in list(args.subnets)[:LEAST_ZONES]]
        return EksCluster(
            "cluster",
            name=args.estate.cluster,
            version=versions.EKS,
            role_arn=role.arn,
            bootstrap_self_managed_addons=False,
            access_config={
                "authentication_mode": "API",
                "bootstrap_cluster_creator_admin_permissions": False,
            },
            vpc_config={
                "subnet_ids": subnets,
                "endpoint_private_access": True,
                "endpoint_public_access": bool(settings.clients),
                "public_access_cidrs": list(settings.clients),
            },
            encryption_config={"provider": {"key_arn": args.key}, "resources": ["secrets"]},
            enabled_cluster_log_types=[each.value for each in settings.logs],
            upgrade_policy={"support_type": "STANDARD"},  # past that an hour costs six times as much
            deletion_protection=args.ground.protection is Protection.PROTECT,
            opts=self._ground.guarded(logs),
        )

    def _create_access(self, principals: Sequence[str], kind: str, policy: str) -> None:
        for principal in principals:
            name = f"{kind}-{principal.rpartition(':')[2]}"
            entry = AccessEntry(
                name, cluster_name=self.name, principal_arn=principal, opts=self._ground.options()
            )
            AccessPolicyAssociation(
                name,
                cluster_name=self.name,
                principal_arn=entry.principal_arn,
                policy_arn=self._args.estate.account.access_policy(policy),
                access_scope={"type": "cluster"},
                opts=self._ground.options(),
            )


def log_group(estate: Estate) -> str:
    """Where EKS writes the control plane's logs: https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html"""
    return f"/aws/eks/{estate.cluster}/cluster"
