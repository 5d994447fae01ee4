"""A bucket as an object: the logical name that functions write, the real one, what becomes of its data."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from headrace.model.metadata import Namespace, ObjectMetadata
from headrace.model.value import Value

# What both S3 and Kubernetes take as a name.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BucketName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
        min_length=3,
        max_length=63,
    ),
]


class OnBucketDelete(StrEnum):
    """What becomes of the objects in a bucket that is deleted, and of their old versions."""

    REFUSE = "refuse"  # it is not deleted while it holds any
    DELETE = "delete"  # they go with it


class BucketMetadata(ObjectMetadata):
    """What names a bucket."""

    name: BucketName = Field(description="the logical name, which functions write")
    namespace: Namespace | None = Field(default=None, description="Kubernetes namespace; none: the stack's")


class BucketSpec(Value):
    """The `spec` of a bucket."""

    name: BucketName | None = Field(default=None, description="the store's name; none: the logical one")
    on_delete: OnBucketDelete = Field(
        default=OnBucketDelete.REFUSE,
        description="`refuse` to delete it while it holds data, old versions too, or `delete` them with it",
    )
    notification_arn: str | None = Field(
        default=None,
        pattern=r"^arn:[!-~]+$",
        max_length=1024,
        description="where a given S3 store is to send its notifications; none: the platform arranges it",
    )


class Bucket(Value):
    """One bucket."""

    api_version: Literal["headrace.dev/v1alpha1"] = Field(description="the version of this format")
    kind: Literal["Bucket"] = Field(description="the kind of the object")
    metadata: BucketMetadata = Field(description="the logical name")
    spec: BucketSpec = Field(default=BucketSpec(), description="the store's name, and how it is deleted")

    @property
    def name(self) -> str:
        """The logical name."""
        return self.metadata.name

    @property
    def real_name(self) -> str:
        """The store's name."""
        return self.spec.name or self.metadata.name

    def called(self, real: str) -> "Bucket":
        """The same, of this name in the store."""
        return self.model_copy(update={"spec": self.spec.model_copy(update={"name": real})})
