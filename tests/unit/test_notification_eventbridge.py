"""What an event of S3 means that EventBridge passes on."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification import read_delivery
from tests.unit.notifications import FOLDER, saved

HELLO = "5d41402abc4b2a76b9719d911017c592"


def one(event: FileEvent) -> Delivery:
    return Delivery(created=(event,))


def none(event: str, key: str, reason: str) -> Delivery:
    return Delivery(ignored=(IgnoredEvent(event, "uploads", key, reason),))


UNFINISHED = "no event that finishes an object"
SAVED = {
    "created_put": one(
        FileEvent("uploads", "echo/a.dcm", version="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", etag=HELLO, size=5)
    ),
    "created_odd_key": one(FileEvent("uploads", "echo/red flower + 100%25 é.dcm", etag=HELLO, size=5)),
    "created_multipart": one(
        FileEvent("uploads", "echo/clip.avi", etag="de2743a7c7cae882e43b43d7d347af45-2", size=10485760)
    ),
    "created_folder_marker": none("Object Created", "echo/", "a folder marker"),
    "deleted": none("Object Deleted", "echo/a.dcm", "the object was deleted"),
    "deleted_expired": none("Object Deleted", "echo/old.dcm", "the object was deleted"),
    "restore_completed": none("Object Restore Completed", "echo/a.dcm", UNFINISHED),
    "tags_added": none("Object Tags Added", "echo/a.dcm", UNFINISHED),
    "storage_class_changed": none("Object Storage Class Changed", "echo/a.dcm", UNFINISHED),
    "acl_updated": none("Object ACL Updated", "echo/a.dcm", UNFINISHED),
}


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_event_reads_as_s3_means_it(name: str) -> None:
    assert read_delivery(saved(f"eventbridge/{name}")) == SAVED[name]


def test_every_saved_event_is_in_the_table_or_refused() -> None:
    assert {path.stem for path in (FOLDER / "eventbridge").iterdir()} == SAVED.keys() | {"cloudtrail"}


def event(kind: str = "Object Created", source: str = "aws.s3", **fields: Any) -> bytes:
    """An event of the bucket `b`; `fields` belong to the object."""
    detail = {"bucket": {"name": "b"}, "object": {"key": "k", **fields}}
    return json.dumps({"detail-type": kind, "source": source, "detail": detail}).encode()


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: key[-1] != "/")


@given(KEYS)
def test_every_key_is_taken_as_it_is(key: str) -> None:
    assert read_delivery(event(key=key)) == one(FileEvent("b", key))


KINDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(KINDS.filter(lambda kind: kind not in ("Object Created", "AWS API Call via CloudTrail")))
def test_any_other_type_of_s3_is_ignored_not_refused(kind: str) -> None:
    delivery = read_delivery(event(kind))
    assert not delivery.created
    assert [(each.event, each.bucket, each.key) for each in delivery.ignored] == [(kind, "b", "k")]


@pytest.mark.parametrize("version", [None, "", "null"])
def test_a_version_that_is_none_is_none(version: str | None) -> None:
    assert read_delivery(event(**{"version-id": version})) == one(FileEvent("b", "k"))


@pytest.mark.parametrize("etag", [HELLO, f'"{HELLO}"'])
def test_an_etag_is_normalised(etag: str) -> None:
    assert read_delivery(event(etag=etag)) == one(FileEvent("b", "k", etag=HELLO))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (saved("eventbridge/cloudtrail"), "CloudTrail"),
        (event(source="aws.ec2"), "source is 'aws.ec2'; it must be 'aws.s3'"),
        (event(key=7), r"detail\.object\.key is 7"),
        (event(key=None), r"detail\.object\.key is missing"),
        (event(size="5"), r"detail\.object\.size is '5'"),
    ],
)
def test_what_is_no_event_of_s3_is_refused_by_name(body: bytes, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        read_delivery(body)
