"""What only a real S3 server shows: lost connections, restarts, large files, foreign metadata, access."""

import asyncio
import http.client
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from headrace.local.process import free_ports
from headrace.local.seaweedfs import SeaweedOptions, Webhook, start_seaweedfs
from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError, TransientError
from headrace.storage.fast import FastRoad
from headrace.storage.s3 import S3Storage
from headrace.storage.sure import SureRoad
from tests.fixtures.seaweedfs import SeaweedServer


@pytest.fixture
async def storage(seaweedfs: SeaweedServer) -> AsyncIterator[S3Storage]:
    storage = S3Storage(seaweedfs.options.storage)
    yield storage
    await storage.close()


@pytest.fixture
async def bucket(storage: S3Storage) -> str:
    name = f"t-{secrets.token_hex(6)}"
    await storage.ensure_bucket(name)
    return name


async def test_both_roads_tell_the_same_of_every_call(storage: S3Storage, bucket: str, tmp_path: Path):
    fast, sure = storage._fast, storage._sure
    assert (type(fast), type(sure)) == (FastRoad, SureRoad)
    (tmp_path / "in").write_bytes(b"from a file")
    for number, road in enumerate((fast, sure)):
        key = f"k{number}"
        await road.put(
            bucket, key, tmp_path / "in", metadata={"m": "v w"}, headers={"Content-Type": "image/png"}
        )
        assert not await road.create(bucket, key, b"other")
        assert await road.create(bucket, f"created{number}", b"new")
        await road.copy((bucket, key), (bucket, f"copy{number}"))
    for key in ("k0", "k1", "copy0", "copy1", "created0", "created1"):
        told = [await road.head(bucket, key) for road in (fast, sure)]
        assert told[0] == told[1]
        assert await fast.read(bucket, key) == await sure.read(bucket, key)
        got = [
            await road.download(bucket, key, tmp_path / f"out{n}", version=None, etag=told[0].etag)
            for n, road in enumerate((fast, sure))
        ]
        assert got == told
        assert (tmp_path / "out0").read_bytes() == (tmp_path / "out1").read_bytes()


async def test_metadata_that_is_no_ascii_hides_no_object(
    storage: S3Storage, bucket: str, seaweedfs: SeaweedServer, tmp_path: Path
):
    _put_with_metadata(seaweedfs.options, f"/{bucket}/foreign", "Zoë")
    info = await storage.head(bucket, "foreign")
    assert list(info.metadata) == ["name"]
    assert await storage.read(bucket, "foreign") == b"one"
    await storage.download(bucket, "foreign", tmp_path / "f", version=None, etag=info.etag)
    assert (tmp_path / "f").read_bytes() == b"one"


