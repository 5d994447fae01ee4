"""What EKS itself runs on the cluster, each at one version."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws.eks import Addon, AddonPodIdentityAssociationArgs

from headrace.model.labels import POOL
from infra import versions
from infra.aws import rights
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround
from infra.components.aws.identity import RoleArgs, TrustedRole

SYSTEM_SPACE = "kube-system"
# Pods that nobody needs on a node of a pool: one of them would keep it on for ever.
_APART = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": POOL, "operator": "DoesNotExist"}]}]
        }
    }
}


@dataclass(frozen=True, slots=True)
class Part:
    """One add-on; `account` and `managed`: the service account that gets these rights of AWS's own making."""

    name: str
    values: dict[str, Any] | None = None
    account: str = ""
    managed: str = ""


# Without these no pod starts on a node.
BEFORE_NODES = (
    Part(versions.POD_IDENTITY),
    Part(versions.KUBE_PROXY),
    # Network policies are enforced by the plugin itself, on each node.
    Part(versions.VPC_CNI, {"enableNetworkPolicy": "true"}, "aws-node", "AmazonEKS_CNI_Policy"),
)
# These need a node to run on.
ON_NODES = (
    Part(versions.COREDNS, {"affinity": _APART}),
    Part(
        versions.EBS_CSI,
        {"controller": {"affinity": _APART}},
        "ebs-csi-controller-sa",
        "service-role/AmazonEBSCSIDriverPolicy",
    ),
)


@dataclass(frozen=True, slots=True)
class AddonsArgs:
    """Which add-ons of which cluster, by its name."""

    parts: Sequence[Part]
    cluster: pulumi.Output[str]
    estate: Estate
    ground: AwsGround


class Addons(pulumi.ComponentResource):
    """Some of the cluster's add-ons, with the rights that they need."""

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Addons", name, None, opts)
        self._args = args
        self._ground = args.ground.under(self, *args.ground.after)
        for part in args.parts:
            self._create(part)
        self.register_outputs({})

    def _create(self, part: Part) -> None:
        Addon(
            f"addon-{part.name}",
            addon_name=part.name,
            addon_version=versions.ADDONS[part.name],
            cluster_name=self._args.cluster,
            configuration_values=json.dumps(part.values, sort_keys=True) if part.values else None,
            pod_identity_associations=self._create_identity(part),
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=self._ground.options(),
        )

    def _create_identity(self, part: Part) -> list[AddonPodIdentityAssociationArgs] | None:
        if not part.account:
            return None
        estate = self._args.estate
        args = RoleArgs(
            name=estate.account.role_name(part.name),
            trust=written(
                rights.trusted_by_pods(estate, namespace=SYSTEM_SPACE, service_account=part.account)
            ),
            told=f"the add-on {part.name}",
            ground=self._ground,
            managed=(estate.account.managed_policy(part.managed),),
        )
        role = TrustedRole(f"role-{part.name}", args, pulumi.ResourceOptions(parent=self))
        return [AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=part.account)]
