"""Every sample event of the stores' own documents and tests: the right file, or the right reason for none.

They were retyped from the addresses beside them, with what nobody reads cut short.
"""

from dataclasses import dataclass

import pytest

from headrace.model.errors import RejectedError
from headrace.model.event import FileEvent, IgnoredEvent
from headrace.notification import read_body
from tests.unit.notifications import FOLDER, saved

GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide"
STRUCTURE, BRIDGE = f"{GUIDE}/notification-content-structure.html", f"{GUIDE}/ev-events.html"
GO = "https://github.com/aws/aws-lambda-go/tree/main/events/testdata"
POWERTOOLS = "https://github.com/aws-powertools/powertools-lambda-python/tree/develop/tests/events"
SNS = "https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"
MINIO = "https://github.com/minio/minio/blob/master/docs/bucket/notifications/README.md"
CEPH = "https://docs.ceph.com/en/latest/radosgw/notifications"
RED_HAT = (
    "https://docs.redhat.com/en/documentation/red_hat_ceph_storage/4/html/developer_guide/event-record_dev"
)
IBM = "https://www.ibm.com/docs/en/storage-ceph/9.9.1?topic=notifications-event-record"
RUSTFS = "https://github.com/rustfs/rustfs/blob/main/crates/notify/src/event.rs"
WEED = "https://github.com/seaweedfs/seaweedfs/tree/master/weed/notification/webhook"

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
DELETED, UNFINISHED, SAME = (
    "the object was deleted",
    "no event that finishes an object",
    "the content did not change",
)
ELSEWHERE = "not below /buckets"


@dataclass(frozen=True, slots=True)
class Sample:
    """`outcome` is the file, the event that is left aside, or words of the refusal."""

    source: str
    dialect: str
    outcome: FileEvent | IgnoredEvent | str


def aws(source: str, outcome: FileEvent | IgnoredEvent | str) -> Sample:
    return Sample(source, "AWS S3", outcome)


def bridge(source: str, outcome: FileEvent | IgnoredEvent | str) -> Sample:
    return Sample(source, "EventBridge", outcome)


def photo(size: int, etag: str | None, version: str | None = None) -> FileEvent:
    return FileEvent("images", "myphoto.jpg", version=version, etag=etag, size=size)


def lambda_put(key: str = "Happy Face.jpg") -> FileEvent:
    return FileEvent("sourcebucket", key, version="version", etag=EMPTY, size=1024)


PUT = "ObjectCreated:Put"
IN_CEPH = FileEvent("mybucket1", "myimage1.jpg", etag="37b51d194a7513e45b56f6524f2d51f2", size=1024)
LAMBDA_BUCKET, LAMBDA_KEY = "lambda-artifacts-deafc19498e3f2df", "b21b84d653bb07b05b1e6b33684dc11b"
DELETED_BY_BRIDGE = IgnoredEvent("Object Deleted", "example-bucket", "IMG_m7fzo3.jpg", DELETED)

