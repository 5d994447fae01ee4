"""The contract of the dialects: whoever tells of an object, it is the same task, and the listing's too."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from headrace.cli.event import plan
from headrace.model.event import Delivery
from headrace.notification import read_delivery
from headrace.storage.port import ObjectInfo
from tests.unit.intake_bench import Bench, Watched, id_of

KEYS = (
    "a.dcm",
    "red flower.dcm",
    "a+b c.dcm",
    "100%25 %2F %.dcm",
    "Zürich/日本 🚀.txt",
    "echo/sub folder/x.dcm",
    "echo/\"<>&'=?#.txt",
    "echo/nl\nx.txt",
    "echo/a.versions.dcm",
)


# How each store tells of an object


def records(source: str | None, info: ObjectInfo, key: str, *, etag: str, **fields: Any) -> Any:
    version = {} if info.version is None else {"versionId": info.version}
    item = {"key": key, "size": info.size, "eTag": etag, **version, **fields}
    head = {} if source is None else {"eventSource": source}
    body = {"s3": {"bucket": {"name": info.bucket}, "object": item}}
    return {"Records": [{**head, "eventName": "s3:ObjectCreated:CompleteMultipartUpload", **body}]}


def aws(info: ObjectInfo, etag: str) -> Any:
    return records("aws:s3", info, quote_plus(info.key, safe="/"), etag=etag)


def sns(info: ObjectInfo, etag: str) -> Any:
    return {"Type": "Notification", "TopicArn": "t", "Message": json.dumps(aws(info, etag))}


def bridge(info: ObjectInfo, etag: str) -> Any:
    version = {} if info.version is None else {"version-id": info.version}
    item = {"key": info.key, "size": info.size, "etag": etag, **version}
    detail = {"bucket": {"name": info.bucket}, "object": item, "reason": "CompleteMultipartUpload"}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def bridge_by_sns(info: ObjectInfo, etag: str) -> Any:
    return {"Type": "Notification", "TopicArn": "t", "Message": json.dumps(bridge(info, etag))}


def minio(info: ObjectInfo, etag: str) -> Any:
    document = records("minio:s3", info, quote_plus(info.key), etag=etag)
    return {"EventName": document["Records"][0]["eventName"], "Key": f"{info.bucket}/{info.key}", **document}


def ceph(info: ObjectInfo, etag: str) -> Any:
    return records("ceph:s3", info, info.key, etag=etag, metadata=[], tags=[])


def rustfs(info: ObjectInfo, etag: str) -> Any:
    return records("rustfs:s3", info, quote_plus(info.key), etag=etag, userMetadata={})


def unknown_encoding(info: ObjectInfo, etag: str) -> Any:
    return records("gateway:s3", info, quote(info.key), etag=etag)


def unknown_plain(info: ObjectInfo, etag: str) -> Any:
    return records(None, info, info.key, etag=etag)


def attributes(**texts: str) -> Any:
    return {f"Seaweed-X-Amz-{name}": base64.b64encode(text.encode()).decode() for name, text in texts.items()}


def seaweedfs(info: ObjectInfo, etag: str) -> Any:
    folder, _, name = f"/buckets/{info.bucket}/{info.key}".rpartition("/")
    entry = {"name": name, "attributes": {"file_size": info.size}, "extended": attributes(ETag=etag)}
    if info.version is None:
        message = {"new_entry": entry, "new_parent_path": folder}
        return {"key": f"{folder}/{name}", "event_type": "create", "message": message}
    named = {"Latest-Version-Id": info.version, "Latest-Version-ETag": etag}
    old = {"name": f"{name}.versions", "is_directory": True}
    new = {**old, "extended": attributes(**named, **{"Latest-Version-Size": str(info.size)})}
    message = {"old_entry": old, "new_entry": new, "new_parent_path": folder}
    return {"key": f"{folder}/{name}.versions", "event_type": "update", "message": message}


DIALECTS: tuple[Callable[[ObjectInfo, str], Any], ...] = (
    aws,
    sns,
    bridge,
    bridge_by_sns,
    minio,
    ceph,
    rustfs,
    unknown_encoding,
    unknown_plain,
    seaweedfs,
)


class Multipart(Watched):
    """A store of which every object came in three parts, by its ETag."""

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        info = await super().head(bucket, key)
        return replace(info, etag=f"{info.etag}-3")

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list(bucket, prefix):
            yield replace(info, etag=f"{info.etag}-3") if bucket == "uploads" else info


async def scene(key: str, *, versions: bool, parts: bool) -> tuple[Bench, Any, ObjectInfo]:
    bench = await Bench().open()
    if versions:
        bench.storage.keep_versions("uploads")
    await bench.put(key)
    storage = Multipart(bench.storage) if parts else bench.storage
    return bench, storage, await storage.head("uploads", key)


async def taken(bench: Bench, storage: Any, delivery: Delivery) -> set[str]:
    return {task.id for task in (await bench.intake(storage=storage).take(delivery)).stored}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("versions", [False, True], ids=["", "versions"])
@pytest.mark.parametrize("parts", [False, True], ids=["", "parts"])
@pytest.mark.parametrize("etag", ["{}", '"{}"'], ids=["", "quoted"])
@pytest.mark.parametrize("write", DIALECTS)
async def test_every_dialect_gives_the_task_that_the_listing_gives(
    write: Callable[[ObjectInfo, str], Any], etag: str, parts: bool, versions: bool, key: str
) -> None:
    bench, storage, info = await scene(key, versions=versions, parts=parts)
    delivery = read_delivery(json.dumps(write(info, etag.format(info.etag))).encode())
    assert await taken(bench, storage, delivery) == {id_of(info)}
    if write is not unknown_plain:  # of which only the store knows the key
        assert {each.id for each in plan(delivery, bench.functions)} == {id_of(info)}, "as it is explained"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("versions", [False, True], ids=["", "versions"])
@pytest.mark.parametrize("parts", [False, True], ids=["", "parts"])
async def test_the_listing_gives_the_same_task(key: str, versions: bool, parts: bool) -> None:
    bench, storage, info = await scene(key, versions=versions, parts=parts)
    found = await bench.listing(storage=storage).run(bench.listed())
    assert (found.put, found.faults) == (1, ())
    assert await bench.queue.ids("echo") == {id_of(info)}


@pytest.mark.parametrize("write", DIALECTS)
async def test_what_the_listing_put_is_no_second_task_when_it_is_told_of(
    write: Callable[[ObjectInfo, str], Any],
) -> None:
    bench, _, info = await scene("a+b c.dcm", versions=False, parts=False)
    await bench.listing().run(bench.listed())
    report = await bench.intake().take(read_delivery(json.dumps(write(info, info.etag)).encode()))
    assert (report.stored, [task.id for task in report.queued]) == ((), [id_of(info)])


@pytest.mark.parametrize("write", DIALECTS)
async def test_what_is_told_of_before_it_is_there_starts_nothing_until_the_listing_finds_it(
    write: Callable[[ObjectInfo, str], Any],
) -> None:
    bench, _, info = await scene("a+b c.dcm", versions=False, parts=False)
    await bench.storage.delete("uploads", ["a+b c.dcm"])
    report = await bench.intake().take(read_delivery(json.dumps(write(info, info.etag)).encode()))
    assert (report.stored, [each.reason for each in report.ignored]) == ((), ["it is gone by now"])
    await bench.put("a+b c.dcm")
    await bench.listing().run(bench.listed())
    assert await bench.queue.ids("echo") == {id_of(info)}
