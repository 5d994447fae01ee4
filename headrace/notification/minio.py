"""Notifications of MinIO, which its webhook sends one by one, with `EventName` and `Key` beside `Records`.

https://github.com/minio/minio/blob/master/internal/event/event.go
Keys are URL-encoded, `/` too (`Key` beside the records is not, and not needed). Its format `access`, of other
targets than the webhook, has the same records below `Event`: who passes these on is understood as well.
MinIO puts changes of tags, retention and legal hold among ObjectCreated. It sends only what it has stored.
"""

from headrace.model.event import Delivery
from headrace.notification.fields import Document
from headrace.notification.records import Form, all_from, read_records

SOURCE = "minio:s3"
FORM = Form()


def recognises(document: Document) -> bool:
    """Whether MinIO sent this."""
    return any(all_from(document.get(name), SOURCE) for name in ("Records", "Event"))


def read(document: Document) -> Delivery:
    """Read all records. Raises RejectedError when one of them is not as it must be."""
    return read_records(document, FORM, name="Records" if "Records" in document else "Event")
