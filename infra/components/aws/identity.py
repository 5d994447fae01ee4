"""A role of IAM, and who takes it: a service of AWS, or pods by their service account."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.eks import PodIdentityAssociation
from pulumi_aws.iam import Role, RolePolicy, RolePolicyAttachment

from infra.aws_ground import AwsGround


@dataclass(frozen=True, slots=True)
class RoleArgs:
    """`trust` and `own`: documents as text; `managed`: ARNs of AWS's own policies."""

    name: pulumi.Input[str]
    trust: pulumi.Input[str]
    told: str
    ground: AwsGround
    managed: Sequence[str] = ()
    own: pulumi.Input[str] | None = None


class TrustedRole(pulumi.ComponentResource):
    """A role with its rights."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: RoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Role", name, None, opts)
        ground = args.ground.under(self, *args.ground.after)
        role = Role(
            name,
            name=args.name,
            description=args.told,
            assume_role_policy=args.trust,
            opts=ground.options(),
        )
        rights: list[pulumi.Resource] = [
            RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=policy,
                opts=ground.options(),
            )
            for policy in args.managed
        ]
        if args.own is not None:
            rights.append(RolePolicy(name, role=role.name, policy=args.own, opts=ground.options()))
        # Whoever is given the role finds its rights there.
        self.arn = pulumi.Output.all(role.arn, *(each.urn for each in rights)).apply(
            lambda known: str(known[0])
        )
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True, slots=True)
class PodsArgs:
    """Which pods: of a service account in a namespace; the role's ARN and the cluster's name."""

    cluster: pulumi.Input[str]
    namespace: pulumi.Input[str]
    service_account: str
    role: pulumi.Output[str]
    ground: AwsGround


def associate(name: str, args: PodsArgs) -> PodIdentityAssociation:
    """Give pods a role. They have it from their start: a pod that runs already is told nothing."""
    return PodIdentityAssociation(
        name,
        cluster_name=args.cluster,
        namespace=args.namespace,
        service_account=args.service_account,
        role_arn=args.role,
        opts=args.ground.options(),
    )
