"""What a notification of S3's own shape means, sender by sender."""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification import read_delivery
from tests.unit.notifications import FOLDER, saved

EMPTY, HELLO = "d41d8cd98f00b204e9800998ecf8427e", "5d41402abc4b2a76b9719d911017c592"


def one(event: FileEvent) -> Delivery:
    return Delivery(created=(event,))


def none(event: str, key: str | None, reason: str) -> Delivery:
    return Delivery(ignored=(IgnoredEvent(event, "uploads", key, reason),))


SAVED = {
    "aws_put": one(
        FileEvent(
            "uploads",
            "echo/red flower + 100% é.dcm",
            version="096fKKXTRTtl3on89fVO.nfljtsv6qko",
            etag=HELLO,
            size=1024,
        )
    ),
    "aws_multipart": one(
        FileEvent("uploads", "echo/clip.avi", etag="de2743a7c7cae882e43b43d7d347af45-2", size=10485760)
    ),
    "aws_several": Delivery(
        created=(
            FileEvent("uploads", "echo/a.dcm", etag=HELLO, size=5),
            FileEvent("uploads", "echo/b.dcm", etag=EMPTY, size=0),
        ),
        ignored=(
            IgnoredEvent("ObjectRemoved:Delete", "uploads", "echo/old one.dcm", "the object was deleted"),
            IgnoredEvent("ObjectCreated:Put", "uploads", "echo/folder/", "a folder marker"),
        ),
    ),
    "aws_tagging": none("ObjectTagging:Put", "echo/a.dcm", "no event that finishes an object"),
    "aws_restore": none("ObjectRestore:Completed", "echo/a.dcm", "no event that finishes an object"),
    "aws_test_event": none("s3:TestEvent", None, "a test of the notification"),
    "minio_put": one(FileEvent("uploads", "echo/zürich 1.dcm", etag=HELLO, size=5)),
    "minio_tagging": none("s3:ObjectCreated:PutTagging", "echo/a.dcm", "the content did not change"),
    "rustfs_put": one(FileEvent("uploads", "echo/a b.dcm", etag=HELLO, size=5)),
    "ceph_put": one(FileEvent("uploads", "echo/a+b 100%.dcm", etag=HELLO, size=5)),
    "unknown_put": one(FileEvent("uploads", "echo/a b.dcm", etag=HELLO, size=5, raw_key="echo/a+b.dcm")),
}


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_delivery_reads_as_its_sender_means_it(name: str) -> None:
    assert read_delivery(saved(f"s3/{name}")) == SAVED[name]


def test_every_saved_delivery_is_in_the_table() -> None:
    assert {path.stem for path in (FOLDER / "s3").iterdir()} == SAVED.keys()


def record(source: str | None = "aws:s3", name: str = "ObjectCreated:Put", **fields: Any) -> dict[str, Any]:
    """A record of the bucket `b`; `fields` belong to the object."""
    head = {} if source is None else {"eventSource": source}
    return {**head, "eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": "k", **fields}}}


def delivered(*records: object) -> bytes:
    return json.dumps({"Records": records}).encode()


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: key[-1] != "/")


@given(KEYS)
def test_every_key_survives_the_encoding_of_aws(key: str) -> None:
    body = delivered(record(key=quote_plus(key, safe="/")))
    assert read_delivery(body).created == (FileEvent("b", key),)


@given(KEYS)
def test_every_key_survives_the_encoding_of_minio(key: str) -> None:
    assert read_delivery(delivered(record("minio:s3", key=quote_plus(key)))).created == (FileEvent("b", key),)


@given(KEYS)
def test_every_key_of_ceph_is_taken_as_it_is(key: str) -> None:
    assert read_delivery(delivered(record("ceph:s3", key=key))).created == (FileEvent("b", key),)


@given(KEYS, st.sampled_from([None, "other:s3"]), st.sampled_from([str, quote, quote_plus]))
def test_an_unknown_senders_key_is_among_the_two_that_are_tried(
    key: str, source: str | None, write: Any
) -> None:
    (event,) = read_delivery(delivered(record(source, key=write(key)))).created
    assert key in (event.key, event.raw_key)


@pytest.mark.parametrize("kind", ["Put", "Post", "Copy", "CompleteMultipartUpload", "SomethingNew"])
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_what_creates_an_object_starts_tasks(prefix: str, kind: str) -> None:
    assert read_delivery(delivered(record(name=f"{prefix}ObjectCreated:{kind}"))).created == (
        FileEvent("b", "k"),
    )


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectAccessed:Get",
        "LifecycleExpiration:Delete",
        "s3:Replication:OperationFailedReplication",
        "s3:ObjectCreated:PutRetention",
        "ObjectCreated",
        "nonsense",
    ],
)
def test_any_other_event_is_ignored_not_refused(name: str) -> None:
    delivery = read_delivery(delivered(record(name=name)))
    assert not delivery.created
    assert [(each.event, each.bucket, each.key) for each in delivery.ignored] == [(name, "b", "k")]


@pytest.mark.parametrize("version", [None, "", "null"])
def test_a_version_that_is_none_is_none(version: str | None) -> None:
    assert read_delivery(delivered(record(versionId=version))).created == (FileEvent("b", "k"),)


@pytest.mark.parametrize("etag", [HELLO, f'"{HELLO}"', f'W/"{HELLO}"'])
def test_an_etag_is_normalised(etag: str) -> None:
    assert read_delivery(delivered(record(eTag=etag))).created == (FileEvent("b", "k", etag=HELLO),)


BAD_RECORDS = {
    "no object": "text",
    "null": None,
    "nothing in it": {},
    "no s3": {"eventName": "ObjectCreated:Put"},
    "s3 is a list": {"eventName": "ObjectCreated:Put", "s3": []},
    "no bucket": {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "k"}}},
    "no name of a bucket": {"eventName": "ObjectCreated:Put", "s3": {"bucket": {}, "object": {"key": "k"}}},
    "no object in s3": {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}}},
    "no event name": {"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}},
    "event name is a number": record() | {"eventName": 1},
    "source is a list": record() | {"eventSource": ["aws:s3"]},
    "no key": record(key=None),
    "empty key": record(key=""),
    "key is a number": record(key=7),
    "key is no UTF-8": record(key="%ff"),
    "size is a text": record(size="5"),
    "size is negative": record(size=-1),
    "size is true": record(size=True),
    "size is broken": record(size=1.5),
    "size is huge": record(size=10**30),
    "etag is a number": record(eTag=5),
    "version is an object": record(versionId={}),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_one_bad_record_refuses_the_whole_delivery_and_is_named(name: str) -> None:
    with pytest.raises(RejectedError, match=r"Records\[1\]"):
        read_delivery(delivered(record(), BAD_RECORDS[name]))
