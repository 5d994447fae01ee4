"""Notifications of AWS S3 itself, by SQS, by SNS (sns.py) or by whoever passes them on.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
Keys are URL-encoded, but for `/`. A new configuration is tried with a document of its own, `s3:TestEvent`.
"""

from headrace.model.event import Delivery, IgnoredEvent
from headrace.notification.fields import Document, optional_text
from headrace.notification.records import Form, all_from, read_records, unless_created

SOURCE = "aws:s3"
TEST_EVENT = "s3:TestEvent"
FORM = Form(why_none=unless_created)


def recognises(document: Document) -> bool:
    """Whether AWS S3 sent this: its records, or the test of a new configuration."""
    return all_from(document.get("Records"), SOURCE) or _is_test(document)


def read(document: Document) -> Delivery:
    """Read all records. Raises RejectedError when one of them is not as it must be."""
    if _is_test(document):
        bucket = optional_text(document, "Bucket", "")
        return Delivery(ignored=(IgnoredEvent(TEST_EVENT, bucket, None, "a test of the notification"),))
    return read_records(document, FORM)


def _is_test(document: Document) -> bool:
    return "Records" not in document and document.get("Event") == TEST_EVENT
