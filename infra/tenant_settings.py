"""What a person configures of a tenant: what it may take, its buckets, and how its pods are confined."""

from collections.abc import Mapping

from pydantic import Field

from headrace.model.bucket import BucketName
from headrace.model.function import Profile
from headrace.model.tenant import Tenant, Terms
from infra.store_settings import BucketSettings


class TenantSettings(Terms):
    """A tenant, which is called as its namespace is."""

    buckets: Mapping[BucketName, BucketSettings] = Field(
        default_factory=dict,
        description="every bucket that its functions may name, by logical name; other tenants may have one "
        "of the same name",
    )
    security: Profile | None = Field(
        default=None,
        description="the pod security standard that its namespace enforces; none: as `functionsSecurity`",
    )

    def called(self, name: str, buckets: Mapping[str, str]) -> Tenant:
        """As services know it; `buckets`: logical name -> name in the store."""
        return Tenant(
            name=name,
            quota=self.quota,
            weight=self.weight,
            priority=self.priority,
            images=self.images,
            buckets=buckets,
        )
