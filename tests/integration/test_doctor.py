"""`headrace doctor` on real servers: each thing broken on purpose is found, with what to do about it."""

import asyncio
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from nats.js.api import StreamConfig
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.local.process import free_ports
from headrace.local.state import StackState, StateDirectory
from headrace.model.settings import (
    ReceiverSettings,
    Settings,
    WorkerSettings,
)
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.jetstream_layout import stream_name
from headrace.queue.jetstream_server import Server
from headrace.storage.s3 import S3Storage
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.stack import write_function
from tests.toolchain.needed import leave_out

DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>'
)
Request = tuple[str, str]  # method and path


@dataclass
class Stack:
    """Settings of a stack that seems to live, on real servers, with names of its own."""

    folder: Path
    settings: Settings
    name: str
    living: bool = True

    @property
    def inputs(self) -> str:
        return f"{self.name}-in"

    @property
    def outputs(self) -> str:
        return f"{self.name}-out"

    def write(self) -> None:
        state = StateDirectory(self.folder / "state")
        state.prepare()
        state.settings.write_bytes(self.settings.to_json())
        if self.living:
            told = StackState(pid=os.getpid(), started_at=time.time(), endpoint="x", runtime="host")
            state.stack.write_bytes(told.to_json())

    def change(self, part: str, **changes: object) -> None:
        changed = getattr(self.settings, part).model_copy(update=changes)
        self.settings = self.settings.model_copy(update={part: changed})

    def findings(self, *options: str) -> dict[str, dict[str, str]]:
        """By code, as a program reads them."""
        self.write()
        arguments = ["doctor", "--state", str(self.folder / "state"), "--json", *options]
        result = CliRunner().invoke(app, arguments)
        for secret in self.settings.secrets:
            assert not secret or secret not in result.output, "a secret is shown"
        assert result.exit_code in {0, 1}, result.output
        return {each["code"]: each for each in json.loads(result.stdout)["findings"]}

    def severity(self, code: str, *options: str) -> str:
        return self.findings(*options)[code]["severity"]


def do(step: Callable[[S3Storage, JetStreamQueue], Any], stack: Stack) -> Any:
    async def main() -> Any:
        storage, queue = S3Storage(stack.settings.storage), JetStreamQueue.of(stack.settings.queue)
        try:
            return await step(storage, queue)
        finally:
            await queue.close()
            await storage.close()

    return asyncio.run(main())


@pytest.fixture
def stack(tmp_path: Path, nats_server: NatsServer, seaweedfs: SeaweedServer) -> Stack:
    name = f"f{uuid4().hex[:12]}"
    spec = (
        f"  run: {{script: run.sh}}\n  input: [{{bucket: {name}-in}}]\n  output: [{{bucket: {name}-out}}]\n"
    )
    write_function(tmp_path / "functions", name, spec, {"run.sh": "true"})
    settings = Settings(
        storage=seaweedfs.options.storage,
        queue=nats_server.settings,
        receiver=ReceiverSettings(port=free_ports(1)[0], token="the receiver's token"),
        worker=WorkerSettings(work_directory=str(tmp_path), secrets_directory=str(tmp_path)),
        functions_directory=str(tmp_path / "functions"),
        platform_bucket=f"{name}-platform",
    )
    made = Stack(tmp_path, settings, name)

    async def make(storage: S3Storage, queue: JetStreamQueue) -> None:
        for bucket in (made.inputs, made.outputs, settings.platform_bucket):
            await storage.ensure_bucket(bucket)
        await queue.ensure(name, lease_seconds=30.0, max_leased=10)

    do(make, made)
    return made


def test_a_stack_on_sound_servers_is_well_and_nothing_is_left_of_what_was_tried(stack: Stack) -> None:
    found = stack.findings("--write")
    groups = ("queue", "store", "clocks")
    bad = {
        code: each["found"]
        for code, each in found.items()
        if each["group"] in groups and each["severity"] not in {"ok", "skipped"}
    }
    assert bad == {}
    assert [each["severity"] for each in found.values() if each["group"] == "store"] == ["ok"] * 8

    async def left(storage: S3Storage, _: JetStreamQueue) -> list[str]:
        buckets = (stack.inputs, stack.outputs, stack.settings.platform_bucket)
        return [info.key for bucket in buckets async for info in storage.list(bucket)]

    assert do(left, stack) == []


# The queue


