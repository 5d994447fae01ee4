"""The store's configuration on a real server: whom it tells of what, and who may do what."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from headrace.local.process import find_program, free_ports
from headrace.model.errors import HeadraceError
from headrace.model.keys import WORKERS_AREAS, function_key, note_key, record_key, replay_key
from headrace.model.settings import StorageSettings
from headrace.model.tenant import Tenant
from headrace.storage.s3 import S3Storage
from infra import names
from infra.logins import store_identities
from infra.manifests import seaweedfs
from infra.service_settings import Api, ApiAccount
from infra.settings import StackSettings
from infra.store_settings import BucketSettings
from infra.tenant_settings import TenantSettings
from tests.e2e.evidence import plain_client

PLATFORM = "headrace"
BUCKETS = (PLATFORM, "headrac", "headrace2", "headrace-x", "uploads")
LAB, WARD = (Tenant(name=name, buckets={"uploads": f"{name}-uploads"}) for name in ("lab", "ward"))
STACK = StackSettings(
    kubeconfig="/some/file",
    context="box",
    tenants={each.name: TenantSettings(buckets={"uploads": BucketSettings()}) for each in (LAB, WARD)},
    api=Api(
        users={
            "root": ApiAccount(store_key=True),
            "nurse": ApiAccount(tenant="ward", store_key=True),
            "guest": ApiAccount(tenant="ward"),
        }
    ),
)
LIMIT_SECONDS = 40.0
TOKEN = "the receiver's"


@dataclass
class Receiver:
    """Keeps the keys of what it is told with the right token."""

    keys: list[str] = field(default_factory=list)

    def serve(self) -> ThreadingHTTPServer:
        keys = self.keys

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["Authorization"] == f"Bearer {TOKEN}":
                    keys.append(body["key"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass(frozen=True)
class Store:
    """As the stack would run it, but for its folders and ports."""

    port: int
    told: Receiver

    def by(self, identity: str) -> S3Storage:
        endpoint = f"http://127.0.0.1:{self.port}"
        return S3Storage(
            StorageSettings(endpoint=endpoint, access_key=identity, secret_key=f"key-of-{identity}")
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    top, receiver = tmp_path_factory.mktemp("store"), Receiver()
    server = receiver.serve()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}/events"
    allowed = store_identities(STACK)
    keys = {name: f"key-of-{name}" for name in allowed}
    files = seaweedfs.files(keys, allowed, endpoint=endpoint, token=TOKEN, platform_bucket=PLATFORM)
    for folder in ("config", "data"):
        (top / folder).mkdir()
    for name, text in files.items():
        (top / "config" / name).write_text(text.replace(seaweedfs.DATA, str(top / "data")))
    port, *_ = ports = free_ports(8)
    process = _started(top, ports)
    try:
        _wait(f"http://127.0.0.1:{port}/healthz", process)
        yield Store(port, receiver)
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


def _started(top: Path, ports: list[int]) -> subprocess.Popen[bytes]:
    (container,) = seaweedfs.pod("image", secret="s", static_pools=(), pull=())["containers"]
    here = {
        seaweedfs.CONFIGURATION: str(top / "config"),
        f"-dir={seaweedfs.DATA}": f"-dir={top / 'data'}",
        f"-s3.port={seaweedfs.PORT}": f"-s3.port={ports[0]}",
        "0.0.0.0": "127.0.0.1",
    }
    arguments = container["args"]
    for there, place in here.items():
        assert any(there in each for each in arguments)
        arguments = [each.replace(there, place) for each in arguments]
    inner = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
    inner += ("filer.port", "filer.port.grpc")
    flags = [f"-{name}={port}" for name, port in zip(inner, ports[1:], strict=True)]
    with (top / "log").open("wb") as log:
        return subprocess.Popen([find_program("weed"), *arguments, *flags], stdout=log, stderr=log)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        assert process.poll() is None
        try:
            with urlopen(address, timeout=1.0):
                return
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)


async def _made(store: Store) -> None:
    """Every bucket, by who may make one; the first call waits until volumes can be had."""
    controller = store.by(names.CONTROLLER)
    for bucket in BUCKETS:
        await controller.ensure_bucket(bucket)


async def test_every_bucket_but_the_platforms_is_told_of_also_those_that_come_later(store: Store):
    await _made(store)
    worker = store.by(names.WORKER)
    for bucket in BUCKETS:
        await worker.put(bucket, "folder/key", b"content")
    others = {f"/buckets/{bucket}/folder/key" for bucket in BUCKETS if bucket != PLATFORM}
    async with asyncio.timeout(LIMIT_SECONDS):
        while not others <= set(store.told.keys):
            await asyncio.sleep(0.1)
    assert [key for key in store.told.keys if key.startswith(f"/buckets/{PLATFORM}/")] == []


@pytest.mark.parametrize("identity", [names.WORKER, names.RECEIVER, names.API, "user-root"])
async def test_objects_can_be_worked_without_being_an_administrator(store: Store, identity: str):
    await _made(store)
    storage = store.by(identity)
    await storage.put("uploads", f"{identity}/in", b"content", metadata={"headrace-attempt": "a/b"})
    assert await storage.create(PLATFORM, f"{identity}/record", b"one")
    assert not await storage.create(PLATFORM, f"{identity}/record", b"two")
    await storage.copy(("uploads", f"{identity}/in"), (PLATFORM, f"{identity}/out"))
    assert (await storage.head(PLATFORM, f"{identity}/out")).metadata["headrace-attempt"] == "a/b"
    assert [each.key async for each in storage.list(PLATFORM, f"{identity}/")]
    await storage.delete(PLATFORM, [f"{identity}/out"])


@pytest.mark.parametrize("identity", [names.WORKER, names.RECEIVER, names.SCALER, names.API, "user-root"])
async def test_only_administrators_make_buckets(store: Store, identity: str):
    await _made(store)
    with pytest.raises(HeadraceError):
        await store.by(identity).ensure_bucket(f"of-{identity}")
    assert not await store.by(names.CONTROLLER)._buckets.exists(f"of-{identity}")


async def test_the_scaler_only_reads(store: Store):
    await _made(store)
    await store.by(names.WORKER).put("uploads", "to-read", b"content")
    scaler = store.by(names.SCALER)
    assert await scaler.read("uploads", "to-read") == b"content"
    with pytest.raises(HeadraceError):
        await scaler.put("uploads", "of-the-scaler", b"content")


async def test_nobody_comes_in_without_a_key(store: Store):
    await _made(store)
    with pytest.raises(HeadraceError):
        await store.by("stranger").read("uploads", "to-read")


# Tenants

ID, TASK = "lab.worker", "0" * 32


async def _made_for_tenants(store: Store) -> None:
    """A bucket of each, with an object; and what the platform keeps of their functions and of the stack's."""
    await _made(store)
    controller = store.by(names.CONTROLLER)
    for tenant in (LAB, WARD):
        await controller.ensure_bucket(tenant.buckets["uploads"])
        await controller.put(tenant.buckets["uploads"], "in", b"content")
    for function in ("lab.echo", "ward.echo", "labx.echo", "lab", "echo"):
        await controller.put(PLATFORM, record_key(function, TASK), b"{}")
    await controller.put("uploads", "in", b"content")


