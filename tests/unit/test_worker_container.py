"""Workers in pods, where no container is needed: folders, the function, secrets, and what is told."""

import ast
import asyncio
import json
import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from headrace.catalog.folder import Installed
from headrace.manifests.worker_pod import worker_settings
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, digest_of
from headrace.model.observation import Standing
from headrace.model.settings import QueueSettings, ReceiverSettings, Settings, StorageSettings
from headrace.model.task import Task
from headrace.queue.memory import MemoryQueue
from headrace.storage.memory import MemoryStorage
from headrace.worker.attempt import RETURNED, Cause, Folder, Outcome, Staged
from headrace.worker.build import build_worker
from headrace.worker.container import folders
from headrace.worker.container.folders import close_input, lay_out, take_results
from headrace.worker.container.pod import FILES, Pod, Volume
from headrace.worker.deployed import load_deployed
from headrace.worker.identity import Identity
from headrace.worker.leases import Leases
from headrace.worker.secrets import mounted_secrets
from headrace.worker.standing import APART_SECONDS, EVERY_SECONDS, Posture
from tests.fixtures.clock import VirtualClock
from tests.unit.test_worker_flow import Bench

TASK = Task(id="id", function="echo", bucket="in", key="a b", etag="e", size=1, received=0.0)


def function(**run: object) -> Function:
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo", "labels": {"team": "x"}},
        "spec": {"image": "i", "run": run, "input": [{"bucket": "uploads"}]},
    }
    return Function.from_json(json.dumps(document))


# What runs in the user's container


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=lambda path: path.name)
def test_what_is_copied_into_an_image_is_python_3_8(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }
    assert not any("headrace" in name for name in imported), "it finds nothing but the standard library"


# The shared folders


@pytest.fixture
def staged(tmp_path):
    before = os.umask(folders.UMASK)
    folder = Folder(tmp_path / "task")
    folder.input.mkdir(parents=True)
    folder.output.mkdir()
    file = folder.input / "a b"
    file.write_bytes(b"x")
    file.chmod(0o600)  # as a download leaves it
    yield Staged(TASK, folder, file, 1)
    os.umask(before)


def modes(folder: Folder) -> dict[str, str]:
    paths = [folder.path, *folder.path.rglob("*")]
    return {str(path.relative_to(folder.path)): f"{stat.S_IMODE(path.stat().st_mode):o}" for path in paths}


def test_a_script_writes_into_its_folders_its_input_and_its_log_and_nowhere_else(staged):
    lay_out(staged, script=True)
    assert modes(staged.folder) == {
        ".": "750", "input": "2770", "input/a b": "660", "environment": "640",
        "output": "2770", "scratch": "2770", "log": "660",
    }  # fmt: skip
    assert "export STORAGE_OBJECT_KEY='a b'\n" in staged.folder.environment.read_text()


def test_where_a_script_has_ended_only_the_supervisor_puts_an_input(staged):
    lay_out(staged, script=True)
    close_input(staged.folder)
    assert modes(staged.folder)["input"] == "2750"


def test_a_handler_writes_into_its_output_and_its_log_and_needs_no_more(staged):
    lay_out(staged, script=False)
    assert modes(staged.folder) == {
        ".": "750", "input": "750", "input/a b": "640", "output": "2770", "log": "660",
    }  # fmt: skip


def test_a_folder_that_is_used_again_is_laid_out_again(staged):
    for _ in range(2):
        lay_out(staged, script=True)
        staged.folder.log.write_text("old")
        take_results(staged.folder)
        (staged.folder.path / "written").rmdir()
    lay_out(staged, script=True)
    assert (modes(staged.folder)["output"], staged.folder.log.read_text()) == ("2770", "")


def test_results_are_taken_whole_and_with_their_folders(staged):
    lay_out(staged, script=False)
    output = staged.folder.output
    (output / "below" / "deep").mkdir(parents=True)
    (output / "empty").mkdir()
    (output / "a").write_bytes(b"1")
    (output / "below" / "deep" / "b").write_bytes(b"2")
    take_results(staged.folder)
    found = {str(p.relative_to(output)): p.read_bytes() for p in output.rglob("*") if p.is_file()}
    assert found == {"a": b"1", "below/deep/b": b"2"}
    assert stat.S_IMODE(output.stat().st_mode) == 0o700