def test_a_wrong_token_is_found(stack: Stack) -> None:
    stack.change("queue", token="not-the-token")
    found = stack.findings()
    assert (found["queue-reach"]["severity"], found["queue-login"]["severity"]) == ("ok", "fault")
    assert found["queue-login"]["remedy"].startswith("headrace up --state ")
    assert found["queue-streams"]["severity"] == "skipped"


def test_a_queue_that_is_away_is_found(stack: Stack) -> None:
    stack.change("queue", url=f"nats://127.0.0.1:{free_ports(1)[0]}")
    assert stack.severity("queue-reach") == "fault"


def test_a_missing_stream_is_found(stack: Stack) -> None:
    async def drop(_: S3Storage, queue: JetStreamQueue) -> None:
        await queue.drop(stack.name)

    do(drop, stack)
    found = stack.findings()["queue-streams"]
    assert found["severity"] == "fault"
    assert f"no stream of {stack.name}" in found["found"]


def test_a_stream_that_somebody_else_made_is_found(stack: Stack) -> None:
    async def remake(_: S3Storage, queue: JetStreamQueue) -> None:
        await queue.drop(stack.name)
        server = Server(stack.settings.queue)
        jetstream = await server.jetstream()
        await jetstream.add_stream(
            StreamConfig(name=stream_name(stack.name), subjects=[f"tasks.{stack.name}.*"])
        )
        await jetstream.add_consumer(stream_name(stack.name), durable_name="workers")
        await server.close()

    do(remake, stack)
    found = stack.findings()["queue-streams"]
    assert found["severity"] == "fault"
    assert "retention is 'limits', not 'workqueue'" in found["found"]


def test_a_paused_function_is_told_with_the_command_that_resumes_it(stack: Stack) -> None:
    async def pause(_: S3Storage, queue: JetStreamQueue) -> None:
        await queue.pause(stack.name)

    do(pause, stack)
    found = stack.findings()["queue-paused"]
    assert (found["severity"], found["remedy"]) == ("warning", f"headrace resume {stack.name}")


# The store


def test_a_wrong_key_is_found(stack: Stack) -> None:
    stack.change("storage", secret_key="not-the-key")
    found = stack.findings()
    assert (found["store-reach"]["severity"], found["store-key"]["severity"]) == ("ok", "fault")


def test_a_store_that_is_away_is_found(stack: Stack) -> None:
    stack.change("storage", endpoint=f"http://127.0.0.1:{free_ports(1)[0]}")
    assert stack.severity("store-reach") == "fault"


def test_a_missing_bucket_is_found(stack: Stack) -> None:
    async def remove(storage: S3Storage, _: JetStreamQueue) -> None:
        await storage.remove_bucket(stack.outputs)

    do(remove, stack)
    found = stack.findings()["store-buckets"]
    assert (found["severity"], found["found"]) == ("fault", f"missing: {stack.outputs}")


@dataclass
class Between:
    """Stands before the store: refuses some requests, changes its clock, takes every conditional put."""

    target: str
    denies: Callable[[Request], bool] = lambda _: False
    skew_seconds: float = 0.0
    takes_all: bool = False
    seen: list[Request] = field(default_factory=list)

    def handler(between) -> type[BaseHTTPRequestHandler]:  # noqa: N805  (the handler has a self)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                between.seen.append((self.command, self.path))
                if between.denies((self.command, self.path)):
                    self._answer(403, {"Content-Type": "application/xml"}, DENIED)
                    return
                if between.takes_all and "If-None-Match" in self.headers:
                    self._answer(200, {"ETag": '"taken"'}, b"")
                    return
                parts = urlsplit(between.target)
                with closing(HTTPConnection(parts.hostname or "", parts.port)) as store:
                    store.request(self.command, self.path, body, dict(self.headers.items()))
                    answer = store.getresponse()
                    self._answer(answer.status, dict(answer.headers.items()), answer.read())

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                kept = {n: v for n, v in headers.items() if n.lower() not in {"date", "transfer-encoding"}}
                kept |= {"Date": formatdate(time.time() + between.skew_seconds, usegmt=True)}
                if self.command != "HEAD":
                    kept |= {"Content-Length": str(len(body))}
                for name, value in kept.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        for method in ("GET", "PUT", "HEAD", "POST", "DELETE"):
            setattr(Handler, f"do_{method}", Handler._pass_on)
        return Handler


