"""Where images are: a repository each, in which a tag never changes its image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.ecr import LifecyclePolicy, Repository

from infra.aws.account import Account
from infra.aws_ground import AwsGround
from infra.aws_settings import Protection

UNTAGGED_DAYS = 14


@dataclass(frozen=True, slots=True)
class RegistryArgs:
    """Which repositories, how many images each keeps, the key of images."""

    account: Account
    repositories: Sequence[str]
    kept: int
    key: pulumi.Output[str]
    ground: AwsGround


class Registry(pulumi.ComponentResource):
    """Repositories below one name, as `make images REGISTRY=…` expects them."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Registry", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        for repository in args.repositories:
            self._create(repository)
        self.register_outputs({})

    def _create(self, repository: str) -> None:
        name = f"image-{repository}"
        made = Repository(
            name,
            name=f"{self._args.account.name}/{repository}",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": self._args.key}],
            force_delete=self._ground.protection is Protection.NONE,  # AWS deletes none that has images
            opts=self._ground.keeping(),
        )
        policy = lifecycle(self._args.kept)
        LifecyclePolicy(name, repository=made.name, policy=policy, opts=self._ground.options())


def lifecycle(kept: int) -> str:
    """What goes by itself. https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html"""
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    beyond = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": kept}
    rules = [("images that lost their tag", untagged), ("images beyond the newest", beyond)]
    return json.dumps(
        {
            "rules": [
                {
                    "rulePriority": priority,
                    "description": told,
                    "selection": chosen,
                    "action": {"type": "expire"},
                }
                for priority, (told, chosen) in enumerate(rules, 1)
            ]
        }
    )
