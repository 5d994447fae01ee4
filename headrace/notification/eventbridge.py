"""Events of S3 as Amazon EventBridge passes them on: one event, one object.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
Unlike in S3's own notifications the key is written as it is, not URL-encoded. AWS's documentation does not
say so; who tried it does: https://github.com/aws-solutions-library-samples/guidance-for-medialake-on-aws/pull/21
"""

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

_SOURCE = "aws.s3"
_CREATED = "Object Created"
_DELETED = "Object Deleted"
_TRAIL = "AWS API Call via CloudTrail"


def recognises(document: Document) -> bool:
    """Whether this has the shape of EventBridge's events, whichever service sent it."""
    return "detail-type" in document and "source" in document


def read(document: Document) -> Delivery:
    """Read one event. Raises RejectedError when it is not as it must be, or not of S3 itself."""
    kind, source = text(document, "detail-type", ""), text(document, "source", "")
    if kind == _TRAIL:
        raise RejectedError(
            f"detail-type is {kind!r}: what CloudTrail saw, no event of S3; switch EventBridge on for the "
            "bucket, and let the rule match source aws.s3 and detail-type 'Object Created'"
        )
    if source != _SOURCE:
        raise refusal("", "source", source, f"{_SOURCE!r}")
    detail = section(document, "detail", "")
    bucket = text(section(detail, "bucket", "detail"), "name", "detail.bucket")
    return _read_object(kind, bucket, section(detail, "object", "detail"))


def _read_object(kind: str, bucket: str, item: Document) -> Delivery:
    where = "detail.object"
    key = text(item, "key", where)
    if kind != _CREATED:
        reason = "the object was deleted" if kind == _DELETED else "no event that finishes an object"
        return _ignored(kind, bucket, key, reason)
    if key.endswith("/"):
        return _ignored(kind, bucket, key, "a folder marker")
    event = FileEvent(
        bucket,
        key,
        version=version_of(optional_text(item, "version-id", where)),
        etag=etag_of(optional_text(item, "etag", where)),
        size=optional_size(item, "size", where),
    )
    return Delivery(created=(event,))


def _ignored(kind: str, bucket: str, key: str, reason: str) -> Delivery:
    return Delivery(ignored=(IgnoredEvent(kind, bucket, key, reason),))