@contextmanager
def standing(between: Between, stack: Stack) -> Iterator[None]:
    """The stack reaches its store through it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), between.handler())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    stack.change("storage", endpoint=f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_key_that_may_not_read_a_bucket_is_found(stack: Stack) -> None:
    denies = lambda request: request[1].startswith(f"/{stack.inputs}")  # noqa: E731  (one line)
    with standing(Between(stack.settings.storage.endpoint, denies), stack):
        found = stack.findings()["store-read"]
    assert found["severity"] == "fault"
    assert found["remedy"] == f"give the key the rights s3:ListBucket and s3:GetObject on {stack.inputs}"


def test_a_key_that_may_not_write_is_found_only_where_writing_is_allowed(stack: Stack) -> None:
    denies = lambda request: request[0] in {"PUT", "POST"}  # noqa: E731  (one line)
    between = Between(stack.settings.storage.endpoint, denies)
    with standing(between, stack):
        assert stack.severity("store-write") == "skipped"
        assert {method for method, _ in between.seen} <= {"GET", "HEAD"}, "nothing is written without leave"
        found = stack.findings("--write")
    assert found["store-write"]["severity"] == "fault"
    assert found["store-write"]["remedy"] == f"give the key the right s3:PutObject on {stack.outputs}"
    assert found["store-conditional"]["severity"] == "fault"


def test_a_store_that_takes_a_second_create_only_put_is_found(stack: Stack) -> None:
    with standing(Between(stack.settings.storage.endpoint, takes_all=True), stack):
        found = stack.findings("--write")["store-conditional"]
    assert found["severity"] == "fault"
    assert "the second was taken" in found["found"]


@pytest.mark.parametrize(("skew", "severity"), [(60.0, "warning"), (-600.0, "fault")])
def test_a_stores_clock_that_is_off_is_found(stack: Stack, skew: float, severity: str) -> None:
    with standing(Between(stack.settings.storage.endpoint, skew_seconds=skew), stack):
        found = stack.findings()["clock-servers"]
    assert found["severity"] == severity
    assert found["remedy"] == "timedatectl set-ntp true  # on the store"
    assert "the queue agrees" in found["found"]


# This machine


def test_a_port_that_another_program_has_is_found_with_its_name(stack: Stack) -> None:
    stack.living = False
    with socket.create_server(("127.0.0.1", stack.settings.receiver.port)):
        found = stack.findings()["stack-ports"]
    assert found["severity"] == "warning"
    assert f"receiver, port {stack.settings.receiver.port} by " in found["found"]
    assert f"(process {os.getpid()})" in found["found"]


def test_a_full_disk_is_found(stack: Stack) -> None:
    disk = stack.folder / "state"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", disk], check=False)
    if mounted.returncode:
        leave_out("no right to mount a small disk")
    try:
        found = stack.findings()["machine-disk"]
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
    assert found["severity"] == "fault"
    assert found["remedy"].startswith(f"df -h {disk}")


def test_settings_that_are_none_are_found_and_the_rest_is_looked_at(stack: Stack) -> None:
    stack.write()
    (stack.folder / "state" / "settings.json").write_text("{")
    result = CliRunner().invoke(app, ["doctor", "--state", str(stack.folder / "state"), "--json"])
    found = {each["code"]: each["severity"] for each in json.loads(result.stdout)["findings"]}
    assert (result.exit_code, found["stack-settings"], found["machine-disk"]) == (1, "fault", "ok")


def test_a_faulty_function_is_found_and_the_others_are_looked_at(stack: Stack) -> None:
    write_function(stack.folder / "functions", "faulty", "  run: {}\n", {})
    found = stack.findings()
    assert found["stack-functions"]["severity"] == "fault"
    assert found["stack-functions"]["remedy"] == f"headrace function check {stack.folder / 'functions'}"
    assert found["queue-streams"]["found"] == f"there: {stack.name}"


def test_a_bundle_holds_findings_and_logs_and_no_secret(stack: Stack) -> None:
    stack.write()
    logs = stack.folder / "state" / "logs"
    secret = stack.settings.storage.secret_key
    (logs / "receiver.log").write_text(f"the key is {secret}, alas\n")
    bundle = stack.folder / "help.tar.gz"
    stack.findings("--bundle", str(bundle))
    told = subprocess.run(["tar", "xzOf", bundle], capture_output=True, check=True).stdout.decode()
    assert "the key is (secret), alas" in told
    assert '"code": "queue-reach"' in told
    assert all(each not in told for each in stack.settings.secrets if each)
    assert bundle.stat().st_mode & 0o077 == 0
    again = CliRunner().invoke(app, ["doctor", "--bundle", str(bundle)])
    assert (again.exit_code, "exists and is left as it is" in again.stderr) == (2, True)
