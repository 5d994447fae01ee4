"""What concerns a whole bucket: its coming and going, whether it keeps versions, what is in it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError, TransientError
from headrace.model.event import normalised_etag
from headrace.storage.client import PAGE, Client
from headrace.storage.faults import not_empty
from headrace.storage.listing import Page
from headrace.storage.port import ObjectInfo, Version
from headrace.storage.road import identified

_HERE_ALREADY = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
_NOT_EMPTY = "BucketNotEmpty"
AT_ONCE = 8  # versions deleted; boto3 keeps ten connections
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

    async def ensure(self, bucket: str) -> bool:
        """Create the bucket if it is not there; whether that was done.

        Raises ConfigurationError when the store refuses its name.
        """
        if await self.exists(bucket):
            return False
        options: dict[str, Any] = {"Bucket": bucket}
        if self._region != _NO_CONSTRAINT:
            options["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        try:
            return await self._client.call(bucket, lambda s3: _create(s3, options))
        except RejectedError as error:
            raise ConfigurationError(f"the store refuses to create the bucket {bucket!r}: {error}") from error

    async def remove(self, bucket: str) -> None:
        """Delete the bucket if nothing is in it; quiet when it is not there. Raises ChangedError."""
        try:
            found = await anext(self.kept(bucket, ""), None)
            if found is not None:
                raise not_empty(bucket, f"found {found.key!r} in it")
            await self._client.call(bucket, lambda s3: _delete(s3, bucket))
        except NotFoundError:
            return

    async def versioned(self, bucket: str) -> bool:
        """Whether it keeps versions, or did so once."""
        try:
            state = await self._client.call(bucket, lambda s3: s3.get_bucket_versioning(Bucket=bucket))
        except RejectedError:  # a store that does not know versions
            return False
        return state.get("Status") in {"Enabled", "Suspended"}

    async def objects(self, bucket: str, prefix: str) -> AsyncIterator[ObjectInfo]:
        """The newest version of each object, as the store lists it; without ids for who may not ask for them.

        A tenant's worker may list its part of a bucket, and ask nothing about the bucket as a whole.
        """
        try:
            versioned = await self.versioned(bucket)
        except ConfigurationError:
            versioned = False
        async for page in self._pages(bucket, prefix, versioned=versioned):
            for entry in page.entries:
                yield ObjectInfo(
                    bucket=bucket,
                    key=entry.key,
                    etag=normalised_etag(entry.etag),
                    size=entry.size,
                    modified=entry.modified,
                    version=identified(entry.version),
                )

    async def kept(self, bucket: str, prefix: str) -> AsyncIterator[Version]:
        """Every version and mark of deletion, as the store lists it."""
        async for page in self._pages(bucket, prefix, versioned=await self.versioned(bucket)):
            for entry in page.entries:
                yield Version(entry.key, entry.version, is_object=True)
            for old in page.old:
                yield Version(old.key, old.version, is_object=False)

    async def delete(self, bucket: str, versions: Sequence[Version]) -> None:
        """Delete versions and marks, all of which have an id."""
        for start in range(0, len(versions), AT_ONCE):
            chunk = versions[start : start + AT_ONCE]
            await asyncio.gather(*(self._delete(bucket, version) for version in chunk))

    async def _delete(self, bucket: str, version: Version) -> None:
        wish = {"Bucket": bucket, "Key": version.key, "VersionId": version.id}
        await self._client.call(f"s3://{bucket}/{version.key}", lambda s3: s3.delete_object(**wish))

    async def _pages(self, bucket: str, prefix: str, *, versioned: bool) -> AsyncIterator[Page]:
        call = "list_object_versions" if versioned else "list_objects_v2"
        following: Mapping[str, str] | None = {}
        while following is not None:
            page = await self._page(bucket, call, {"Prefix": prefix, **following})
            yield page
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


def _create(s3: Any, options: Mapping[str, Any]) -> bool:  # noqa: ANN401  (boto3's clients have no type)
    """Whether it was created. One that was there already may be this call's own, if it was sent twice."""
    try:
        s3.create_bucket(**options)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _HERE_ALREADY:
            raise
        return bool(error.response["ResponseMetadata"].get("RetryAttempts"))
    return True


def _delete(s3: Any, bucket: str) -> None:  # noqa: ANN401  (as above)
    try:
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != _NOT_EMPTY:
            raise
        raise not_empty(bucket, str(error)) from error