def _put_with_metadata(options: SeaweedOptions, path: str, name: str) -> None:
    """What boto3 and obstore refuse to send."""
    request = AWSRequest(
        "PUT", options.storage.endpoint + path, headers={"x-amz-meta-name": name}, data=b"one"
    )
    keys = Credentials(options.access_key, options.secret_key)
    S3SigV4Auth(keys, "s3", options.storage.region).add_auth(request)
    headers = {field: value.encode() for field, value in request.headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", options.s3_port)) as connection:
        connection.request("PUT", path, b"one", headers)
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("key", ["../up", "a/./b", "x" * 300, "nul\x00", "", "\ud800"])
async def test_a_key_that_the_store_refuses_can_never_be_put(storage: S3Storage, bucket: str, key: str):
    with pytest.raises(RejectedError):
        await storage.put(bucket, key, b"")


async def test_a_bucket_name_that_the_store_refuses_is_the_configurations_fault(storage: S3Storage):
    with pytest.raises(ConfigurationError, match="no"):
        await storage.ensure_bucket("no")


@pytest.mark.parametrize("wrong", [{"secret_key": "wrong"}, {"access_key": "wrong"}])
@pytest.mark.parametrize("key", ["k", "odd\nkey"])
async def test_a_wrong_key_is_the_configurations_fault(
    seaweedfs: SeaweedServer, bucket: str, wrong: dict[str, str], key: str
):
    stranger = S3Storage(seaweedfs.options.storage.model_copy(update=wrong))
    for call in (
        stranger.head(bucket, key),
        stranger.put(bucket, key, b""),
        stranger.create(bucket, key, b""),
        anext(stranger.list(bucket)),
        stranger.ensure_bucket(bucket),
    ):
        with pytest.raises(ConfigurationError, match="access denied"):
            await call
    await stranger.close()


async def test_variables_of_the_environment_do_not_lead_it_astray(
    seaweedfs: SeaweedServer, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    for name, value in {
        "AWS_ENDPOINT_URL": nowhere, "AWS_ENDPOINT_URL_S3": nowhere, "AWS_SESSION_TOKEN": "token",
        "AWS_ACCESS_KEY_ID": "other", "AWS_SKIP_SIGNATURE": "true", "AWS_REGION": "eu-west-1",
        "http_proxy": nowhere, "HTTP_PROXY": nowhere, "ALL_PROXY": nowhere,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    storage = S3Storage(seaweedfs.options.storage)
    for key in ("k", "odd\nkey"):
        await storage.put(bucket, key, b"one")
        assert await storage.read(bucket, key) == b"one"
    await storage.copy((bucket, "k"), (bucket, "l"))
    assert sorted([info.key async for info in storage.list(bucket)]) == ["k", "l", "odd\nkey"]
    await storage.close()


async def test_a_large_file_passes_in_bounded_memory(storage: S3Storage, bucket: str, tmp_path: Path):
    size, limit = 300 * 2**20, 150 * 2**20
    with (tmp_path / "in").open("wb") as file:
        file.truncate(size)
    peak = _Peak()
    with peak.watched():
        etag = await storage.put(bucket, "big", tmp_path / "in")
        await storage.download(bucket, "big", tmp_path / "out", version=None, etag=etag)
    assert (tmp_path / "out").stat().st_size == size
    assert peak.grown < limit, f"grew by {peak.grown / 2**20:.0f} MiB"


class _Peak:
    """How much this process grew at most while it was watched, in bytes."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.grown = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        begin = self._process.memory_info().rss
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                self.grown = max(self.grown, self._process.memory_info().rss - begin)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


async def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        await asyncio.sleep(0.02)


async def test_a_killed_store_is_transient_and_has_everything_after_its_restart(
    start_seaweed: Callable[..., SeaweedServer], tmp_path: Path
):
    server = start_seaweed()
    storage = S3Storage(server.options.storage)
    await storage.ensure_bucket("data")
    (tmp_path / "in").write_bytes(secrets.token_bytes(20 * 2**20))
    etag = await storage.put("data", "big", tmp_path / "in", metadata={"m": "v"})
    acknowledged: list[str] = []

    async def write() -> None:
        for number in range(100_000):
            await storage.put("data", f"k{number}", str(number).encode())
            acknowledged.append(f"k{number}")

    writers = [asyncio.create_task(write())]
    await _until(lambda: len(acknowledged) > 50)
    server.kill()
    with pytest.raises(TransientError):
        await asyncio.gather(*writers)
    for call in (
        storage.head("data", "big"), storage.head("data", "odd\nkey"), storage.create("data", "n", b""),
        storage.copy(("data", "big"), ("data", "copy")), storage.delete("data", ["big"]),
        anext(storage.list("data")), storage.ensure_bucket("other"),
    ):  # fmt: skip
        with pytest.raises(TransientError):
            await call

    server.start()
    info = await storage.head("data", "big")
    assert (info.etag, info.metadata) == (etag, {"m": "v"})
    await storage.download("data", "big", tmp_path / "out", version=None, etag=etag)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
    for key in acknowledged:
        assert await storage.read("data", key) == key[1:].encode()
    await storage.close()


async def test_a_store_killed_amid_a_transfer_is_transient_and_leaves_no_file(
    start_seaweed: Callable[..., SeaweedServer], tmp_path: Path
):
    server = start_seaweed()
    storage = S3Storage(server.options.storage)
    await storage.ensure_bucket("data")
    with (tmp_path / "in").open("wb") as file:
        file.truncate(250 * 2**20)
    etag = await storage.put("data", "big", tmp_path / "in")
    (tmp_path / "work").mkdir()
    download = asyncio.create_task(
        storage.download("data", "big", tmp_path / "work" / "out", version=None, etag=etag)
    )
    upload = asyncio.create_task(storage.put("data", "next", tmp_path / "in"))
    await _until(lambda: any(path.stat().st_size > 0 for path in (tmp_path / "work").iterdir()))
    server.kill()
    for transfer in (download, upload):
        with pytest.raises(TransientError):
            await transfer
    assert list((tmp_path / "work").iterdir()) == []
    server.start()
    with pytest.raises(NotFoundError):
        await storage.head("data", "next")
    await storage.close()


async def test_a_server_whose_inner_ports_were_taken_meanwhile_comes_back_on_others(
    start_seaweed: Callable[..., SeaweedServer],
):
    server = start_seaweed()
    storage = S3Storage(server.options.storage)
    await storage.ensure_bucket("data")
    await storage.put("data", "k", b"one")
    server.kill()
    ports = json.loads((server.options.directory / "ports.json").read_text())
    takers = [ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) for port in ports.values()]
    server.start()
    assert await storage.read("data", "k") == b"one"
    await storage.put("data", "l", b"two")
    assert await storage.read("data", "l") == b"two"
    await storage.close()
    for taker in takers:
        taker.server_close()


def test_a_taken_s3_port_is_named(seaweedfs: SeaweedServer, tmp_path: Path):
    options = SeaweedOptions(tmp_path, seaweedfs.options.s3_port, "key", "secret")
    with pytest.raises(ConfigurationError, match=f"port {options.s3_port} "):
        start_seaweedfs(options)


def test_its_secrets_are_readable_by_nobody_else(seaweedfs: SeaweedServer):
    secret = seaweedfs.options.secret_key
    assert secret not in repr(seaweedfs.options)
    assert secret not in " ".join(psutil.Process(seaweedfs.process.pid).cmdline())
    holding = [path for path in seaweedfs.options.directory.glob("*.*") if secret in path.read_text()]
    assert [path.name for path in holding] == ["s3.json"]
    assert holding[0].stat().st_mode & 0o077 == 0


def test_it_listens_on_this_machine_only(seaweedfs: SeaweedServer):
    connections = psutil.Process(seaweedfs.process.pid).net_connections(kind="tcp")
    listening = {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


class _Hook(BaseHTTPRequestHandler):
    """Notes each call."""

    calls: list[tuple[str, dict[str, object]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.calls.append((self.headers["Authorization"], json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def test_it_reports_what_is_put_below_the_prefixes_with_the_token(
    start_seaweed: Callable[..., SeaweedServer],
):
    hook = type("Hook", (_Hook,), {"calls": []})
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), hook)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    webhook = Webhook(
        f"http://127.0.0.1:{receiver.server_port}/events", "token", path_prefixes=("/buckets/seen/",)
    )
    server = start_seaweed(webhook)
    storage = S3Storage(server.options.storage)
    for bucket in ("unseen", "seen"):
        await storage.ensure_bucket(bucket)
        await storage.put(bucket, "a/k", b"one")
    await _until(lambda: any(body["key"] == "/buckets/seen/a/k" for _, body in hook.calls))
    assert {token for token, _ in hook.calls} == {"Bearer token"}
    assert {body["key"] for _, body in hook.calls} <= {
        "/buckets/seen",
        "/buckets/seen/a",
        "/buckets/seen/a/k",
    }
    await storage.close()
    receiver.shutdown()
    receiver.server_close()
