"""Notifications of S3's own shape by a sender that is not known, or by several: emulators, gateways, bridges.

Whether they encode keys is not known either, so both forms are kept: the store's answer decides.
"""

from headrace.model.event import Delivery
from headrace.notification.fields import Document
from headrace.notification.records import Form, either, read_records, unless_created

FORM = Form(why_none=unless_created, key=either)


def recognises(document: Document) -> bool:
    """Whether this has the shape of S3's notifications, whoever sent it."""
    return "Records" in document


def read(document: Document) -> Delivery:
    """Read all records. Raises RejectedError when one of them is not as it must be."""
    return read_records(document, FORM)
