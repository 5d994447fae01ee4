"""The console script against a real store and a real queue; the test plays receiver and worker."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headrace.catalog.folder import load_folder
from headrace.cli.main import app
from headrace.local.process import free_ports
from headrace.model.settings import QueueSettings, ReceiverSettings, Settings, StorageSettings, WorkerSettings
from headrace.queue.jetstream import JetStreamQueue
from headrace.storage.s3 import S3Storage
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.fixtures.world import World

COMMAND_SECONDS = 60.0


@dataclass(frozen=True)
class Shell:
    """Runs `headrace` on a state folder: in a thread, or as a process of its own, which takes longer."""

    state: Path

    async def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        environment = {"HEADRACE_STATE": str(self.state)}
        found = await asyncio.to_thread(CliRunner().invoke, app, list(map(str, arguments)), env=environment)
        return found.exit_code, found.stdout, found.stderr

    async def script(self, *arguments: str | Path) -> tuple[int, str, str]:
        """The same by the installed script."""
        command = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "headrace",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HEADRACE_STATE": str(self.state)},
        )
        out, err = await asyncio.wait_for(command.communicate(), COMMAND_SECONDS)
        assert command.returncode is not None
        return command.returncode, out.decode(), err.decode()

    async def document(self, *arguments: str | Path) -> Any:
        code, out, err = await self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    async def figures(self) -> dict[str, int]:
        """What status counts, without the zeros."""
        (found,) = (await self.document("status"))["functions"]
        names = ("waiting", "running", "done", "failed", "superseded", "gone", "purged")
        return {name: found[name] for name in names if found[name]}


def write_state(folder: Path, seaweed: SeaweedServer, nats_url: str, token: str, *, name: str) -> Settings:
    """What `headrace up` leaves for the other commands, and one function."""
    functions = folder / "functions" / name
    functions.mkdir(parents=True)
    (functions / "script.sh").write_text("exit 0\n")
    (functions / "function.yaml").write_text(
        "apiVersion: headrace.dev/v1alpha1\nkind: Function\n"
        f"metadata: {{name: {name}}}\n"
        "spec:\n  run: {script: script.sh}\n"
        "  input: [{bucket: uploads, prefix: in/, suffix: [.dcm]}]\n"
        "  output: [{bucket: results}]\n"
    )
    settings = Settings(
        storage=StorageSettings(
            endpoint=f"http://127.0.0.1:{seaweed.options.s3_port}",
            access_key=seaweed.options.access_key,
            secret_key=seaweed.options.secret_key,
        ),
        queue=QueueSettings(url=nats_url, token=token),
        receiver=ReceiverSettings(port=1, token="hook"),
        worker=WorkerSettings(work_directory=str(folder), secrets_directory=str(folder)),
        functions_directory=str(folder / "functions"),
        platform_bucket=f"{name}-platform",
        buckets={"uploads": f"{name}-uploads", "results": f"{name}-results"},
    )
    (folder / "settings.json").write_bytes(settings.to_json())
    return settings


@pytest.fixture
async def world(tmp_path: Path, seaweedfs: SeaweedServer, nats_server: NatsServer) -> AsyncIterator[World]:
    name = f"cli-{secrets.token_hex(4)}"
    settings = write_state(tmp_path, seaweedfs, nats_server.url, nats_server.token, name=name)
    storage = S3Storage(settings.storage)
    queue = JetStreamQueue.of(settings.queue)
    functions = load_folder(Path(settings.functions_directory))
    buckets, platform = settings.buckets, settings.platform_bucket
    yield await World(*functions, storage=storage, queue=queue, platform=platform, buckets=buckets).open()
    await queue.drop(name)
    await queue.close()
    await storage.close()


async def test_files_are_put_purged_replayed_worked_and_explained(world: World, tmp_path: Path) -> None:
    headrace, name = Shell(tmp_path), world.functions[0].function.name
    files = tmp_path / "files"
    files.mkdir()
    for number in range(3):
        (files / f"{number}.dcm").write_bytes(b"x" * number)
    put = await headrace.document("put", files, "s3://uploads/in/")
    assert [file["functions"] for file in put["files"]] == [[name]] * 3
    tasks = [await world.receive(file["key"], function=name) for file in put["files"]]
    assert (await headrace.document("pause", name))["paused"]
    assert await headrace.figures() == {"waiting": 3}

    assert len((await headrace.document("purge", name))["changed"]) == 3
    assert await headrace.figures() == {"purged": 3}
    assert len((await headrace.document("replay", name))["changed"]) == 3
    assert await world.queue.ids(name) == {task.id for task in tasks}
    assert await headrace.figures() == {"waiting": 3}

    await world.finish(tasks[1], log="hello\n")
    await world.fail(tasks[2], reason="exit code 7")
    assert await headrace.figures() == {"waiting": 1, "done": 1, "failed": 1}
    code, out, _ = await headrace("explain", f"s3://uploads/{tasks[0].key}")
    assert (code, "the function is paused" in out) == (0, True), "a logical bucket name does as well"
    code, out, _ = await headrace("explain", f"s3://{world.uploads}/{tasks[2].key}")
    assert (code, "reason    exit code 7" in out) == (0, True)
    (result,) = (await headrace.document("results", name))["results"]
    assert result["key"] == tasks[1].key
    saved = await headrace.document("results", name, tasks[1].key, "--output", tmp_path / "saved")
    assert [each["fate"] for each in saved["fetched"]] == ["saved"]
    assert (tmp_path / "saved" / "1.dcm.json").read_bytes() == b"{}"
    again = await headrace.document("results", name, "--output", tmp_path / "saved")
    assert [each["fate"] for each in again["fetched"]] == ["there"]
    assert (await headrace("logs", name, f"s3://uploads/{tasks[1].key}"))[:2] == (0, "hello\n")

    rerun = await headrace.document("rerun", name, "--prefix", "in/1")
    assert ([item["key"] for item in rerun["changed"]], rerun["run"]) == (["in/1.dcm"], 1)
    await world.queue.remove(name, tasks[0].id)
    await world.queue.remove(name, rerun["changed"][0]["taskId"])
    code, out, _ = await headrace("watch", "--until-done", "--interval", "0.5")
    assert (code, "1 done, 1 failed" in out) == (1, True), "a file has failed"


async def test_run_gives_the_result_of_a_worker(world: World, tmp_path: Path) -> None:
    headrace, name = Shell(tmp_path), world.functions[0].function.name
    (tmp_path / "a.dcm").write_bytes(b"clip")
    output = tmp_path / "out"
    running = asyncio.create_task(headrace.script("run", name, tmp_path / "a.dcm", "--output", output))
    while not (found := [info async for info in world.storage.list(world.uploads)]):
        assert not running.done(), running.result()
        await asyncio.sleep(0.05)
    await world.finish(await world.receive(found[0].key, function=name), output=b"result")
    code, out, err = await running
    assert (code, f"saved {output / 'a.dcm.json'}" in out) == (0, True), err
    assert (output / "a.dcm.json").read_bytes() == b"result"


@pytest.mark.parametrize("away", ["store", "queue"])
async def test_a_server_that_is_away_ends_a_command_with_exit_code_4(
    away: str, tmp_path: Path, world: World
) -> None:
    assert (await Shell(tmp_path).script("status"))[0] == 0
    settings = Settings.from_json((tmp_path / "settings.json").read_bytes())
    port = free_ports(1)[0]
    if away == "store":
        storage = settings.storage.model_copy(update={"endpoint": f"http://127.0.0.1:{port}"})
        settings = settings.model_copy(update={"storage": storage})
    else:
        queue = settings.queue.model_copy(update={"url": f"nats://127.0.0.1:{port}"})
        settings = settings.model_copy(update={"queue": queue})
    (tmp_path / "settings.json").write_bytes(settings.to_json())
    code, out, err = await Shell(tmp_path).script("status")
    told, where = err.splitlines()
    assert (code, out, told.startswith("headrace: ")) == (4, "", True), err
    assert where == f"see docs/troubleshooting.md#the-{away}-does-not-answer"


async def test_help_imports_nothing_that_takes_time() -> None:
    program = "import sys, headrace.cli.main; print(*sys.modules)"
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await command.communicate()
    loaded = out.decode().split()
    assert "typer" in loaded
    assert {"pydantic", "boto3", "obstore", "nats", "aiohttp", "matplotlib"}.isdisjoint(loaded)
