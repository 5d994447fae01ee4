"""What a filer's notification means, on deliveries taken from a real server."""

import pytest

from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification import read_delivery
from tests.unit.notifications import FOLDER, saved

HELLO = "5d41402abc4b2a76b9719d911017c592"
HELLO2 = "6e809cbda0732ac4845916a59016f954"
X = "9dd4e461268c8034f5c8564e155c67a6"

CREATED = {
    "put": FileEvent("uploads", "echo/a.dcm", etag=HELLO, size=5),
    "overwrite": FileEvent("uploads", "echo/a.dcm", etag=HELLO2, size=6),
    "overwrite_with_equal_bytes": FileEvent("uploads", "echo/a.dcm", etag=HELLO2, size=6),
    "put_of_nothing": FileEvent("uploads", "echo/empty.dcm", etag="d41d8cd98f00b204e9800998ecf8427e", size=0),
    "put_of_20_mib": FileEvent(
        "uploads", "echo/large.bin", etag="e60999c4cc1eef0280f16a569c212dfc", size=20971520
    ),
    "put_with_metadata": FileEvent("uploads", "echo/meta.bin", etag=X, size=1),
    "put_by_filer": FileEvent("uploads", "byfiler.txt", etag="d8dae71174732db1b97f54c798f8370c", size=5),
    "key_with_plus_and_percent": FileEvent("uploads", "a+b %25 c.txt", etag=X, size=1),
    "key_with_unicode": FileEvent("uploads", "Zürich/日本 🚀.txt", etag=X, size=1),
    "key_with_newline": FileEvent("uploads", "nl\nx\x01.txt", etag=X, size=1),
    "key_below_versions_folder": FileEvent("uploads", ".versions/x.txt", etag=X, size=1),
    "key_below_name_dot_versions": FileEvent("uploads", "x.versions/y.txt", etag=X, size=1),
    "key_below_deep_uploads": FileEvent("uploads", "deep/.uploads/x.txt", etag=X, size=1),
    "copy": FileEvent("uploads", "echo/copy.dcm", etag=HELLO2, size=6),
    "copy_over": FileEvent("uploads", "echo/meta.bin", etag=HELLO2, size=6),
    "multipart_completed": FileEvent(
        "uploads", "echo/multi.bin", etag="de2743a7c7cae882e43b43d7d347af45-2", size=10485760
    ),
    "multipart_completed_over": FileEvent(
        "uploads", "echo/multi.bin", etag="709118f7318e79a8aa5120b4308fdbbf-2", size=10485760
    ),
    "rename": FileEvent("uploads", "moved/meta2.bin", etag=HELLO2, size=6),
    "rename_in_folder": FileEvent("uploads", "moved/meta3.bin", etag=HELLO2, size=6),
    "rename_of_folder_file": FileEvent("uploads", "moved2/meta3.bin", etag=HELLO2, size=6),
    "version_newest": FileEvent(
        "versioned", "echo/a.dcm", version="671567efcdf41cd686f8818f9366e262", etag=HELLO, size=5
    ),
    "version_newest_again": FileEvent(
        "versioned", "echo/a.dcm", version="671567ef7982c1e6fc57d5cb9e44ce00", etag=HELLO2, size=6
    ),
    "version_newest_multipart": FileEvent(
        "versioned",
        "echo/multi.bin",
        version="671567eeddc52a7d6eed663729a619c2",
        etag="b60161e6ed3281856f7a560588c24701-2",
        size=10485760,
    ),
    "version_suspended_put": FileEvent(
        "versioned", "echo/s.dcm", etag="7ce8be0fa3932e840f6a19c2b83e11ae", size=6
    ),
    "version_newest_is_unversioned": FileEvent("versioned", "echo/a.dcm"),
}

UPLOAD = ".uploads/5344eec1d1251cb7748c672b27b79307cf56841f_131af261094a457c9cd253dd85a067c3"
PART = f"{UPLOAD}/0001_df3ed988-c9f5-4d5f-b0b0-f285d9e878c5.part"
A_VERSIONS = "echo/a.dcm.versions"
FIRST, SECOND = "v_671567efcdf41cd686f8818f9366e262", "v_671567ef7982c1e6fc57d5cb9e44ce00"

