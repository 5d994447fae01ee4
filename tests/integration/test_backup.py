"""`headrace backup` and `restore` on real servers, killed in the middle: a lost stack goes on elsewhere.

The judge is that of the chaos tests (docs/chaos.md); the functions' journal goes on over both stacks.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from headrace.model.settings import Settings, StorageSettings
from headrace.model.task import task_id
from tests.e2e.evidence import Collector, list_keys, plain_client, read_journal
from tests.e2e.functions import FUNCTIONS, OTHER_RESULTS, RESULTS, UPLOADS, Work, write_functions
from tests.e2e.oracle import Upload, judge
from tests.e2e.uploads import Uploader, plan_files
from tests.fixtures.seaweedfs import SeaweedServer
from tests.stack import Stack, running

PLATFORM = "headrace"
FILES = 240
WORKERS = 2
WAIT_SECONDS = 120.0


def headrace(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """A command as a person starts it."""
    return subprocess.Popen(
        [Path(sys.executable).parent / "headrace", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
    )  # fmt: skip


def finished(process: "subprocess.Popen[str]") -> Any:
    """The document that a command prints."""
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    return json.loads(out)


def killed(process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> bool:
    """kill -9 once something is reached; False: it had ended by itself before."""
    deadline = time.monotonic() + WAIT_SECONDS
    while process.poll() is None and not reached():
        assert time.monotonic() < deadline, "neither reached nor ended"
        time.sleep(0.005)
    process.kill()
    process.communicate()
    return process.returncode == -9


async def until(reached: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not await reached():
        assert time.monotonic() < deadline, f"no {what} after {WAIT_SECONDS:g} s"
        await asyncio.sleep(0.1)


@dataclass
class Scene:
    """Functions with a journal outside of all stacks, what was uploaded, and a place of backups."""

    folder: Path

    def __post_init__(self) -> None:
        self.work = Work(self.folder / "journal", self.folder / "switch", (0.02, 0.05))
        write_functions(self.folder / "written", self.work, FUNCTIONS)
        self.place = self.folder / "place"

    def functions(self, stack: str) -> Path:
        """A stack's folder of functions: none have come yet."""
        path = self.folder / f"functions-{stack}"
        path.mkdir()
        return path

    def come(self, functions: Path) -> None:
        """Let the functions come."""
        for each in (self.folder / "written").iterdir():
            shutil.copytree(each, functions / each.name)

    def contents(self) -> int:
        """How much has been copied so far."""
        return sum(len(names) for _, _, names in os.walk(self.place / "contents"))

    def has(self, contents: int) -> bool:
        return self.contents() >= contents

    def lines(self) -> int:
        """Of the journal so far."""
        return len(read_journal(self.work.journal))

    def started(self, since: int) -> set[str]:
        """Tasks whose handler was started since the journal had so many lines."""
        lines = read_journal(self.work.journal)[since:]
        return {line["task"] for line in lines if line["what"] == "start"}