SAMPLES = {
    "aws/guide_structure": aws(
        STRUCTURE, IgnoredEvent("event-type", "bucket-name", "object-key", UNFINISHED)
    ),
    "aws/guide_test": aws(
        STRUCTURE, IgnoredEvent("s3:TestEvent", "bucketname", None, "a test of the notification")
    ),
    "aws/guide_put": aws(
        STRUCTURE,
        FileEvent(
            "mybucket", "HappyFace.jpg", version="096fKKXTRTtl3on89fVO.nfljtsv6qko", etag=EMPTY, size=1024
        ),
    ),
    "aws/bridge_created": bridge(
        BRIDGE,
        FileEvent(
            "DOC-EXAMPLE-BUCKET1",
            "example-key",
            version="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            etag="b1946ac92492d2347c6235b4d2611184",
            size=5,
        ),
    ),
    "aws/bridge_deleted": bridge(
        BRIDGE, IgnoredEvent("Object Deleted", "DOC-EXAMPLE-BUCKET1", "example-key", DELETED)
    ),
    "aws/bridge_expired": bridge(
        BRIDGE, IgnoredEvent("Object Deleted", "DOC-EXAMPLE-BUCKET1", "example-key", DELETED)
    ),
    "aws/bridge_restored": bridge(
        BRIDGE, IgnoredEvent("Object Restore Completed", "DOC-EXAMPLE-BUCKET1", "example-key", UNFINISHED)
    ),
    "aws/go_put": aws(f"{GO}/s3-event.json", lambda_put()),
    "aws/go_put_decoded": aws(f"{GO}/s3-event-with-decoded.json", lambda_put()),
    "aws/go_glacier": aws(
        f"{GO}/s3-glacier-event.json",
        IgnoredEvent("s3:ObjectRestore:Completed", "example-bucket", "glacier-test.txt", UNFINISHED),
    ),
    "aws/go_restore": aws(
        f"{GO}/s3-restore-event.json",
        IgnoredEvent("s3:ObjectRestore:Completed", "example-bucket", "glacier-test.txt", UNFINISHED),
    ),
    "aws/go_tiering": aws(
        f"{GO}/s3-intelligenttier-event.json",
        IgnoredEvent(
            "s3:IntelligentTiering:TransitionAccess",
            "example-bucket",
            "intelligent-tier-test.dat",
            UNFINISHED,
        ),
    ),
    "aws/go_transition": aws(
        f"{GO}/s3-lifecycle-event.json",
        IgnoredEvent("s3:LifecycleTransition", "example-bucket", "lifecycle-test.dat", UNFINISHED),
    ),
    "aws/go_replication": aws(
        f"{GO}/s3-replication-event.json",
        IgnoredEvent(
            "s3:Replication:OperationFailedReplication",
            "amzn-s3-demo-bucket1",
            "replication-test.png",
            UNFINISHED,
        ),
    ),
    # What Lambda is given of a queue or topic: nobody sends it anywhere else.
    "aws/go_lambda_of_sns": Sample(f"{GO}/sns-event.json", "S3", r"Records\[0\]\.eventName is missing"),
    "aws/go_lambda_of_sqs": Sample(f"{GO}/sqs-event.json", "S3", r"Records\[0\]\.eventName is missing"),
    "aws/powertools_put": aws(
        f"{POWERTOOLS}/s3Event.json", FileEvent(LAMBDA_BUCKET, LAMBDA_KEY, etag=LAMBDA_KEY, size=1305107)
    ),
    "aws/powertools_delete": aws(
        f"{POWERTOOLS}/s3EventDeleteObject.json",
        IgnoredEvent("ObjectRemoved:Delete", LAMBDA_BUCKET, LAMBDA_KEY, DELETED),
    ),
    "aws/powertools_sqs": aws(  # the body within
        f"{POWERTOOLS}/s3SqsEvent.json",
        FileEvent(
            "xxx",
            "test.pdf",
            version="yd3d4HaWOT2zguDLvIQLU6ptDTwKBnQV",
            etag="2e3ad1e983318bbd8e73b080e2997980",
            size=104681,
        ),
    ),
    "aws/powertools_bridge_deleted": bridge(
        f"{POWERTOOLS}/s3EventBridgeNotificationObjectDeletedEvent.json", DELETED_BY_BRIDGE
    ),
    "aws/powertools_bridge_expired": bridge(
        f"{POWERTOOLS}/s3EventBridgeNotificationObjectExpiredEvent.json", DELETED_BY_BRIDGE
    ),
    "aws/powertools_bridge_restored": bridge(
        f"{POWERTOOLS}/s3EventBridgeNotificationObjectRestoreCompletedEvent.json",
        IgnoredEvent("Object Restore Completed", "example-bucket", "IMG_m7fzo3.jpg", UNFINISHED),
    ),
    "aws/powertools_sns_hello": Sample(  # the body within
        f"{POWERTOOLS}/snsSqsEvent.json", "SNS", "powertools265: this JSON object is no notification"
    ),
    "aws/sns_hello": Sample(SNS, "SNS", "MyTopic: the body is no JSON"),
    "aws/sns_subscription": Sample(SNS, "SNS", "asks whether it may send here"),
    "aws/sns_unsubscribed": Sample(SNS, "SNS", "sends here no longer"),
    # MinIO of 2016 and 2017 called itself aws:s3.
    "minio/readme_amqp": aws(MINIO, photo(200436, None)),
    "minio/readme_nats": aws(MINIO, photo(56060, "1d97bf45ecb37f7a7b699418070df08f")),
    "minio/readme_postgresql": aws(MINIO, photo(56060, "1d97bf45ecb37f7a7b699418070df08f")),
    "minio/readme_mysql": aws(MINIO, photo(26, "467886be95c8ecfd71a2900e3f461b4f")),
    "minio/readme_redis": Sample(MINIO, "MinIO", photo(2586, "5d284463f9da279f060f0ea4d11af098")),
    "minio/readme_elasticsearch": Sample(MINIO, "MinIO", photo(6474, "a3410f4f8788b510d6f19c5067e60a90")),
    "minio/readme_nats_streaming": Sample(
        MINIO, "MinIO", photo(248682, "f1671feacb8bbf7b0397c6e9364e8c92", "1")
    ),
    "minio/readme_kafka": Sample(MINIO, "MinIO", photo(6474, "430f89010c77aa34fc8760696da62d08-1", "1")),
    "minio/readme_nsq": Sample(
        MINIO,
        "MinIO",
        FileEvent("images", "gopher.jpg", version="1", etag="5337769ffa594e742408ad3f30713cd7", size=162023),
    ),
    "minio/js_issue_725": Sample(
        "https://github.com/minio/minio-js/issues/725",
        "MinIO",
        FileEvent(
            "images",
            "test12/DG0890EY2.jpg",
            version="1",
            etag="b7ce786cd89b182bfd5ae765557bbc37",
            size=629648,
        ),
    ),
    "ceph/docs": Sample(CEPH, "Ceph RGW", IN_CEPH),
    "ceph/red_hat_4": Sample(RED_HAT, "Ceph RGW", IN_CEPH),
    "ceph/ibm_9": Sample(IBM, "Ceph RGW", IN_CEPH),
    "rustfs/unit_put": Sample(
        RUSTFS, "RustFS", FileEvent("bucket", "key", version="1", etag="etag123", size=1024)
    ),
    "rustfs/unit_acl": Sample(
        RUSTFS, "RustFS", IgnoredEvent("s3:ObjectAcl:Put", "bucket", "key", UNFINISHED)
    ),
    "rustfs/unit_tagging": Sample(
        RUSTFS, "RustFS", IgnoredEvent("s3:ObjectTagging:Put", "bucket", "key", UNFINISHED)
    ),
    "rustfs/unit_expired": Sample(
        RUSTFS, "RustFS", IgnoredEvent("s3:LifecycleExpiration:Delete", "bucket", "key", DELETED)
    ),
    "rustfs/unit_transition": Sample(
        RUSTFS, "RustFS", IgnoredEvent("s3:LifecycleTransition", "bucket", "key", UNFINISHED)
    ),
    "rustfs/unit_restored": Sample(
        RUSTFS, "RustFS", IgnoredEvent("s3:ObjectRestore:Completed", "bucket", "key", UNFINISHED)
    ),
    "rustfs/issue_2292": Sample(
        "https://github.com/rustfs/rustfs/issues/2292",
        "RustFS",
        IgnoredEvent("s3:ObjectCreated:PutTagging", "bucket", None, SAME),
    ),
    "rustfs/issue_1154": Sample(
        "https://github.com/rustfs/rustfs/issues/1154", "RustFS", "does not name the object; update RustFS"
    ),
    "rustfs/issue_1154_expected": Sample(
        "https://github.com/rustfs/rustfs/issues/1154", "S3", r"Records is \[\]"
    ),
    "rustfs/e2e_replication": Sample(
        "https://github.com/rustfs/rustfs/blob/main/crates/e2e_test/src/replication_extension_test.rs",
        "S3",
        r"Records\[0\]\.s3\.bucket is missing",
    ),
    "seaweedfs/unit_http": Sample(
        f"{WEED}/http_test.go", "SeaweedFS", IgnoredEvent("create", None, None, ELSEWHERE)
    ),
    "seaweedfs/unit_create": Sample(
        f"{WEED}/filter_test.go", "SeaweedFS", IgnoredEvent("create", None, None, ELSEWHERE)
    ),
    "seaweedfs/unit_update": Sample(
        f"{WEED}/filter_test.go", "SeaweedFS", IgnoredEvent("update", None, None, ELSEWHERE)
    ),
    "seaweedfs/unit_rename": Sample(
        f"{WEED}/filter_test.go", "SeaweedFS", IgnoredEvent("rename", None, None, ELSEWHERE)
    ),
    "seaweedfs/unit_move": Sample(
        f"{WEED}/filter_test.go", "SeaweedFS", IgnoredEvent("rename", None, None, ELSEWHERE)
    ),
    "seaweedfs/unit_delete": Sample(
        f"{WEED}/filter_test.go", "SeaweedFS", IgnoredEvent("delete", None, None, "it was deleted")
    ),
}
REFUSED = [name for name, sample in SAMPLES.items() if isinstance(sample.outcome, str)]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in REFUSED])
def test_a_documented_event_is_the_right_file_or_none_for_the_right_reason(name: str) -> None:
    sample, reading = SAMPLES[name], read_body(saved(f"documented/{name}"))
    events = (*reading.delivery.created, *reading.delivery.ignored)
    assert (reading.dialect, events) == (sample.dialect, (sample.outcome,))


@pytest.mark.parametrize("name", REFUSED)
def test_a_documented_event_that_is_no_notification_is_refused_by_name(name: str) -> None:
    with pytest.raises(RejectedError, match=str(SAMPLES[name].outcome)):
        read_body(saved(f"documented/{name}"))


def test_every_documented_event_is_in_the_table() -> None:
    folder = FOLDER / "documented"
    assert {
        str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.json")
    } == SAMPLES.keys()
