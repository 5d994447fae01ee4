"""Notifications of RustFS, whose webhook follows MinIO's, with `EventName` and `Key` beside `Records`.

https://github.com/rustfs/rustfs/blob/main/crates/notify/src/event.rs
Keys are URL-encoded once, `/` too. Some releases before 1.0 put each record below `data`, beside names of
their own, and called the ETag `etag`; its target AMQP still does the former. Those of 2025 named no object:
https://github.com/rustfs/rustfs/pull/1138
"""

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery
from headrace.notification.fields import Document
from headrace.notification.records import Form, all_from, read_records

SOURCE = "rustfs:s3"
FORM = Form(etags=("eTag", "etag"))


def recognises(document: Document) -> bool:
    """Whether RustFS sent this, a release before 1.0 too."""
    return all_from(_unwrapped(document.get("Records")), SOURCE) or _is_nameless(document)


def read(document: Document) -> Delivery:
    """Read all records. Raises RejectedError when one of them is not as it must be."""
    if _is_nameless(document):
        raise RejectedError(
            "this is a notification of a RustFS of 2025, which does not name the object; update RustFS, "
            "until then the listing finds the files"
        )
    return read_records({"Records": _unwrapped(document.get("Records"))}, FORM)


def _is_nameless(document: Document) -> bool:
    return "records" in document and "event_name" in document


def _unwrapped(records: object) -> object:
    """The records without what some releases put around each."""
    if not isinstance(records, list):
        return records
    return [each.get("data", each) if isinstance(each, dict) else each for each in records]
