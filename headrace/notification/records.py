"""What senders of S3's own shape have in common: a list of records, one an event of one object.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
How a store fills them in is a Form in its dialect's module: which events finish an object, how keys are
written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote_plus

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification.fields import (
    Document,
    etag_of,
    optional_size,
    optional_text,
    refusal,
    section,
    text,
    version_of,
)

_CREATED = "ObjectCreated:"
# The events of S3 that say that an object is there with new content:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
_FINISHED = frozenset(f"{_CREATED}{kind}" for kind in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
# MinIO counts these among ObjectCreated, but the object's content stays as it was:
# https://github.com/minio/minio/blob/master/internal/event/name.go
_UNCHANGED = frozenset(
    f"{_CREATED}{kind}" for kind in ("PutRetention", "PutLegalHold", "PutTagging", "DeleteTagging", "PutAcl")
)
# RustFS has a name for it: https://github.com/rustfs/rustfs/blob/main/crates/s3-types/src/event_name.rs
_STARTED = frozenset(f"{_CREATED}{kind}" for kind in ("CreateMultipartUpload", "InitiateMultipartUpload"))
_DELETIONS = (
    "ObjectRemoved:",
    "LifecycleExpiration:",
    "LifecycleDelMarkerExpiration:",
    "ObjectLifecycle:Expiration:",
)
_NOTHING = ("AbortMultipartUpload", "AbortMPU", "NoOP")  # among the deletions, though there was no object
MULTIPART_STARTED = "a multipart upload was started; its completion tells"

Key: TypeAlias = tuple[str, str | None]  # the key, and its raw form where either may be the true one


def url_decoded(key: str, where: str) -> Key:
    """A key of who URL-encodes it, a space as `+` or `%20`, a `/` as itself or `%2F`."""
    try:
        return unquote_plus(key, errors="strict"), None
    except UnicodeDecodeError as error:
        raise refusal(where, "key", key, "URL-encoded UTF-8") from error


def as_written(key: str, where: str) -> Key:  # noqa: ARG001  (of one signature with the others)
    """A key of who does not encode it."""
    return key, None


def either(key: str, where: str) -> Key:  # noqa: ARG001  (of one signature with the others)
    """A key of who is not known: decoded, and raw where the two differ."""
    try:
        decoded = unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return key, None
    return decoded, None if decoded == key else key


def unless_finished(kind: str, item: Document) -> str | None:  # noqa: ARG001  (of one signature)
    """Why an event is none of the four that finish an object; None when it is. `kind`: without `s3:`."""
    return None if kind in _FINISHED else _reason(kind)


def unless_created(kind: str, item: Document) -> str | None:  # noqa: ARG001  (of one signature)
    """Likewise, of who keeps S3's promise that every other ObjectCreated is a new object as well."""
    is_promised = kind.startswith(_CREATED) and kind not in _UNCHANGED and kind not in _STARTED
    return None if is_promised else _reason(kind)


def _reason(kind: str) -> str:
    if kind in _UNCHANGED:
        return "the content did not change"
    if kind in _STARTED:
        return MULTIPART_STARTED
    if kind.startswith(_DELETIONS) and not kind.endswith(_NOTHING):
        return "the object was deleted"
    return "no event that finishes an object"


def number_of_bytes(item: Document, where: str) -> int | None:
    """The object's size as S3 tells it."""
    return optional_size(item, "size", where)


@dataclass(frozen=True, slots=True)
class Form:
    """How one store fills records in.

    `why_none(kind, object)` tells why an event starts nothing, `key(written, where)` reads a key,
    `size(object, where)` the bytes; `etags` are the names that the ETag's field may have.
    """

    why_none: Callable[[str, Document], str | None] = unless_finished
    key: Callable[[str, str], Key] = url_decoded
    size: Callable[[Document, str], int | None] = number_of_bytes
    etags: tuple[str, ...] = ("eTag",)


def all_from(records: object, source: str) -> bool:
    """Whether these are records, and all of this eventSource."""
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(each, dict) and each.get("eventSource") == source for each in records)
    )


def read_records(document: Document, form: Form, *, name: str = "Records") -> Delivery:
    """Read all records, below the field `name`. Raises RejectedError when one is not as it must be."""
    records = document.get(name)
    if not isinstance(records, list) or not records:
        raise refusal("", name, records, "a list of one record or more")
    events = [_read_record(record, form, where=f"{name}[{index}]") for index, record in enumerate(records)]
    return Delivery(
        created=tuple(event for event in events if isinstance(event, FileEvent)),
        ignored=tuple(event for event in events if isinstance(event, IgnoredEvent)),
    )


def _read_record(record: object, form: Form, *, where: str) -> FileEvent | IgnoredEvent:
    if not isinstance(record, dict):
        raise RejectedError(f"{where} is no object")
    name = text(record, "eventName", where)
    optional_text(record, "eventSource", where)
    body = section(record, "s3", where)
    bucket = text(section(body, "bucket", f"{where}.s3"), "name", f"{where}.s3.bucket")
    item = section(body, "object", f"{where}.s3")
    where = f"{where}.s3.object"
    reason = form.why_none(name.removeprefix("s3:"), item)
    if reason is not None:
        written = optional_text(item, "key", where)
        return IgnoredEvent(name, bucket, None if written is None else form.key(written, where)[0], reason)
    return _created(name, bucket, item, form=form, where=where)


def _created(name: str, bucket: str, item: Document, *, form: Form, where: str) -> FileEvent | IgnoredEvent:
    key, raw_key = form.key(text(item, "key", where), where)
    if key.endswith("/"):
        return IgnoredEvent(name, bucket, key, "a folder marker")
    etags = (optional_text(item, each, where) for each in form.etags)
    return FileEvent(
        bucket,
        key,
        version=version_of(optional_text(item, "versionId", where)),
        etag=etag_of(next((each for each in etags if each is not None), None)),
        size=form.size(item, where),
        raw_key=raw_key,
    )
