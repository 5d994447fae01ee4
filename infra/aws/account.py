"""An account's region as its addresses name it: partitions, ARNs, hosts, the names of what a stack makes."""

import re
from dataclasses import dataclass

from infra import names

BUCKET_LIMIT = 63  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
ROLE_LIMIT = 64  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
_GOVCLOUD, _PUBLIC = "aws-us-gov", "aws"
_DOMAIN = "amazonaws.com"
# In China (https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html) and in the regions of
# secret services, hosts end otherwise and endpoints inside a network are called otherwise.
_ELSEWHERE = re.compile(r"cn-|[a-z]{2}-iso")


@dataclass(frozen=True, slots=True)
class Account:
    """`name`: what the names of all that the stack makes begin with."""

    id: str
    region: str
    name: str

    @property
    def is_supported(self) -> bool:
        """Whether the region's services are called as they are here."""
        return _ELSEWHERE.match(self.region) is None

    @property
    def is_in_govcloud(self) -> bool:
        """Whether the region is one of GovCloud (US)."""
        return self.region.startswith("us-gov-")

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to."""
        return _GOVCLOUD if self.is_in_govcloud else _PUBLIC

    @property
    def domain(self) -> str:
        """What hosts of the services end in."""
        return _DOMAIN

    @property
    def registry(self) -> str:
        """Where images are, as `make images REGISTRY=…` takes it."""
        return f"{self.id}.dkr.ecr.{self.region}.{self.domain}/{self.name}"

    def arn(self, service: str, resource: str) -> str:
        """Of a thing of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"

    def iam(self, resource: str) -> str:
        """Of a thing of this account that belongs to no region."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def managed_policy(self, name: str) -> str:
        """Of a policy that AWS keeps."""
        return f"arn:{self.partition}:iam::aws:policy/{name}"

    def access_policy(self, name: str) -> str:
        """Of a policy of EKS for access entries."""
        return f"arn:{self.partition}:eks::aws:cluster-access-policy/{name}"

    def bucket_arn(self, bucket: str, key: str | None = None) -> str:
        """Of a bucket by its name in the store, or of objects in it."""
        path = bucket if key is None else f"{bucket}/{key}"
        return f"arn:{self.partition}:s3:::{path}"

    def bucket_name(self, logical: str) -> str:
        """A bucket's name in the store: they are shared by all accounts of a partition."""
        return names.bounded(self.name, logical, self.id, self.region, limit=BUCKET_LIMIT)

    def role_name(self, *parts: str) -> str:
        """Roles belong to no region, so their names hold it."""
        return self.own(*parts, self.region, limit=ROLE_LIMIT)

    def own(self, *parts: str, limit: int = names.LIMIT) -> str:
        """The name of something that the stack makes."""
        return names.bounded(self.name, *parts, limit=limit)
