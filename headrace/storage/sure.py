"""The sure road: boto3 in threads, for what the fast road can't name or read. Slower, but takes any key."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from headrace.model.errors import ChangedError
from headrace.model.event import normalised_etag
from headrace.storage.client import Client
from headrace.storage.landing import landing
from headrace.storage.port import HEADERS, ObjectInfo
from headrace.storage.road import identified

COPY_BYTES = 2**20


class SureRoad:
    """Objects by boto3. A file is put in one request, of which AWS takes 5 GiB."""

    def __init__(self, client: Client, copier: Client) -> None:
        self._client = client
        self._copier = copier

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        answer = await self._client.call(
            _name(bucket, key), lambda s3: s3.head_object(Bucket=bucket, Key=key)
        )
        return _info(bucket, key, answer)

    async def read(self, bucket: str, key: str) -> bytes:
        def operation(s3: Any) -> bytes:  # noqa: ANN401  (boto3's clients have no type)
            with closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
                content: bytes = body.read()
                return content

        return await self._client.call(_name(bucket, key), operation)

    async def download(
        self, bucket: str, key: str, path: Path, *, version: str | None, etag: str
    ) -> ObjectInfo:
        condition = {"VersionId": version} if version else {"IfMatch": f'"{etag}"'}

        def operation(s3: Any) -> ObjectInfo:  # noqa: ANN401  (as above)
            answer = s3.get_object(Bucket=bucket, Key=key, **condition)
            with closing(answer["Body"]) as body, landing(path) as file:
                shutil.copyfileobj(body, file, COPY_BYTES)
            return _info(bucket, key, answer)

        return await self._client.call(_name(bucket, key), operation)

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str:
        options: dict[str, Any] = {"Bucket": bucket, "Key": key, "Metadata": dict(metadata)}
        options.update({_spelt(name): value for name, value in headers.items()})

        def operation(s3: Any) -> str:  # noqa: ANN401  (as above)
            if isinstance(body, bytes):
                return str(s3.put_object(Body=body, **options)["ETag"])
            with body.open("rb") as file:
                return str(s3.put_object(Body=file, **options)["ETag"])

        return normalised_etag(await self._client.call(_name(bucket, key), operation))

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        try:
            await self._client.call(
                _name(bucket, key),
                lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*"),
            )
        except ChangedError:
            return False
        return True

    async def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        origin = {"Bucket": source[0], "Key": source[1]}
        await self._copier.call(
            _name(*source), lambda s3: s3.copy_object(Bucket=target[0], Key=target[1], CopySource=origin)
        )

    async def delete(self, bucket: str, keys: Sequence[str]) -> None:
        for key in keys:
            delete = partial(_delete, bucket=bucket, key=key)
            await self._client.call(_name(bucket, key), delete)


def _delete(s3: Any, *, bucket: str, key: str) -> None:  # noqa: ANN401  (as above)
    s3.delete_object(Bucket=bucket, Key=key)


def _name(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"


def _info(bucket: str, key: str, answer: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(
        bucket=bucket,
        key=key,
        etag=normalised_etag(answer["ETag"]),
        size=answer["ContentLength"],
        modified=answer["LastModified"].timestamp(),
        version=identified(answer.get("VersionId")),
        metadata={name.lower(): value for name, value in answer["Metadata"].items()},
        headers={name: str(answer[_spelt(name)]) for name in HEADERS if _spelt(name) in answer},
    )


def _spelt(header: str) -> str:
    """A header as boto3 spells it."""
    return header.replace("-", "")
