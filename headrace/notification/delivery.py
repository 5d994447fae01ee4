"""A notification's body, whoever sent it: which dialect it is, and what it says.

A new dialect is one module with `recognises` and `read`, and one line in DIALECTS. A delivery is read
whole or refused whole: one bad record would otherwise be lost in silence among good ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery
from headrace.notification import aws, ceph, eventbridge, minio, rustfs, s3, seaweedfs, sns
from headrace.notification.fields import Document


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of senders writes: `recognises` looks at the shape alone, `read` is strict."""

    name: str
    recognises: Callable[[Document], bool]
    read: Callable[[Document], Delivery]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says, and in which dialect, as people are told."""

    dialect: str
    delivery: Delivery


# Asked in this order; the more special shape comes first.
DIALECTS = (
    Dialect("SeaweedFS", seaweedfs.recognises, seaweedfs.read),
    Dialect("EventBridge", eventbridge.recognises, eventbridge.read),
    Dialect("AWS S3", aws.recognises, aws.read),
    Dialect("MinIO", minio.recognises, minio.read),
    Dialect("Ceph RGW", ceph.recognises, ceph.read),
    Dialect("RustFS", rustfs.recognises, rustfs.read),
    Dialect("S3", s3.recognises, s3.read),
)


def read_delivery(body: bytes) -> Delivery:
    """Read a notification. Raises RejectedError, with the reason, for what is none."""
    return read_body(body).delivery


def read_body(body: bytes) -> Reading:
    """Read a notification and name its dialect. Raises RejectedError likewise."""
    document = _parse(body)
    if not sns.recognises(document):
        return _read(document)
    message, topic = sns.message_of(document), sns.topic_of(document)
    try:
        reading = _read(_parse(message))
    except RejectedError as error:
        raise RejectedError(f"the Message in an envelope of SNS, of topic {topic}: {error}") from error
    return Reading(f"{reading.dialect}, in an envelope of SNS", reading.delivery)


def _read(document: Document) -> Reading:
    for dialect in DIALECTS:
        if dialect.recognises(document):
            return Reading(dialect.name, dialect.read(document))
    known = ", ".join(dialect.name for dialect in DIALECTS)
    fields = ", ".join(sorted(document)[:5]) or "none"
    raise RejectedError(
        f"this JSON object is no notification of {known} or SNS; its fields are: {fields[:200]}"
    )


def _parse(body: bytes) -> Document:
    if not body:
        raise RejectedError("the body is empty; a notification is a JSON object")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RejectedError(f"the body is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise RejectedError(f"the body is a JSON {type(document).__name__}; a notification is a JSON object")
    return document