def test_no_link_of_the_users_is_followed(staged, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "settings.json").write_text("password")
    lay_out(staged, script=False)
    output = staged.folder.output
    (output / "file").symlink_to(secret / "settings.json")
    (output / "folder").symlink_to(secret)
    (output / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(output / "pipe")
    (output / "good").write_text("result")
    take_results(staged.folder)
    assert [path.name for path in output.rglob("*")] == ["good"]


def test_what_is_put_in_place_of_a_result_afterwards_is_not_what_is_read(staged, tmp_path):
    lay_out(staged, script=False)
    output = staged.folder.output
    (output / "a").write_text("result")
    held = os.open(output, os.O_RDONLY)  # as a handler's process might
    take_results(staged.folder)
    os.unlink("a", dir_fd=held)
    os.symlink("/etc/hostname", "a", dir_fd=held)
    os.close(held)
    assert (output / "a").read_text() == "result"
    assert not (output / "a").is_symlink()


def test_where_no_link_is_allowed_a_result_is_copied(staged, monkeypatch):
    def refuse(*_arguments: object, **_named: object) -> None:
        raise PermissionError(1, "fs.protected_hardlinks")

    monkeypatch.setattr(os, "link", refuse)
    lay_out(staged, script=False)
    (staged.folder.output / "a").write_bytes(b"result")
    take_results(staged.folder)
    assert (staged.folder.output / "a").read_bytes() == b"result"


# The function and its secrets


def test_a_function_is_read_as_the_controller_wrote_it(tmp_path):
    written = function(script="s.sh", source="exit 0")
    (tmp_path / "function.yaml").write_bytes(written.to_json())
    assert load_deployed(tmp_path) == Installed(written, tmp_path, digest_of(written, {}))


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"kind": "Function", "added": 1}'])
def test_a_function_that_cannot_be_read_is_a_fault_of_the_installation(tmp_path, content):
    if content is not None:
        (tmp_path / "function.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"function\.yaml"):
        load_deployed(tmp_path)


def test_mounted_secrets_are_their_files_and_not_what_kubernetes_keeps_beside_them(tmp_path):
    data = tmp_path / "token" / "..2026"
    data.mkdir(parents=True)
    (data / "TOKEN").write_bytes(b"a\nb\xff")
    (tmp_path / "token" / "..data").symlink_to("..2026")
    (tmp_path / "token" / "TOKEN").symlink_to("..data/TOKEN")
    assert mounted_secrets(tmp_path, ["token"]) == {"TOKEN": "a\nb\N{REPLACEMENT CHARACTER}"}


def test_a_secret_that_is_not_mounted_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="secret 'token'"):
        mounted_secrets(tmp_path, ["token"])


def test_what_an_earlier_start_left_is_gone_and_the_mounted_folders_stay(tmp_path):
    before = os.umask(0)
    volume = Volume(tmp_path)
    for folder in (volume.work, tmp_path / "runner"):
        (folder / "left").mkdir(parents=True)
    inodes = [path.stat().st_ino for path in (volume.work, tmp_path / "runner")]
    volume.prepare(Installed(function(script="s.sh", source="exit 0"), tmp_path, "digest"))
    os.umask(before)
    assert [path.stat().st_ino for path in (volume.work, tmp_path / "runner")] == inodes
    assert [path.name for path in volume.work.iterdir()] == []
    files = {path.name: path.read_bytes() for path in (tmp_path / "runner").iterdir()}
    assert files == {path.name: path.read_bytes() for path in FILES} | {"script": b"exit 0"}


def pod_of(folder: Path, **run: object) -> Pod:
    settings = Settings(
        storage=StorageSettings(endpoint="e", access_key="a", secret_key="s"),
        queue=QueueSettings(url="u"),
        receiver=ReceiverSettings(port=1, token=""),
        worker=worker_settings().model_copy(update={"work_directory": str(folder)}),
    )
    installed = Installed(function(**run), folder, "digest")
    return Pod("w", installed, settings, MemoryStorage(now=lambda: 0.0), MemoryQueue(lambda: 0.0), {})


def test_an_image_that_serves_is_refused_on_one_machine(tmp_path):
    pod = pod_of(tmp_path, http={"port": 80})
    with pytest.raises(ConfigurationError, match=r"'echo' has run\.http, allowed handler or script on this"):
        build_worker(
            pod.installed, pod.settings, pod.storage, pod.queue,
            folder=tmp_path, secrets={}, now=lambda: 0.0, sole_parent=False,
        )  # fmt: skip


# The order to leave


@pytest.fixture
def umask():
    before = os.umask(0)
    yield
    os.umask(before)


ANSWERS = {"start": b'{"ready": 0}\n', "kill": b'{"killed": true}\n'}


