"""Envelopes of Amazon SNS: a notification within, as a text.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
They come by HTTPS, or as the body of an SQS message. What is in them is believed no more and no less than
what comes bare: who may write to the queue, or has the token, may send either. So their signature is not
checked; its certificate would have to be fetched from an address that the message names.
"""

import re

from headrace.model.errors import RejectedError
from headrace.notification.fields import Document, optional_text, text

_SHOWN_CHARACTERS = 120
_NOTIFICATION, _SUBSCRIPTION, _END = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
_KINDS = frozenset({_NOTIFICATION, _SUBSCRIPTION, _END})
# A person may paste them into a shell: nothing else is shown as part of a command.
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_TOKEN = re.compile(r"[A-Za-z0-9]{1,400}")


def recognises(document: Document) -> bool:
    """Whether this is an envelope of SNS."""
    kind = document.get("Type")
    return "TopicArn" in document and isinstance(kind, str) and kind in _KINDS


def topic_of(document: Document) -> str:
    """The topic as messages name it. Raises RejectedError."""
    return text(document, "TopicArn", "")[:_SHOWN_CHARACTERS]


def message_of(document: Document) -> bytes:
    """What an envelope carries. Raises RejectedError where it carries none, with what to do about it."""
    topic = topic_of(document)
    if document["Type"] == _NOTIFICATION:
        return text(document, "Message", "").encode(errors="replace")
    if document["Type"] == _END:
        raise RejectedError(
            f"this is an envelope of SNS, of topic {topic}, which says that it sends here no longer; "
            "subscribe again if its bucket's files are to be worked"
        )
    raise RejectedError(
        f"this is an envelope of SNS, of topic {topic}, which asks whether it may send here; that is never "
        f"answered without a person: if the topic is yours, {_confirmation(document)}"
    )


def _confirmation(document: Document) -> str:
    topic, token = text(document, "TopicArn", ""), optional_text(document, "Token", "") or ""
    if not (_TOPIC.fullmatch(topic) and _TOKEN.fullmatch(token)):
        return "confirm the subscription in the console of SNS"
    return f"run `aws sns confirm-subscription --topic-arn {topic} --token {token}`"
