"""The boto3 client: made late, called in threads, its errors told in our words."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from headrace.model.errors import RejectedError
from headrace.model.settings import StorageSettings
from headrace.storage.endpoint import CONNECT_SECONDS, READ_SECONDS, RETRIES, loopback_host
from headrace.storage.faults import fault
from headrace.storage.listing import parse_page

PAGE = "HeadracePage"  # where a listing's answer carries the Page; no name of S3
T = TypeVar("T")


class Client:
    """One boto3 client, made at the first call: that takes 0.1 s, which many processes never need."""

    def __init__(self, settings: StorageSettings, *, read_seconds: float = READ_SECONDS) -> None:
        self._settings = settings
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._made: Any = None  # boto3 builds its clients' classes at run time

    async def call(self, what: str, operation: Callable[[Any], T]) -> T:
        """Run `operation` on the client in a thread; `what` names the object in errors."""
        return await asyncio.to_thread(self.call_now, what, operation)

    def call_now(self, what: str, operation: Callable[[Any], T]) -> T:
        """Run `operation` on the client in this thread."""
        with self._lock:
            if self._made is None:
                self._made = _connect(self._settings, self._read_seconds)
        with _translated(what):
            return operation(self._made)

    async def close(self) -> None:
        """Give connections back."""
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None


def _connect(settings: StorageSettings, read_seconds: float) -> Any:  # noqa: ANN401  (boto3's clients have no type)
    client = boto3.session.Session().client(  # type: ignore[no-untyped-call]  # boto3 has no types
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        aws_session_token=settings.session_token or None,
        config=Config(  # type: ignore[no-untyped-call]  # as above
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": RETRIES + 1},
            proxies={} if loopback_host(settings.endpoint) else None,
            # Stores other than AWS do not all know the checksums that boto3 adds by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    for operation in ("ListObjectsV2", "ListObjectVersions"):
        client.meta.events.register(f"before-parse.s3.{operation}", _parse_faster)
    return client


def _parse_faster(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Take a listing away from botocore's parser, and hand its Page over in the answer."""
    if response_dict["status_code"] == 200:
        customized_response_dict[PAGE] = parse_page(response_dict["body"])
        response_dict["body"] = b""


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        raise fault(what, status=status, code=str(found.get("Code", "")), detail=str(error)) from error
    except (ParamValidationError, UnicodeEncodeError) as error:
        raise RejectedError(f"{what!r} can't be sent to a store: {error}") from error
    except BotoCoreError as error:
        raise fault(what, status=None, code="", detail=str(error)) from error