@dataclass(frozen=True)
class Store:
    """What lies in a stack's store, by a plain client."""

    client: Any

    @classmethod
    def of(cls, settings: Settings) -> "Store":
        storage = settings.storage
        return cls(plain_client(storage.endpoint, storage.access_key, storage.secret_key))

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """None where there is no such bucket."""
        try:
            return list_keys(self.client, bucket, prefix)
        except ClientError:
            return []

    def tasks(self) -> set[str]:
        """The ids of all tasks that have a record."""
        return {key.rpartition("/")[2].removesuffix(".json") for key in self.keys(PLATFORM, "records/")}

    def inputs(self) -> set[tuple[str, str]]:
        """Keys and ETags of the files that are there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=UPLOADS)
        return {(o["Key"], o["ETag"].strip('"')) for page in pages for o in page.get("Contents", ())}


def task_of(upload: Upload) -> str:
    return task_id(upload.function, upload.bucket, upload.key, upload.etag)


def processes(state: Path) -> Mapping[str, int]:
    """The servers of a stack, by name, as it tells."""
    found: Mapping[str, int] = json.loads((state / "stack.json").read_bytes())["processes"]
    return found


async def at_rest(stack: Stack) -> bool:
    return not any([(await stack.queue.backlog(name)).tasks for name in FUNCTIONS])


def back_up_with_kills(scene: Scene, state: Path) -> Any:
    """kill -9 after a few contents, in the middle, and near the end; then once to the end."""
    for more in (3, FILES // 3, FILES // 3):
        wanted = scene.contents() + more
        process = headrace("backup", scene.place, "--state", state)
        assert killed(process, partial(scene.has, wanted)), "it was to be killed before its end"
    report = finished(headrace("backup", scene.place, "--state", state, "--json"))
    assert finished(headrace("backup", scene.place, "--verify", "--json"))["faults"] == []
    return report["backup"]


def restore_with_kills(scene: Scene, state: Path, store: Store) -> Any:
    """kill -9 with a few files there, with half of them, with some records; then once to the end."""
    for there in (
        lambda: len(store.keys(UPLOADS)) >= 3,
        lambda: len(store.keys(UPLOADS)) >= FILES // 2,
        lambda: len(store.tasks()) >= FILES // 10,
    ):
        assert killed(headrace("restore", scene.place, "--state", state), there), (
            "to be killed before its end"
        )
    report = finished(headrace("restore", scene.place, "--state", state, "--json"))
    again = headrace("restore", scene.place, "--state", state)
    assert "the stack is not empty" in again.communicate(timeout=WAIT_SECONDS)[1]
    return report["restore"]


async def test_a_stack_that_is_lost_goes_on_elsewhere_from_its_backup(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    files = plan_files(FILES, seed=1)
    early, late = files[: FILES * 3 // 4], files[FILES * 3 // 4 :]
    functions = scene.functions("old")
    scene.come(functions)
    async with running(tmp_path / "old", functions, workers=WORKERS) as stack:
        store = Store.of(stack.settings)
        uploader = Uploader(store.client)
        await asyncio.to_thread(uploader.upload, early)
        before = uploader.uploads

        async def some_are_done() -> bool:
            return len(store.tasks()) > FILES // 6

        await until(some_are_done, "records")
        recorded = store.tasks()
        coming = asyncio.create_task(asyncio.to_thread(uploader.upload, late))
        await asyncio.to_thread(back_up_with_kills, scene, tmp_path / "old")
        await coming
    shutil.rmtree(tmp_path / "old")

    functions = scene.functions("new")
    async with running(tmp_path / "new", functions, workers=WORKERS) as stack:
        store = Store.of(stack.settings)
        await asyncio.to_thread(restore_with_kills, scene, tmp_path / "new", store)
        restored, inputs, since = store.tasks(), store.inputs(), scene.lines()
        assert recorded <= restored, "what had a record when the backup began has it"
        there = [u for u in uploader.uploads if (u.key, u.etag) in inputs or task_of(u) in restored]
        assert {u.place for u in before} <= {u.place for u in there}, "no file that was there is lost"
        first = processes(tmp_path / "new")["seaweedfs"]
        scene.come(functions)

        async def the_store_is_another() -> bool:
            return processes(tmp_path / "new").get("seaweedfs", first) != first

        # It starts anew once it has a further bucket to report, and the plain client repeats nothing.
        await until(the_store_is_another, "store that reports the functions' bucket")
        waited_for = {task_of(upload) for upload in there if (upload.key, upload.etag) in inputs}

        async def all_have_ended() -> bool:
            return waited_for <= store.tasks() and await at_rest(stack)

        await until(all_have_ended, "record of every file")
        assert scene.started(since) & restored == set(), "no file that had a record is worked again"
        collector = Collector(
            store.client,
            platform=PLATFORM,
            result_buckets=(RESULTS, OTHER_RESULTS),
            journal=scene.work.journal,
        )
        verdict = judge(await asyncio.to_thread(collector.gather, there))
        assert verdict.clean, str(verdict)


async def test_a_backup_in_another_store_holds_no_secret_and_may_not_lie_in_the_stacks_own(
    tmp_path: Path, seaweedfs: SeaweedServer
) -> None:
    scene = Scene(tmp_path)
    functions = scene.functions("old")
    scene.come(functions)
    place, other = f"b-{secrets.token_hex(6)}", seaweedfs.options.storage
    theirs = Store(plain_client(other.endpoint, other.access_key, other.secret_key))
    theirs.client.create_bucket(Bucket=place)
    access = environment_of(other)
    async with running(tmp_path / "old", functions, workers=1) as stack:
        state, target = ("--state", tmp_path / "old"), f"s3://{place}/lab"
        await asyncio.to_thread(Uploader(Store.of(stack.settings).client).upload, plan_files(6, seed=2))

        async def done() -> bool:
            return len(Store.of(stack.settings).tasks()) == 6

        await until(done, "records")
        first = finished(headrace("backup", target, *state, "--json", environment=access))["backup"]
        second = finished(headrace("backup", target, *state, "--json", environment=access))["backup"]
        assert (second["copied"]["objects"], second["unchanged"]["objects"]) == (
            0,
            first["copied"]["objects"],
        )
        address = stack.settings.storage.endpoint
        for endpoint in (address, address.replace("127.0.0.1", "localhost")):
            own = headrace(
                "backup", f"s3://{UPLOADS}", *state, "--endpoint", endpoint,
                environment=environment_of(stack.settings.storage),
            )  # fmt: skip
            assert "is in the very store that is to be backed up" in own.communicate(timeout=WAIT_SECONDS)[1]
        assert len(Store.of(stack.settings).keys(UPLOADS)) == 6, "nothing is left there"
        hidden = [each.encode() for each in stack.settings.secrets if each]
    bodies = [theirs.client.get_object(Bucket=place, Key=key)["Body"].read() for key in theirs.keys(place)]
    assert len(bodies) > 12
    assert not [secret for secret in hidden for body in bodies if secret in body]
    assert finished(headrace("backup", target, "--verify", "--json", environment=access))["faults"] == []

    functions = scene.functions("new")
    async with running(tmp_path / "new", functions, workers=1) as stack:
        state = ("--state", tmp_path / "new")
        restored = finished(headrace("restore", target, *state, "--json", environment=access))["restore"]
        assert (restored["records"], restored["renamed"]) == (6, 0)


def environment_of(storage: StorageSettings) -> dict[str, str]:
    """What the AWS command line reads."""
    return {
        "AWS_ENDPOINT_URL": storage.endpoint,
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
    }