async def test_a_tenants_workers_work_in_its_buckets_and_keep_what_is_its_own(store: Store):
    await _made_for_tenants(store)
    worker = store.by(ID)
    assert await worker.read("lab-uploads", "in") == b"content"
    await worker.put("lab-uploads", "out", b"content", metadata={"headrace-attempt": "a/b"})
    assert (await worker.head("lab-uploads", "out")).metadata["headrace-attempt"] == "a/b"
    for area in WORKERS_AREAS:
        key = f"{area}/lab.echo/new"
        assert await worker.create(PLATFORM, key, b"one")
        assert not await worker.create(PLATFORM, key, b"two")
        assert [each.key async for each in worker.list(PLATFORM, f"{area}/lab.echo/")]
        await worker.copy((PLATFORM, key), ("lab-uploads", "copied"))
        await worker.delete(PLATFORM, [key])


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("ward-uploads", "in"),
        ("uploads", "in"),
        (PLATFORM, record_key("ward.echo", TASK)),
        (PLATFORM, record_key("labx.echo", TASK)),
        (PLATFORM, record_key("lab", TASK)),
        (PLATFORM, record_key("echo", TASK)),
    ],
)
async def test_a_tenants_workers_neither_read_nor_write_nor_list_what_is_anothers(
    store: Store, bucket: str, key: str
):
    await _made_for_tenants(store)
    worker, controller = store.by(ID), store.by(names.CONTROLLER)
    before = await controller.read(bucket, key)
    with pytest.raises(HeadraceError):
        await worker.read(bucket, key)
    with pytest.raises(HeadraceError):
        await worker.put(bucket, key, b"another's")
    with pytest.raises(HeadraceError):
        await worker.delete(bucket, [key])
    with pytest.raises(HeadraceError):
        await worker.copy((bucket, key), ("lab-uploads", "stolen"))
    with pytest.raises(HeadraceError):
        assert [each async for each in worker.list(bucket, key.rpartition("/")[0])]
    assert await controller.read(bucket, key) == before


async def test_a_tenants_workers_write_nothing_of_the_services_about_their_own_functions(store: Store):
    await _made_for_tenants(store)
    for key in (function_key("lab.echo"), replay_key("lab.echo", TASK)):
        with pytest.raises(HeadraceError):
            await store.by(ID).put(PLATFORM, key, b"{}")
    await store.by(ID).put(PLATFORM, note_key("lab.echo", TASK), b"{}")


async def test_a_tenants_workers_tag_objects_of_its_buckets_but_nothing_that_the_platform_keeps(store: Store):
    await _made_for_tenants(store)
    client = plain_client(f"http://127.0.0.1:{store.port}", ID, f"key-of-{ID}")
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    client.put_object_tagging(Bucket="lab-uploads", Key="in", Tagging=tags)
    with pytest.raises(ClientError) as refused:
        client.put_object_tagging(Bucket=PLATFORM, Key=record_key("lab.echo", TASK), Tagging=tags)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
