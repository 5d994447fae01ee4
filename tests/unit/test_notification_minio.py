"""What MinIO's webhook means, on deliveries taken from a real server (its last commit, of February 2026)."""

import pytest

from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification import Reading, read_body
from tests.unit.notifications import FOLDER, saved

HELLO, EMPTY = "5d41402abc4b2a76b9719d911017c592", "d41d8cd98f00b204e9800998ecf8427e"
PARTS = "0c62823571cff39c8dddcc6a74e2569f-2"


def put(key: str) -> FileEvent:
    return FileEvent("plain", key, etag=HELLO, size=5)


CREATED = {
    "put": put("a.dcm"),
    "put_odd_key": put("a b+c 100%25.dcm"),
    "put_unicode_key": put("Zürich/日本 🚀.txt"),
    "put_percent_key": put("in/%2F.txt"),
    "put_of_nothing": FileEvent("plain", "empty.dcm", etag=EMPTY),
    "copy": put("copy of.dcm"),
    "copy_onto_itself": put("a.dcm"),
    "post_of_a_form": put("posted file+1.dcm"),
    "multipart_completed": FileEvent("plain", "big.bin", etag=PARTS, size=5242881),
    "version_put": FileEvent(
        "versioned", "a.dcm", version="c1f9ae8b-dcbb-4e35-be4b-5fe9c2e5d30d", etag=HELLO, size=5
    ),
    "version_multipart": FileEvent(
        "versioned", "big.bin", version="38d5187e-0e95-401d-bc1e-07b0ae0d1299", etag=PARTS, size=5242881
    ),
}
DELETED, SAME = "the object was deleted", "the content did not change"
UNFINISHED = "no event that finishes an object"
IGNORED = {
    "folder_marker": IgnoredEvent("s3:ObjectCreated:Put", "plain", "folder/", "a folder marker"),
    "tagging": IgnoredEvent("s3:ObjectCreated:PutTagging", "plain", "a.dcm", SAME),
    "tagging_deleted": IgnoredEvent("s3:ObjectCreated:DeleteTagging", "plain", "a.dcm", SAME),
    "retention": IgnoredEvent("s3:ObjectCreated:PutRetention", "versioned", "a.dcm", SAME),
    "legal_hold": IgnoredEvent("s3:ObjectCreated:PutLegalHold", "versioned", "a.dcm", SAME),
    "delete": IgnoredEvent("s3:ObjectRemoved:Delete", "plain", "a.dcm", DELETED),
    "version_delete_marker": IgnoredEvent(
        "s3:ObjectRemoved:DeleteMarkerCreated", "versioned", "empty.dcm", DELETED
    ),
    "delete_of_nothing": IgnoredEvent("s3:ObjectRemoved:NoOP", "plain", "not-there", UNFINISHED),
    "looked_at": IgnoredEvent("s3:ObjectAccessed:Head", "plain", "a.dcm", UNFINISHED),
}


@pytest.mark.parametrize("name", CREATED)
def test_a_finished_object_is_one_created_event(name: str) -> None:
    assert read_body(saved(f"minio/{name}")) == Reading("MinIO", Delivery(created=(CREATED[name],)))


@pytest.mark.parametrize("name", IGNORED)
def test_any_other_event_is_ignored_with_its_reason(name: str) -> None:
    assert read_body(saved(f"minio/{name}")) == Reading("MinIO", Delivery(ignored=(IGNORED[name],)))


def test_every_saved_delivery_is_in_one_of_the_tables() -> None:
    assert {path.stem for path in (FOLDER / "minio").iterdir()} == CREATED.keys() | IGNORED.keys()
