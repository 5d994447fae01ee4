"""Every event that a store has a name for: the four that finish an object start tasks, no other one does."""

import json
from typing import Any

import pytest

from headrace.model.event import Delivery, FileEvent
from headrace.notification import read_delivery

FINISHED = tuple(f"ObjectCreated:{kind}" for kind in ("Put", "Post", "Copy", "CompleteMultipartUpload"))

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
AWS = """
    ReducedRedundancyLostObject
    ObjectRemoved:Delete ObjectRemoved:DeleteMarkerCreated
    ObjectRestore:Post ObjectRestore:Completed ObjectRestore:Delete
    Replication:OperationFailedReplication Replication:OperationNotTracked
    Replication:OperationMissedThreshold Replication:OperationReplicatedAfterThreshold
    LifecycleTransition IntelligentTiering ObjectAcl:Put
    LifecycleExpiration:Delete LifecycleExpiration:DeleteMarkerCreated
    ObjectTagging:Put ObjectTagging:Delete
"""
# https://github.com/minio/minio/blob/master/internal/event/name.go
MINIO = """
    BucketCreated:* BucketRemoved:*
    ObjectAccessed:Get ObjectAccessed:GetRetention ObjectAccessed:GetLegalHold
    ObjectAccessed:Head ObjectAccessed:Attributes
    ObjectCreated:PutTagging ObjectCreated:DeleteTagging
    ObjectCreated:PutRetention ObjectCreated:PutLegalHold
    ObjectRemoved:Delete ObjectRemoved:DeleteMarkerCreated ObjectRemoved:NoOP ObjectRemoved:DeleteAllVersions
    LifecycleDelMarkerExpiration:Delete
    Replication:OperationFailedReplication Replication:OperationCompletedReplication
    Replication:OperationNotTracked Replication:OperationMissedThreshold
    Replication:OperationReplicatedAfterThreshold
    ObjectRestore:Post ObjectRestore:Completed ObjectTransition:Failed ObjectTransition:Complete
    Scanner:ManyVersions Scanner:LargeVersions Scanner:BigPrefix
"""
# https://github.com/rustfs/rustfs/blob/main/crates/s3-types/src/event_name.rs
RUSTFS = f"""{MINIO}
    ObjectTagging:Put ObjectTagging:Delete ObjectAcl:Put
    LifecycleExpiration:Delete LifecycleExpiration:DeleteMarkerCreated LifecycleTransition IntelligentTiering
    ObjectRemoved:AbortMultipartUpload ObjectCreated:CreateMultipartUpload ObjectRemoved:DeleteObjects
"""
# https://docs.ceph.com/en/latest/radosgw/s3-notification-compatibility and, in other spelling,
# https://github.com/ceph/ceph/blob/main/src/rgw/rgw_notify_event_type.cc
CEPH = """
    ObjectRemoved:Delete ObjectRemoved:DeleteMarkerCreated
    ObjectLifecycle:Expiration:Current ObjectLifecycle:Expiration:NonCurrent
    ObjectLifecycle:Expiration:Noncurrent ObjectLifecycle:Expiration:DeleteMarker
    ObjectLifecycle:Expiration:AbortMultipartUpload ObjectLifecycle:Expiration:AbortMPU
    ObjectLifecycle:Transition:Current ObjectLifecycle:Transition:NonCurrent
    ObjectLifecycle:Transition:Noncurrent
    ObjectSynced:Create ObjectSynced:Delete ObjectSynced:DeletionMarkerCreated
    LifecycleExpiration:Delete LifecycleExpiration:DeleteMarkerCreated LifecycleTransition
    Replication:Create Replication:Delete Replication:DeletionMarkerCreated
    ObjectRestore:Post ObjectRestore:Completed ObjectRestore:Delete
    UnknownEvent UnknownEvet
"""
OTHERS = {"aws:s3": AWS, "minio:s3": MINIO, "rustfs:s3": RUSTFS, "ceph:s3": CEPH}
UNKNOWN_SENDERS = ("gateway:s3", None)


def event(source: str | None, name: str, **fields: Any) -> bytes:
    head = {} if source is None else {"eventSource": source}
    item = {"key": "k", "size": 1, "eTag": "e", **fields}
    record = {**head, "eventName": name, "s3": {"bucket": {"name": "b"}, "object": item}}
    return json.dumps({"Records": [record]}).encode()


@pytest.mark.parametrize("source", [*OTHERS, *UNKNOWN_SENDERS])
@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_a_finished_object_starts_tasks(source: str | None, name: str, prefix: str) -> None:
    delivery = read_delivery(event(source, prefix + name))
    assert delivery == Delivery(created=(FileEvent("b", "k", etag="e", size=1),))


ALL = [(source, name) for source, names in OTHERS.items() for name in names.split()]
OF_UNKNOWN = [(source, name) for source in UNKNOWN_SENDERS for name in sorted({name for _, name in ALL})]


@pytest.mark.parametrize(("source", "name"), [*ALL, *OF_UNKNOWN])
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_every_other_event_that_a_store_has_a_name_for_starts_none(
    source: str | None, name: str, prefix: str
) -> None:
    delivery = read_delivery(event(source, prefix + name))
    assert not delivery.created
    (ignored,) = delivery.ignored
    assert (ignored.event, ignored.bucket, ignored.key) == (prefix + name, "b", "k")
    assert ignored.reason


@pytest.mark.parametrize("source", ["minio:s3", "rustfs:s3", "ceph:s3"])
def test_what_counts_more_than_creations_among_objectcreated_starts_no_task_by_a_name_that_is_new(
    source: str,
) -> None:
    assert not read_delivery(event(source, "s3:ObjectCreated:SomethingNew")).created


def reason(source: str, name: str, **fields: Any) -> str:
    (ignored,) = read_delivery(event(source, name, **fields)).ignored
    return ignored.reason


STARTED = "a multipart upload was started; its completion tells"


def test_the_reason_says_what_became_of_the_object() -> None:
    assert {name: reason("rustfs:s3", name) for name in RUSTFS.split() if "Multipart" in name} == {
        "ObjectCreated:CreateMultipartUpload": STARTED,
        "ObjectRemoved:AbortMultipartUpload": "no event that finishes an object",
    }
    assert {reason("minio:s3", name) for name in MINIO.split() if name.startswith("ObjectCreated:")} == {
        "the content did not change"
    }
    assert {reason("ceph:s3", name) for name in CEPH.split() if "Expiration:D" in name} == {
        "the object was deleted"
    }


@pytest.mark.parametrize("etag", ["", None])
def test_a_post_of_ceph_without_an_etag_is_a_started_multipart_upload(etag: str | None) -> None:
    assert reason("ceph:s3", "ObjectCreated:Post", eTag=etag, size=0) == STARTED


def test_an_event_of_a_bucket_has_no_key() -> None:
    (ignored,) = read_delivery(event("minio:s3", "s3:BucketCreated:*", key="")).ignored
    assert ignored.key is None
