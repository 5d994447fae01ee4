"""What is no notification is refused with a reason; nothing else is ever raised."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery
from headrace.notification import read_delivery
from tests.unit.notifications import all_saved, saved

NO_NOTIFICATIONS = {
    "empty": b"",
    "blank": b"  ",
    "rubbish": b"\x00\xff\xfe",
    "text": b"hello",
    "truncated": saved("s3/aws_put")[:-20],
    "two documents": b"{}{}",
    "null": b"null",
    "number": b"1",
    "list": b"[]",
    "list of a delivery": b"[" + saved("s3/aws_put") + b"]",
    "empty object": b"{}",
    "another object": b'{"hello": "world"}',
    "records of another type": b'{"Records": "x"}',
    "no records": b'{"Records": []}',
    "records are an object": b'{"Records": {}}',
    "another test event": b'{"Event": "s3:Other"}',
    "test event of a strange bucket": b'{"Event": "s3:TestEvent", "Bucket": 1}',
    "not a number": b'{"Records": [{"eventName": "ObjectCreated:Put", "size": NaN}]}',
    "deep": b'{"Records":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "lone surrogate": saved("s3/aws_put").replace(b"red", b"\\ud800"),
    "invalid UTF-8": saved("s3/aws_put").replace(b"red", b"\xff"),
    "message is a text": b'{"event_type": "create", "key": "/buckets/b/k", "message": "x"}',
    "message is empty": b'{"event_type": "create", "key": "/buckets/b/k", "message": {}}',
    "no key": b'{"event_type": "create", "message": {"new_entry": {"name": "k"}}}',
    "event type is a number": saved("seaweedfs/put").replace(b'"create"', b"1"),
    "entry is a list": b'{"event_type": "create", "key": "/buckets/b/k", "message": {"new_entry": []}}',
    "chunks are a number": saved("seaweedfs/overwrite").replace(b'"chunks":[', b'"chunks":7,"x":['),
    "chunk is a number": saved("seaweedfs/overwrite").replace(b'"chunks":[', b'"chunks":[1,'),
    "size is negative": saved("seaweedfs/put").replace(b'"file_size":5', b'"file_size":-5'),
    "size is a text": saved("seaweedfs/put").replace(b'"file_size":5', b'"file_size":"5"'),
    "etag is no base64": saved("seaweedfs/put").replace(b'"NWQ0', b'"!'),
    "extended is a list": saved("seaweedfs/put").replace(b'"extended":{', b'"extended":[],"x":{'),
    "directory is a number": saved("seaweedfs/folder_of_put").replace(b":true", b":1"),
    "name is missing": saved("seaweedfs/put").replace(b'"name"', b'"nome"'),
    "what CloudTrail saw": saved("eventbridge/cloudtrail"),
    "EventBridge of another service": saved("eventbridge/created_put").replace(b'"aws.s3"', b'"aws.ec2"'),
    "EventBridge without detail": b'{"detail-type": "Object Created", "source": "aws.s3"}',
    "EventBridge's type is a number": b'{"detail-type": 1, "source": "aws.s3", "detail": {}}',
    "EventBridge's key is missing": saved("eventbridge/created_put").replace(b'"key"', b'"kay"'),
    "EventBridge's bucket is a text": saved("eventbridge/created_put").replace(
        b'"bucket": {', b'"bucket": "b", "x": {'
    ),
    "EventBridge's size is a text": saved("eventbridge/created_put").replace(b'"size": 5', b'"size": "5"'),
    "an envelope of SNS that says it is the last": saved("documented/aws/sns_unsubscribed"),
    "an envelope of SNS with nothing in it": saved("sns/notification").replace(b'"Message"', b'"Massage"'),
    "an envelope of SNS with another in it": json.dumps(
        {"Type": "Notification", "TopicArn": "t", "Message": saved("sns/notification").decode()}
    ).encode(),
    "records with typographic quotes, as in MinIO's README": '{“Records”:[{“eventVersion”:”2.0",'.encode(),
    "records of 2025's RustFS": saved("documented/rustfs/issue_1154"),
    "an envelope of SNS of a strange topic": b'{"Type": "Notification", "TopicArn": 7}',
    "of a strange type": b'{"Type": [], "TopicArn": "t"}',
}


@pytest.mark.parametrize("name", NO_NOTIFICATIONS)
def test_what_is_no_notification_is_refused_with_a_short_reason(name: str) -> None:
    with pytest.raises(RejectedError) as refused:
        read_delivery(NO_NOTIFICATIONS[name])
    assert 10 < len(str(refused.value)) < 400


def reads_or_refuses(body: bytes) -> None:
    with contextlib.suppress(RejectedError):
        delivery = read_delivery(body)
        assert isinstance(delivery, Delivery)
        for event in delivery.created:
            assert event.bucket
            assert event.key.encode()
            assert not event.key.endswith("/")
            assert event.size is None or event.size >= 0


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    reads_or_refuses(body)


@given(st.sampled_from(all_saved()), st.data())
def test_a_delivery_with_changed_bytes_is_read_or_refused(body: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(body)))
    stop = data.draw(st.integers(start, min(len(body), start + 40)))
    reads_or_refuses(body[:start] + data.draw(st.binary(max_size=8)) + body[stop:])


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.just([None]), st.just({"": None}), st.just("AA=="), st.just("/buckets/b/"), st.just("null"),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@given(st.sampled_from([json.loads(body) for body in all_saved()]), st.data())
def test_a_delivery_with_one_odd_value_anywhere_is_read_or_refused(
    document: Any, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(places(document)))
    reads_or_refuses(json.dumps(replaced(document, path, data.draw(ODD))).encode())