PART_OF_UPLOAD = "a part of an unfinished multipart upload"
SAME_CONTENT = "the content did not change"
NOT_NEWEST = "a version before it is the newest: its folder's change tells"

IGNORED = {
    "folder_of_put": IgnoredEvent("create", "uploads", "echo", "a folder"),
    "folder_marker": IgnoredEvent("create", "uploads", "folder", "a folder"),
    "tagging": IgnoredEvent("update", "uploads", "echo/a.dcm", SAME_CONTENT),
    "acl": IgnoredEvent("update", "uploads", "echo/a.dcm", SAME_CONTENT),
    "copy_onto_itself": IgnoredEvent("update", "uploads", "echo/a.dcm", SAME_CONTENT),
    "multipart_started": IgnoredEvent("create", "uploads", UPLOAD, PART_OF_UPLOAD),
    "multipart_part": IgnoredEvent("create", "uploads", PART, PART_OF_UPLOAD),
    "multipart_part_removed": IgnoredEvent("delete", "uploads", PART, "it was deleted"),
    "delete": IgnoredEvent("delete", "uploads", "echo/copy.dcm", "it was deleted"),
    "rename_of_folder": IgnoredEvent("rename", "uploads", "moved2", "a folder"),
    "put_outside_buckets": IgnoredEvent("create", None, None, "not below /buckets"),
    "create_bucket": IgnoredEvent("create", "versioned", None, "the bucket itself"),
    "create_bucket_owner": IgnoredEvent(
        "create", ".system", "owners/a/versioned", "a folder of SeaweedFS itself"
    ),
    "version_folder": IgnoredEvent("create", "versioned", A_VERSIONS, "a folder"),
    "version_file": IgnoredEvent("create", "versioned", f"{A_VERSIONS}/{FIRST}", NOT_NEWEST),
    "version_no_longer_newest": IgnoredEvent("update", "versioned", f"{A_VERSIONS}/{FIRST}", SAME_CONTENT),
    "version_tagging": IgnoredEvent("update", "versioned", f"{A_VERSIONS}/{SECOND}", SAME_CONTENT),
    "version_delete_marker": IgnoredEvent(
        "create", "versioned", f"{A_VERSIONS}/v_671567ee05b3c5e18db46d453bc30f2f", "a delete marker"
    ),
    "version_newest_is_delete_marker": IgnoredEvent("update", "versioned", A_VERSIONS, "a folder"),
    "version_removed": IgnoredEvent(
        "delete", "versioned", f"{A_VERSIONS}/v_671567edbd583f49ed6140da5e296fbd", "it was deleted"
    ),
}


@pytest.mark.parametrize("name", CREATED)
def test_a_change_that_finishes_an_object_is_one_created_event(name: str) -> None:
    assert read_delivery(saved(f"seaweedfs/{name}")) == Delivery(created=(CREATED[name],))


@pytest.mark.parametrize("name", IGNORED)
def test_any_other_change_is_ignored_with_its_reason(name: str) -> None:
    assert read_delivery(saved(f"seaweedfs/{name}")) == Delivery(ignored=(IGNORED[name],))


def test_every_saved_delivery_is_in_one_of_the_tables() -> None:
    assert {path.stem for path in (FOLDER / "seaweedfs").iterdir()} == CREATED.keys() | IGNORED.keys()


def test_an_overwrite_that_an_old_release_calls_a_rename_is_still_an_overwrite() -> None:
    old_release = saved("seaweedfs/tagging").replace(b'"event_type":"update"', b'"event_type":"rename"')
    assert read_delivery(old_release).ignored[0].reason == SAME_CONTENT


def test_without_an_etag_attribute_the_md5_is_the_etag() -> None:
    bare = saved("seaweedfs/put").replace(b"Seaweed-X-Amz-ETag", b"Other")
    assert read_delivery(bare).created == (CREATED["put"],)


def test_without_etag_attribute_and_md5_there_is_no_etag() -> None:
    bare = saved("seaweedfs/put").replace(b"Seaweed-X-Amz-ETag", b"Other").replace(b'"md5"', b'"other"')
    assert read_delivery(bare).created[0].etag is None
