"""What concerns a whole bucket: whether it is there, whether it keeps versions, what is in it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError, TransientError
from headrace.model.event import normalised_etag
from headrace.storage.client import PAGE, Client
from headrace.storage.listing import Page
from headrace.storage.port import ObjectInfo
from headrace.storage.road import identified

_HERE_ALREADY = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
_NO_CONSTRAINT = "us-east-1"  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html


class Buckets:
    """The control calls, by boto3."""

    def __init__(self, client: Client, region: str) -> None:
        self._client = client
        self._region = region

    async def exists(self, bucket: str) -> bool:
        """Raises ConfigurationError for a bucket of somebody else."""
        try:
            await self._client.call(bucket, lambda s3: s3.head_bucket(Bucket=bucket))
        except NotFoundError:
            return False
        return True

    async def ensure(self, bucket: str) -> None:
        """Create the bucket if it is not there. Raises ConfigurationError when the store refuses its name."""
        if await self.exists(bucket):
            return
        options: dict[str, Any] = {"Bucket": bucket}
        if self._region != _NO_CONSTRAINT:
            options["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        try:
            await self._client.call(bucket, lambda s3: _create(s3, options))
        except RejectedError as error:
            raise ConfigurationError(f"the store refuses to create the bucket {bucket!r}: {error}") from error

    async def versioned(self, bucket: str) -> bool:
        """Whether it keeps versions, or did so once."""
        try:
            state = await self._client.call(bucket, lambda s3: s3.get_bucket_versioning(Bucket=bucket))
        except RejectedError:  # a store that does not know versions
            return False
        return state.get("Status") in {"Enabled", "Suspended"}

    async def objects(self, bucket: str, prefix: str) -> AsyncIterator[ObjectInfo]:
        """The newest version of each object, as the store lists it."""
        call = "list_object_versions" if await self.versioned(bucket) else "list_objects_v2"
        following: Mapping[str, str] | None = {}
        while following is not None:
            page = await self._page(bucket, call, {"Prefix": prefix, **following})
            for entry in page.entries:
                yield ObjectInfo(
                    bucket=bucket,
                    key=entry.key,
                    etag=normalised_etag(entry.etag),
                    size=entry.size,
                    modified=entry.modified,
                    version=identified(entry.version),
                )
            following = page.following

    async def _page(self, bucket: str, call: str, options: Mapping[str, str]) -> Page:
        try:
            answer = await self._client.call(
                bucket, lambda s3: getattr(s3, call)(Bucket=bucket, EncodingType="url", **options)
            )
        except ValueError as error:
            raise TransientError(f"the listing of {bucket} came back broken: {error}") from error
        page: Page = answer[PAGE]
        return page


def _create(s3: Any, options: Mapping[str, Any]) -> None:  # noqa: ANN401  (boto3's clients have no type)
    try:
        s3.create_bucket(**options)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _HERE_ALREADY:
            raise
