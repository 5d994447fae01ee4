"""Messages of Amazon SNS, which carry a notification inside. They are known only to be refused by name.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery
from headrace.notification.fields import Document, text

_SHOWN_CHARACTERS = 120
_KINDS = frozenset({"Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"})


def recognises(document: Document) -> bool:
    """Whether this is an envelope of SNS."""
    kind = document.get("Type")
    return "TopicArn" in document and isinstance(kind, str) and kind in _KINDS


def read(document: Document) -> Delivery:
    """Raises RejectedError, with what to do about it."""
    topic = text(document, "TopicArn", "")[:_SHOWN_CHARACTERS]
    raise RejectedError(
        f"this is an envelope of SNS, of topic {topic}; let the subscription deliver raw messages "
        "(RawMessageDelivery), or let S3 notify without SNS"
    )