async def users_container(folder: Path) -> None:
    """Process 1 of a container that has nothing to work, from its hello until it is told to end."""
    while not (folder / "started").exists():
        await asyncio.sleep(0)
    requests = os.open(folder / "work" / "pipes" / "requests", os.O_RDONLY | os.O_NONBLOCK)
    replies = os.open(folder / "work" / "pipes" / "replies", os.O_WRONLY)
    os.write(replies, b'{"hello": "me"}\n')
    said: list[str] = []
    while "end" not in said:
        await asyncio.sleep(0)
        with suppress(BlockingIOError):
            said = [line.split()[1] for line in os.read(requests, 1000).decode().splitlines()]
            os.write(replies, b"".join(ANSWERS.get(word, b"") for word in said))
    os.close(replies)
    os.close(requests)


@pytest.mark.usefixtures("umask")
async def test_who_was_told_to_leave_before_it_listened_ends_and_lets_no_container_start(tmp_path):
    (tmp_path / "leaving").touch()
    await pod_of(tmp_path, script="s", source="exit 0").serve(asyncio.Event())
    assert not (tmp_path / "started").exists()


@pytest.mark.usefixtures("umask")
async def test_a_users_container_that_missed_its_term_is_told_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.worker.container.pod.LOOK_SECONDS", 0.0)
    ended = asyncio.Event()
    serving = asyncio.create_task(pod_of(tmp_path, script="s", source="exit 0").serve(ended))
    container = asyncio.create_task(users_container(tmp_path))
    while not (tmp_path / "started").exists():
        await asyncio.sleep(0)
    (tmp_path / "leaving").touch()
    await container
    ended.set()
    await serving


# What a worker makes of it


async def test_a_file_whose_runner_is_gone_is_handed_back_and_no_attempt_of_it(tmp_path):
    bench = Bench(tmp_path, lambda held: Outcome(Cause.LEFT, "gone"))
    task = await bench.prepare()
    work = bench.work

    def leave(held):
        bench.worker.stop()
        return work(held)

    bench.work = leave
    await bench.worker.run()
    (lease,) = await bench.queue.pull("echo", 1, wait_seconds=0.0)
    assert (lease.task, lease.deliveries) == (task, 2)
    assert await bench.ledger.note(task) == type(await bench.ledger.note(task))()


async def test_a_worker_that_has_ended_has_told_that_it_holds_nothing(tmp_path):
    bench = Bench(tmp_path, lambda held: RETURNED)
    await bench.prepare()
    await bench.queue.standings()
    work = bench.work

    def told_last(held):
        bench.worker.stop()
        return work(held)

    bench.work = told_last
    await bench.worker.run()
    (told,) = (await bench.queue.standings()).values()
    assert (told.worker, told.held) == ("w1", 0)


class Holder:
    """A worker that holds what a test says."""

    def __init__(self, tmp_path: Path, clock: VirtualClock) -> None:
        self.told: list[Standing] = []
        identity = Identity(function(script="s"), "digest", "w1", clock.now, self._attempt)
        self.leases = Leases(identity, tmp_path, 30.0)
        self.posture = Posture(identity, self.leases, self._tell, sleep=clock.sleep)
        self._attempts = 0

    def _attempt(self) -> str:
        self._attempts += 1
        return str(self._attempts)

    async def _tell(self, standing: Standing) -> None:
        self.told.append(standing)

    def take(self):
        return self.leases.take(self)

    @property
    def task(self) -> Task:
        return TASK


def standing(held: int, since: float) -> Standing:
    return Standing(function="echo", worker="w1", held=held, since=since)


async def test_a_worker_tells_how_many_tasks_it_holds_and_since_when_it_holds_any(tmp_path):
    clock = VirtualClock(1000.0)
    holder = Holder(tmp_path, clock)
    await holder.posture.tell()
    clock.advance(1.0)
    first, second = holder.take(), holder.take()
    await holder.posture.tell()
    clock.advance(1.0)
    holder.leases.forget(first)
    await holder.posture.tell()
    holder.leases.forget(second)
    await holder.posture.tell()
    assert holder.told == [standing(0, 1000.0), standing(2, 1001.0), standing(1, 1001.0), standing(0, 1002.0)]


async def test_changes_are_told_by_themselves_those_of_one_moment_together_and_silence_is_broken(tmp_path):
    clock = VirtualClock(1000.0)
    holder = Holder(tmp_path, clock)
    telling = asyncio.create_task(holder.posture.keep_telling())
    await clock.sleep(1.0)
    held = [holder.take() for _ in range(50)]
    await clock.sleep(1.0)
    for each in held:
        holder.leases.forget(each)
        await clock.sleep(APART_SECONDS / 40)
    await clock.sleep(3 * EVERY_SECONDS)
    telling.cancel()
    assert [each.held for each in holder.told[:2]] == [0, 50]
    assert [each.held for each in holder.told[-3:]] == [0, 0, 0], "told again and again"
    assert len(holder.told) <= 2 + 14 + 3, "50 changes within 1.25 s are told a tenth of a second apart"
