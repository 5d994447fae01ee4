"""Notifications of Ceph's object gateway (RGW).

https://docs.ceph.com/en/latest/radosgw/notifications
https://github.com/ceph/ceph/blob/main/src/rgw/rgw_pubsub.cc
Keys are written as they are. Events of life cycles and of other sites have names of its own
(ObjectLifecycle:…, ObjectSynced:…); none of them starts a task. Older releases tell of a started multipart
upload as `ObjectCreated:Post`, like of a form's upload, but without an ETag:
https://github.com/ceph/ceph/pull/42350
"""

import re

from headrace.model.event import Delivery
from headrace.notification.fields import Document, optional_size
from headrace.notification.records import (
    MULTIPART_STARTED,
    Form,
    all_from,
    as_written,
    read_records,
    unless_finished,
)

SOURCE = "ceph:s3"
_POST = "ObjectCreated:Post"
_DIGITS = re.compile(r"[0-9]{1,19}")  # 64 bits


def _why_none(kind: str, item: Document) -> str | None:
    if kind == _POST and not item.get("eTag"):
        return MULTIPART_STARTED
    return unless_finished(kind, item)


def _size(item: Document, where: str) -> int | None:
    """Bytes: a number, but a text of digits in Ceph's documentation."""
    found = item.get("size")
    if isinstance(found, str) and _DIGITS.fullmatch(found):
        return int(found)
    return optional_size(item, "size", where)


FORM = Form(why_none=_why_none, key=as_written, size=_size)


def recognises(document: Document) -> bool:
    """Whether Ceph RGW sent this."""
    return all_from(document.get("Records"), SOURCE)


def read(document: Document) -> Delivery:
    """Read all records. Raises RejectedError when one of them is not as it must be."""
    return read_records(document, FORM)
