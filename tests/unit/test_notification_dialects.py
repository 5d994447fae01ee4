"""Who sent a notification, and what is its own in how it writes."""

import json
from typing import Any

import pytest

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent
from headrace.notification import read_body, read_delivery
from tests.unit.notifications import saved

SENDERS = {
    "seaweedfs/put": "SeaweedFS",
    "eventbridge/created_put": "EventBridge",
    "s3/aws_put": "AWS S3",
    "s3/aws_test_event": "AWS S3",
    "s3/minio_put": "MinIO",
    "s3/ceph_put": "Ceph RGW",
    "s3/rustfs_put": "RustFS",
    "s3/unknown_put": "S3",
}


@pytest.mark.parametrize("name", SENDERS)
def test_a_sender_is_known_by_what_it_calls_itself(name: str) -> None:
    assert read_body(saved(name)).dialect == SENDERS[name]


def record(source: str, **fields: Any) -> dict[str, Any]:
    """A record of the bucket `b`; `fields` belong to the object."""
    body = {"bucket": {"name": "b"}, "object": {"key": "a%2Bb+c.dcm", **fields}}
    return {"eventSource": source, "eventName": "s3:ObjectCreated:Put", "s3": body}


DECODED = FileEvent("b", "a+b c.dcm")


def read(**document: Any) -> Delivery:
    return read_delivery(json.dumps(document).encode())


def test_records_of_several_senders_are_of_none_that_is_known() -> None:
    both = FileEvent("b", "a+b c.dcm", raw_key="a%2Bb+c.dcm")
    assert read(Records=[record("minio:s3"), record("ceph:s3")]) == Delivery(created=(both, both))


def test_the_format_access_of_minio_has_its_records_below_event() -> None:
    assert read(Event=[record("minio:s3")], EventTime="2026-03-01T12:00:00Z") == Delivery(created=(DECODED,))


def test_the_records_of_minio_count_not_what_stands_beside_them() -> None:
    told = read(EventName="s3:ObjectRemoved:Delete", Key="other/x", Records=[record("minio:s3")])
    assert told == Delivery(created=(DECODED,))


def test_a_release_of_rustfs_puts_its_records_below_data_and_spells_the_etag_in_small_letters() -> None:
    data = record("rustfs:s3", etag='"e"', size=1)
    wrapped = {"object_name": "a%2Bb+c.dcm", "bucket_name": "b", "event_name": "s3:ObjectCreated:Put"}
    told = read(EventName="s3:ObjectCreated:Put", Key="b/a+b c.dcm", Records=[wrapped | {"data": data}])
    assert told == Delivery(created=(FileEvent("b", "a+b c.dcm", etag="e", size=1),))


@pytest.mark.parametrize(("size", "read_as"), [("1024", 1024), ("0", 0), (7, 7), (None, None)])
def test_a_size_of_ceph_may_be_a_text_as_in_its_documentation(size: object, read_as: int | None) -> None:
    (event,) = read(Records=[record("ceph:s3", size=size)]).created
    assert event.size == read_as


@pytest.mark.parametrize("size", ["", "-1", "1e3", "many", "\uff11", "9" * 20, 1.5, True])
def test_no_other_text_is_a_size(size: object) -> None:
    with pytest.raises(RejectedError, match=r"Records\[0\]\.s3\.object\.size is"):
        read(Records=[record("ceph:s3", size=size)])


@pytest.mark.parametrize("version", ["", None, "null"])
@pytest.mark.parametrize("source", ["aws:s3", "minio:s3", "ceph:s3", "rustfs:s3", "gateway:s3"])
def test_a_version_that_is_none_is_none_whoever_sends_it(source: str, version: str | None) -> None:
    (event,) = read(Records=[record(source, versionId=version)]).created
    assert event.version is None
