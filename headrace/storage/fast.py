"""The fast road: obstore, for every key that it can name."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from headrace.model.errors import HeadraceError
from headrace.model.event import normalised_etag
from headrace.model.settings import StorageSettings
from headrace.storage.credentials import provider_of
from headrace.storage.endpoint import CONNECT_SECONDS, COPY_SECONDS, READ_SECONDS, RETRIES, loopback_host
from headrace.storage.faults import fault, no_credentials
from headrace.storage.landing import landing
from headrace.storage.port import HEADERS, ObjectInfo
from headrace.storage.road import identified

if TYPE_CHECKING:  # obstore has these for type checkers only
    from obstore import GetOptions, GetResult
    from obstore.store import ClientConfig

RETRY_SECONDS = 5  # no retry begins later than this after the first try
PART_BYTES = 8 * 2**20
PARTS_AT_ONCE = 4
MAX_PARTS = 10_000  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
# obstore's names of what are no user metadata, as it spells them.
_NO_METADATA = frozenset({*HEADERS, "Storage-Class"})
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (FileNotFoundError, 404),  # what obstore raises is Python's own
    (PreconditionError, 412),
    (PermissionDeniedError, 403),
    (UnauthenticatedError, 401),
    (AlreadyExistsError, 409),
)
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_FOREIGN_METADATA = "contained non UTF-8 characters"
# obstore tells what provider_of's callable raised as if the store had refused.
_OWN_CREDENTIALS = "External AWS credential provider"
_NO_CREDENTIALS = "NoCredentialsError"


class UnreadableMetadataError(Exception):
    """The object carries metadata that obstore can't read, so that it can't read the object either."""


class FastRoad:
    """Objects by obstore, by clients that are kept: one for a bucket, one more for what is copied from it."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._credentials = provider_of(settings)
        self._stores: dict[str, S3Store] = {}
        self._roots: dict[str, S3Store] = {}

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        with _translated(bucket, key):
            result = await obstore.get_async(self._store(bucket), key, options={"head": True})
        return _info(bucket, key, result)

    async def read(self, bucket: str, key: str) -> bytes:
        with _translated(bucket, key):
            result = await obstore.get_async(self._store(bucket), key)
            return bytes(await result.bytes_async())

    async def download(
        self, bucket: str, key: str, path: Path, *, version: str | None, etag: str
    ) -> ObjectInfo:
        options: GetOptions = {"version": version} if version else {"if_match": f'"{etag}"'}
        with _translated(bucket, key):
            result = await obstore.get_async(self._store(bucket), key, options=options)
            if result.meta["size"] <= PART_BYTES:
                _write(path, bytes(await result.bytes_async()))
            else:
                with landing(path) as file:
                    async for chunk in result.stream(min_chunk_size=PART_BYTES):
                        await asyncio.to_thread(file.write, chunk)
        return _info(bucket, key, result)

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str:
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        if isinstance(body, Path) and size <= PART_BYTES:
            body = body.read_bytes()
        with _translated(bucket, key):
            answer = await obstore.put_async(
                self._store(bucket),
                key,
                body,
                attributes={**metadata, **headers},
                use_multipart=isinstance(body, Path),
                chunk_size=max(PART_BYTES, -(-size // MAX_PARTS)),
                max_concurrency=PARTS_AT_ONCE,
            )
        return normalised_etag(answer["e_tag"] or "")

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        with _translated(bucket, key):
            try:
                await obstore.put_async(self._store(bucket), key, body, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    async def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        with _translated(*source):
            await obstore.copy_async(self._root(source[0]), source[1], "/".join(target))

    async def delete(self, bucket: str, keys: Sequence[str]) -> None:
        with _translated(bucket, keys[0] if len(keys) == 1 else f"({len(keys)} objects)"):
            await obstore.delete_async(self._store(bucket), keys)

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            address = f"{self._settings.address}/{bucket}"
            self._stores[bucket] = self._connect(bucket, address=address, read_seconds=READ_SECONDS)
        return self._stores[bucket]

    def _root(self, bucket: str) -> S3Store:
        """A client whose paths begin with a bucket: obstore copies only within one client.

        Its own bucket is that of the sources.
        """
        if bucket not in self._roots:
            self._roots[bucket] = self._connect(
                bucket, address=self._settings.address, read_seconds=COPY_SECONDS
            )
        return self._roots[bucket]

    def _connect(self, bucket: str, *, address: str, read_seconds: float) -> S3Store:
        """A client for a bucket whose requests go to `address`/<path>, whatever AWS_* variables say."""
        return S3Store(
            bucket,
            endpoint=address,
            aws_endpoint_url_s3=address,  # the variable of this name would win over `endpoint`
            virtual_hosted_style_request=True,  # obstore's word for: the address names the bucket, if any
            region=self._settings.region,
            skip_signature=False,
            disable_bulk_delete=True,  # single requests, ten at once, are as fast and known to every store
            credential_provider=self._credentials,
            client_options=_client_options(self._settings.address, read_seconds),
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                "backoff": {"max_backoff": timedelta(seconds=1)},
            },
        )


def _client_options(endpoint: str, read_seconds: float) -> "ClientConfig":
    options: ClientConfig = {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=read_seconds),
        "timeout": timedelta(days=1),  # of a whole transfer; a stalled one ends after read_timeout
    }
    host = loopback_host(endpoint)
    if host:
        # A proxy named here replaces those of the environment, and is then told to leave the host alone.
        options["proxy_url"] = endpoint
        options["proxy_excludes"] = host
    return options


@contextmanager
def _translated(bucket: str, key: str) -> Iterator[None]:
    what = f"s3://{bucket}/{key}"
    try:
        yield
    except FileNotFoundError as error:
        if error.errno is not None:  # a local folder; obstore's own have no number
            raise
        raise _fault(what, error) from error
    except BaseError as error:
        if _FOREIGN_METADATA in str(error):
            raise UnreadableMetadataError(what) from error
        raise _fault(what, error) from error


def _fault(what: str, error: Exception) -> HeadraceError:
    text = str(error)
    if _OWN_CREDENTIALS in text and _NO_CREDENTIALS in text:
        return no_credentials(what, text.strip().partition("\n")[0])
    code = _CODE.search(text)
    return fault(what, status=_status(error, text), code=code[1] if code else "", detail=text)


def _status(error: Exception, text: str) -> int | None:
    if _OWN_CREDENTIALS in text:
        return None  # who gives them did not answer
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def _info(bucket: str, key: str, result: "GetResult") -> ObjectInfo:
    meta = result.meta
    return ObjectInfo(
        bucket=bucket,
        key=key,
        etag=normalised_etag(meta["e_tag"] or ""),
        size=meta["size"],
        modified=meta["last_modified"].timestamp(),
        version=identified(meta["version"]),
        metadata={name: value for name, value in result.attributes.items() if name not in _NO_METADATA},
        headers={name: value for name, value in result.attributes.items() if name in HEADERS},
    )


def _write(path: Path, content: bytes) -> None:
    with landing(path) as file:
        file.write(content)
