"""What an envelope of SNS means: the notification in it, and nothing that is done without a person."""

import json
from typing import Any

import pytest

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification import read_body, read_delivery
from tests.unit.notifications import saved

TOPIC = "arn:aws:sns:eu-central-1:111122223333:uploads"


def envelope(message: bytes, **fields: Any) -> bytes:
    return json.dumps(
        {"Type": "Notification", "TopicArn": TOPIC, "Message": message.decode(), **fields}
    ).encode()


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("s3/aws_put", "AWS S3"),
        ("s3/aws_several", "AWS S3"),
        ("s3/aws_test_event", "AWS S3"),
        ("eventbridge/created_put", "EventBridge"),
        ("s3/ceph_put", "Ceph RGW"),
    ],
)
def test_what_is_in_the_envelope_reads_as_if_it_came_bare(name: str, dialect: str) -> None:
    reading = read_body(envelope(saved(name)))
    assert reading.delivery == read_delivery(saved(name))
    assert reading.dialect == f"{dialect}, in an envelope of SNS"


def test_a_saved_envelope_is_the_file_within() -> None:
    event = FileEvent(
        "uploads",
        "echo/red flower + 100% é.dcm",
        version="096fKKXTRTtl3on89fVO.nfljtsv6qko",
        etag="5d41402abc4b2a76b9719d911017c592",
        size=1024,
    )
    assert read_delivery(saved("sns/notification")) == Delivery(created=(event,))


def test_the_test_of_a_new_configuration_is_no_fault() -> None:
    ignored = IgnoredEvent("s3:TestEvent", "uploads", None, "a test of the notification")
    assert read_delivery(envelope(saved("s3/aws_test_event"))) == Delivery(ignored=(ignored,))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"Hello world!", "the body is no JSON"),
        (b'{"hello": 1}', "no notification of"),
        (b"[]", "the body is a JSON list"),
        (saved("sns/notification"), "no notification of"),
        (saved("documented/aws/sns_subscription"), "no notification of"),
    ],
)
def test_what_is_refused_within_is_refused_with_the_topics_name(message: bytes, words: str) -> None:
    with pytest.raises(RejectedError, match=f"an envelope of SNS, of topic {TOPIC}: .*{words}"):
        read_delivery(envelope(message))


def refusal(body: bytes) -> str:
    with pytest.raises(RejectedError) as refused:
        read_delivery(body)
    return str(refused.value)


def test_a_subscription_is_told_with_the_command_that_confirms_it() -> None:
    told = refusal(saved("documented/aws/sns_subscription"))
    token = json.loads(saved("documented/aws/sns_subscription"))["Token"]
    topic = "arn:aws:sns:us-west-2:123456789012:MyTopic"
    assert told.endswith(f"run `aws sns confirm-subscription --topic-arn {topic} --token {token}`")
    assert len(told) < 1000, "a dead letter has room for it"


@pytest.mark.parametrize(
    "fields",
    [
        {"TopicArn": "x; rm -rf ~"},
        {"TopicArn": f"{TOPIC} --endpoint-url=http://192.0.2.1"},
        {"Token": "$(touch x)"},
        {"Token": ""},
        {"Token": "a" * 401},
    ],
)
def test_no_command_is_told_with_what_a_shell_might_obey(fields: dict[str, str]) -> None:
    told = refusal(envelope(b"", **({"Type": "SubscriptionConfirmation", "Token": "abc1"} | fields)))
    assert told.endswith("if the topic is yours, confirm the subscription in the console of SNS")
