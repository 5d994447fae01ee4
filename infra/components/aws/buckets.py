"""The buckets, the platform's own and those that functions name: encrypted, with versions, closed.

A bucket that is left in the account keeps all of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws.s3 import (
    Bucket,
    BucketLifecycleConfiguration,
    BucketLifecycleConfigurationRuleArgsDict,
    BucketNotification,
    BucketOwnershipControls,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketServerSideEncryptionConfiguration,
    BucketVersioning,
)

from headrace.model.keys import STAGING
from infra.aws import owned
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround

UPLOAD_DAYS = 2  # an upload in parts that nobody ends
STAGED_DAYS = 14  # far longer than any attempt; workers sweep their own within minutes
OLD_DAYS = 30  # of the platform's own bucket: versions and marks of what was deleted


@dataclass(frozen=True, slots=True)
class BucketsArgs:
    """The estate, the key of objects; `emptied`: whether a bucket that goes takes its data along."""

    estate: Estate
    key: pulumi.Output[str]
    emptied: bool
    ground: AwsGround


class Buckets(pulumi.ComponentResource):
    """`names`: names in the store by logical name, once the buckets are there."""

    names: Mapping[str, pulumi.Output[str]]
    platform: pulumi.Output[str]

    def __init__(self, name: str, args: BucketsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Buckets", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        estate = args.estate
        own = self._create("platform", estate.platform_bucket, [*_uploads(), *_leftovers()])
        self.platform = own.bucket
        self.names = {
            logical: self._create_function_bucket(logical, real).bucket
            for logical, real in sorted(estate.buckets.items())
        }
        self.register_outputs({"platform": self.platform})

    def _create_function_bucket(self, logical: str, real: str) -> Bucket:
        bucket = self._create(f"bucket-{logical}", real, _uploads())
        BucketNotification(
            f"bucket-{logical}", bucket=bucket.id, eventbridge=True, opts=self._ground.keeping()
        )
        return bucket

    def _create(self, name: str, real: str, rules: list[BucketLifecycleConfigurationRuleArgsDict]) -> Bucket:
        emptied, keeping = self._args.emptied, self._ground.keeping()
        bucket = Bucket(name, bucket=real, force_destroy=emptied, opts=keeping)
        self._close(name, bucket)
        self._encrypt(name, bucket)
        opts = self._ground.keeping()
        versions = BucketVersioning(
            name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=opts
        )
        BucketLifecycleConfiguration(name, bucket=bucket.id, rules=rules, opts=self._ground.keeping(versions))
        return bucket

    def _close(self, name: str, bucket: Bucket) -> None:
        opts = self._ground.keeping()
        block = BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=opts,
        )
        BucketOwnershipControls(
            name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
        )
        policy = bucket.arn.apply(lambda arn: written(owned.bucket(arn)))
        # S3 takes one change of a bucket's access at a time.
        BucketPolicy(name, bucket=bucket.id, policy=policy, opts=self._ground.keeping(block))

    def _encrypt(self, name: str, bucket: Bucket) -> None:
        """By a key of the bucket, which the stack's own key makes: it is asked less often, and costs less."""
        BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": self._args.key,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=self._ground.keeping(),
        )


def _uploads() -> list[BucketLifecycleConfigurationRuleArgsDict]:
    return [
        {
            "id": "uploads-that-nobody-ends",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": UPLOAD_DAYS},
        }
    ]


def _leftovers() -> list[BucketLifecycleConfigurationRuleArgsDict]:
    """Of the platform's bucket. Records stay: only what was deleted goes for good."""
    return [
        {
            "id": "staging",
            "status": "Enabled",
            "filter": {"prefix": f"{STAGING}/"},
            "expiration": {"days": STAGED_DAYS},
            "noncurrent_version_expiration": {"noncurrent_days": 1},
        },
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "expiration": {"expired_object_delete_marker": True},
            "noncurrent_version_expiration": {"noncurrent_days": OLD_DAYS},
        },
    ]
