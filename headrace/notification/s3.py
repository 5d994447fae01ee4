"""Notifications of S3's own shape: a list of records, as AWS S3, MinIO, RustFS and Ceph RGW send it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
It comes by HTTP or as the body of an SQS message; an envelope of SNS around it is refused (sns.py).
"""

from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent, normalised_etag
from headrace.notification.fields import Document, optional_size, optional_text, refusal, section, text

TEST_EVENT = "s3:TestEvent"
_CREATED = "ObjectCreated:"
# MinIO counts these among ObjectCreated, but the object's content stays as it was:
# https://github.com/minio/minio/blob/master/internal/event/name.go
_UNCHANGED = frozenset(
    f"{_CREATED}{kind}" for kind in ("PutRetention", "PutLegalHold", "PutTagging", "DeleteTagging")
)
NO_VERSION = "null"  # the version id of an object that was put while versioning was off


def _encoded(key: str, where: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise refusal(where, "key", key, "URL-encoded UTF-8") from error


def _plain(key: str, where: str) -> str:  # noqa: ARG001  (one signature for the table)
    return key


# How each known sender writes a key. AWS leaves "/" as it is, MinIO and RustFS encode it too; Ceph RGW
# writes the key as it is: https://github.com/ceph/ceph/blob/main/src/rgw/rgw_pubsub.cc
_KEYS: Mapping[str, Callable[[str, str], str]] = {
    "aws:s3": _encoded,
    "minio:s3": _encoded,
    "rustfs:s3": _encoded,
    "ceph:s3": _plain,
}


def recognises(document: Document) -> bool:
    """Whether this has the shape of S3's notifications, the one of a new configuration's test included."""
    return "Records" in document or document.get("Event") == TEST_EVENT


def read(document: Document) -> Delivery:
    """Read all records. Raises RejectedError when one of them is not as it must be."""
    if "Records" not in document:
        bucket = optional_text(document, "Bucket", "")
        return Delivery(ignored=(IgnoredEvent(TEST_EVENT, bucket, None, "a test of the notification"),))
    records = document["Records"]
    if not isinstance(records, list) or not records:
        raise refusal("", "Records", records, "a list of one record or more")
    events = [_read_record(record, f"Records[{index}]") for index, record in enumerate(records)]
    return Delivery(
        created=tuple(event for event in events if isinstance(event, FileEvent)),
        ignored=tuple(event for event in events if isinstance(event, IgnoredEvent)),
    )


def _read_record(record: object, where: str) -> FileEvent | IgnoredEvent:
    if not isinstance(record, dict):
        raise RejectedError(f"{where} is no object")
    name = text(record, "eventName", where)
    body = section(record, "s3", where)
    bucket = text(section(body, "bucket", f"{where}.s3"), "name", f"{where}.s3.bucket")
    item = section(body, "object", f"{where}.s3")
    source = optional_text(record, "eventSource", where)
    return _read_object(name, bucket, item, source=source, where=f"{where}.s3.object")


def _read_object(
    name: str, bucket: str, item: Document, *, source: str | None, where: str
) -> FileEvent | IgnoredEvent:
    kind = name.removeprefix("s3:")
    if not kind.startswith(_CREATED) or kind in _UNCHANGED:
        return IgnoredEvent(name, bucket, _shown_key(item, source, where), _reason(kind))
    key, raw_key = _read_key(text(item, "key", where), source, where)
    if key.endswith("/"):
        return IgnoredEvent(name, bucket, key, "a folder marker")
    etag = optional_text(item, "eTag", where)
    version = optional_text(item, "versionId", where)
    return FileEvent(
        bucket,
        key,
        version=None if version == NO_VERSION else version,
        etag=None if etag is None else normalised_etag(etag) or None,
        size=optional_size(item, "size", where),
        raw_key=raw_key,
    )


def _reason(kind: str) -> str:
    if kind in _UNCHANGED:
        return "the content did not change"
    if kind.startswith("ObjectRemoved:"):
        return "the object was deleted"
    return "no event that finishes an object"


def _read_key(key: str, source: str | None, where: str) -> tuple[str, str | None]:
    """The key, and its raw form where the sender is unknown, so that it might be the raw one."""
    known = _KEYS.get(source or "")
    if known is not None:
        return known(key, where), None
    try:
        decoded = unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return key, None
    return decoded, None if decoded == key else key


def _shown_key(item: Document, source: str | None, where: str) -> str | None:
    key = optional_text(item, "key", where)
    return None if key is None else _read_key(key, source, where)[0]
