"""The commands print facts for people, one document for programs, and exit as documented."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headrace.cli.deferred import exit_code
from headrace.cli.docs import docs_base
from headrace.cli.main import app
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    FatalError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from headrace.model.record import Ending, Record
from headrace.model.task import Task
from headrace.scaler.explaining import Shortfall
from headrace.scaler.plan import Reason, ReasonCode
from tests.fixtures.world import NOW, World, installed

FILE = "s3://uploads/echo/a.dcm"


@pytest.fixture
def world() -> World:
    return asyncio.run(World(installed("echo"), installed("other")).open())


def do(step: Any) -> Any:
    return asyncio.run(step)


def headrace(world: World, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], obj=world.session)


async def keys(world: World, bucket: str = "uploads") -> list[str]:
    return sorted([info.key async for info in world.storage.list(bucket)])


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


# Status


def test_status_is_a_row_a_function(world: World) -> None:
    do(world.upload("echo/a.dcm"))
    do(world.fail(do(world.upload("echo/b.dcm"))))
    result = headrace(world, "status")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["function", "waiting", "running", "done", "failed", "other", "oldest", "workers"],
        ["echo", "1", "0", "0", "1", "0", "0.00", "s", "-"],
        ["other", "0", "0", "0", "0", "0", "-", "-"],
    ]


def test_status_as_a_document(world: World) -> None:
    world.workers, world.reasons = {"echo": 2}, {"echo": "files-wait"}
    assert document(headrace(world, "status", "--json")) == {
        "at": NOW,
        "functions": [
            {
                "function": name,
                "waiting": 0,
                "running": 0,
                "done": 0,
                "failed": 0,
                "superseded": 0,
                "gone": 0,
                "purged": 0,
                "oldestWaitSeconds": None,
                "bytesEstimate": 0,
                "paused": False,
                "queued": True,
                "workers": workers,
                "reason": reason,
            }
            for name, workers, reason in (("echo", 2, "files-wait"), ("other", 0, None))
        ],
    }


def test_status_tells_of_a_function_whose_workers_fit_nowhere(world: World) -> None:
    world.reasons = {"echo": "no-pool-fits", "other": "no-room"}
    lines = headrace(world, "status").stdout.splitlines()
    assert lines[1].endswith("no-pool-fits: `headrace explain echo` tells what it needs")
    assert lines[2].split()[-1] == "-"


# Changing commands


@pytest.mark.parametrize("command", ["replay", "rerun", "purge"])
def test_a_dry_run_says_would_and_the_command_says_what_it_did(world: World, command: str) -> None:
    task = do(world.upload("echo/a.dcm"))
    if command == "replay":
        do(world.fail(task))
    planned = headrace(world, command, "echo", "--dry-run").stdout.splitlines()
    done = headrace(world, command, "echo").stdout.splitlines()
    assert planned[0] == done[0]
    assert planned[0].startswith(f"{FILE}  ")
    assert "would be queued" in planned[1] or "would be taken out" in planned[1]
    assert done[1].startswith("1 file of echo ")
    assert "would" not in done[1]


def test_replay_as_a_document(world: World) -> None:
    failed, gone = do(world.upload("echo/a.dcm")), do(world.upload("echo/b.dcm"))
    do(world.fail(failed))
    do(world.fail(gone, Ending.GONE))
    assert document(headrace(world, "replay", "echo", "--task", failed.id, "--json")) == {
        "action": "replay",
        "function": "echo",
        "dryRun": False,
        "changed": [
            {
                "taskId": failed.id,
                "bucket": "uploads",
                "key": "echo/a.dcm",
                "reason": "failed: exit code 3",
            }
        ],
        "left": [],
        "run": None,
    }
    assert headrace(world, "replay", "echo").stdout.splitlines() == [
        "left: s3://uploads/echo/b.dcm  gone: the input was deleted; put it again",
        "0 files of echo queued again, 1 left",
    ]


def test_many_files_are_not_all_printed_but_all_documented(world: World) -> None:
    for number in range(25):
        do(world.upload(f"echo/{number:02}.dcm", content=b"x" * number))
    result = headrace(world, "purge", "echo", "--dry-run")
    assert result.stdout.splitlines()[20:] == [
        "… and 5 more",
        "25 files of echo would be taken out of the queue",
    ]
    assert len(document(headrace(world, "purge", "echo", "--json"))["changed"]) == 25


def test_pause_and_resume(world: World) -> None:
    do(world.upload("echo/a.dcm"))
    lines = [
        headrace(world, *arguments).stdout.strip()
        for arguments in (
            ("pause", "echo", "--dry-run"),
            ("pause", "echo"),
            ("pause", "echo"),
            ("resume", "echo"),
        )
    ]
    assert lines == [
        "echo would be paused, 1 file waiting",
        "echo is paused, 1 file waiting",
        "echo is paused already, 1 file waiting",
        "echo is running, 1 file waiting",
    ]
    assert document(headrace(world, "pause", "echo", "--json")) == {
        "function": "echo",
        "dryRun": False,
        "wasPaused": False,
        "paused": True,
        "waiting": 1,
    }


# Put


def test_put_by_function_names_the_functions_that_a_file_starts(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"clip")
    planned = headrace(world, "put", tmp_path / "a.dcm", "--function", "echo", "--dry-run")
    assert planned.stdout.splitlines() == [
        f"{FILE}  4 B  starts echo",
        "1 file would be uploaded, 4 B",
    ]
    assert do(keys(world)) == []
    assert document(headrace(world, "put", tmp_path / "a.dcm", "--function", "echo", "--json")) == {
        "dryRun": False,
        "files": [
            {
                "bucket": "uploads",
                "key": "echo/a.dcm",
                "size": 4,
                "etag": do(world.storage.head("uploads", "echo/a.dcm")).etag,
                "functions": ["echo"],
            }
        ],
    }


def test_put_to_an_address_uploads_folders_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.dcm", "sub/b.txt"):
        (tmp_path / name).write_bytes(b"x")
    result = headrace(world, "put", tmp_path, "s3://uploads/echo")
    assert result.stdout.splitlines() == [
        f"{FILE}  1 B  starts echo",
        "s3://uploads/echo/sub/b.txt  1 B  starts no function",
        "2 files uploaded, 2 B",
    ]
    assert do(keys(world)) == ["echo/a.dcm", "echo/sub/b.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.dcm"], "found none, allowed either"),
        (["a.dcm", "s3://uploads/echo/", "--function", "echo"], "found both, allowed either"),
        (["s3://uploads/echo/"], "found no file before the target"),
        (["a.dcm", "s3:///echo/"], "allowed s3://BUCKET/KEY"),
        (["missing.dcm", "s3://uploads/echo/"], "missing.dcm is no file or folder"),
        (["a.txt", "--function", "echo"], "'echo' does not take a.txt: the key does not end with '.dcm'"),
        (["a.dcm", "sub/a.dcm", "s3://uploads/"], "would have the same key"),
    ],
)
def test_put_refuses_what_it_can_not_place(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a.dcm", "a.txt", "sub/a.dcm"):
        (tmp_path / name).write_bytes(b"x")
    result = headrace(world, "put", *arguments)
    assert (result.exit_code, message in result.stderr, result.stdout) == (2, True, "")
    assert do(keys(world)) == []


# Run


def work(world: World, act: Callable[[World, Task], Awaitable[object]]) -> None:
    """Let the receiver queue the uploaded file and a worker act on it, once the command sleeps."""

    async def meanwhile() -> None:
        world.meanwhile = None
        (key,) = await keys(world)
        await act(world, await world.upload(key))

    world.meanwhile = meanwhile


def test_run_waits_for_the_result_and_saves_it(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"clip")
    work(world, lambda w, task: w.finish(task, output=b'{"view": 4}'))
    out = tmp_path / "out"
    result = headrace(world, "run", "echo", tmp_path / "a.dcm", "--output", out)
    assert (result.exit_code, result.stderr) == (0, "waiting for the store's notification\n")
    assert result.stdout.splitlines()[:2] == [
        "s3://results/echo/a.dcm.json  11 B",
        f"saved {out / 'a.dcm.json'}",
    ]
    assert (out / "a.dcm.json").read_bytes() == b'{"view": 4}'


def test_run_uses_a_folder_of_its_own_below_the_functions_input(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"clip")
    (file,) = document(headrace(world, "run", "echo", tmp_path / "a.dcm", "--dry-run", "--json"))["files"]
    assert file["key"].startswith("echo/run-")
    assert file["key"].endswith("/a.dcm")
    assert do(keys(world)) == []


def test_run_of_a_file_that_fails_prints_why_and_exits_with_1(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"clip")
    work(world, lambda w, task: w.fail(task, log="no pixel data\n"))
    result = headrace(world, "run", "echo", tmp_path / "a.dcm")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no pixel data\n" in result.stderr
    assert "failed after 3 attempts: exit code 3" in result.stderr


def test_run_as_a_document_holds_the_record(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"clip")
    work(world, lambda w, task: w.finish(task))
    found = document(headrace(world, "run", "echo", tmp_path / "a.dcm", "--json"))
    record = do(world.stack.records.find("echo", found["story"]["taskId"]))
    assert isinstance(record, Record)
    assert found["story"]["record"] == json.loads(record.to_json())
    assert (found["story"]["stage"], found["saved"], found["key"]) == ("done", [], record.task.key)


def test_run_exits_with_4_when_time_runs_out(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"clip")
    result = headrace(world, "run", "echo", tmp_path / "a.dcm", "--timeout", "5")
    assert (result.exit_code, "has not ended after 5 s" in result.stderr) == (4, True)
    assert 5 <= world.time - NOW < 6


# Watch


def test_watch_prints_a_line_a_look_until_all_is_done(world: World) -> None:
    task = do(world.upload("echo/a.dcm"))

    async def meanwhile() -> None:
        if world.time - NOW >= 5 and await world.queue.ids("echo"):
            await world.finish(task)

    world.meanwhile = meanwhile
    result = headrace(world, "watch", "--until-done")
    lines = [line.partition("  ")[2].partition(";")[0] for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines == [
        "echo: 1 waiting, 0 running, 0 done, 0 failed, 0.0 files/s",
        "echo: 0 waiting, 0 running, 1 done, 0 failed, 0.2 files/s",
        "echo: 0 waiting, 0 running, 1 done, 0 failed, 0.1 files/s",
    ]


def test_watch_prints_a_document_a_line(world: World) -> None:
    do(world.fail(do(world.upload("echo/a.dcm"))))
    result = headrace(world, "watch", "--until-done", "--json", "--interval", "1")
    looks = [json.loads(line) for line in result.stdout.splitlines()]
    assert [look["at"] - NOW for look in looks] == [0, 1, 2]
    assert (looks[0]["fault"], looks[0]["functions"][0]["failed"]) == (None, 1)
    assert looks[0]["functions"][0]["filesPerSecond"] == 0.0
    assert result.exit_code == 1, "a file has failed"


# Results, explain, logs


def test_results_are_a_line_each_and_a_document(world: World) -> None:
    record = do(world.finish(do(world.upload("echo/a.dcm"))))
    lines = headrace(world, "results", "echo").stdout.splitlines()
    assert lines[0].startswith("s3://results/echo/a.dcm.json  2 B  ")
    assert lines[0].endswith(f"  3.0 s  from {FILE}")
    assert lines[1] == "1 result of echo, 2 B"
    assert document(headrace(world, "results", "echo", "--json")) == {
        "function": "echo",
        "results": [
            {
                "function": "echo",
                "taskId": record.task.id,
                "run": 0,
                "bucket": "uploads",
                "key": "echo/a.dcm",
                "committed": NOW + 6,
                "seconds": 3.0,
                "output": json.loads(record.outputs[0].to_json()),
            }
        ],
        "lacking": [],
    }


def test_explain_tells_a_done_file(world: World) -> None:
    record = do(world.finish(do(world.upload("echo/a.dcm"))))
    lines = headrace(world, "explain", FILE).stdout.splitlines()
    assert lines[0] == FILE
    assert "echo: done" in lines
    assert f"  task      {record.task.id}" in lines
    assert "  attempt 1 started after 2.0 s, on w1" in lines
    assert "  output    s3://results/echo/a.dcm.json  2 B" in lines
    assert lines[-1] == "other: not taken: the key does not begin with 'other/'"


def test_explain_tells_a_failed_file_and_what_to_do(world: World) -> None:
    do(world.fail(do(world.upload("echo/a.dcm")), log="one\ntwo\n"))
    lines = headrace(world, "explain", FILE).stdout.splitlines()
    begin = lines.index("echo: failed")
    assert [line[2:12].strip() for line in lines[begin + 1 : -1]] == [
        "task", "received", "attempt 1", "attempt 2", "attempt 3", "failed", "reason", "log", "log", "next",
    ]  # fmt: skip
    assert lines[begin + 5] == "  attempt 3 failed: exit code 3"


def test_explain_tells_attempts_that_were_lost_with_their_workers(world: World) -> None:
    do(world.fail(do(world.upload("echo/a.dcm")), reason="killed its worker 1 times"))
    lines = headrace(world, "explain", FILE).stdout.splitlines()
    assert "  lost      1 attempt, whose worker was not heard of again" in lines
    assert not any(line.startswith("  attempt 3") for line in lines)


def test_explain_tells_why_nothing_is_done_for_a_file_that_waits(world: World) -> None:
    do(world.upload("echo/a.dcm"))
    assert "see " not in headrace(world, "explain", FILE).stdout
    bare = Shortfall(Reason(ReasonCode.NO_CAPACITY, "pool box: no node bears its label"), 1)
    world.unmet = {"echo": (bare,)}
    lines = headrace(world, "explain", FILE).stdout.splitlines()
    assert "  unmet     pool box: no node bears its label" in lines
    assert lines[-1] == f"see {docs_base()}/troubleshooting.md#files-wait-long"
    (task,) = document(headrace(world, "explain", FILE, "--json"))["tasks"]
    assert task["why"] == "pool box: no node bears its label"


def test_explain_as_a_document(world: World) -> None:
    task = do(world.upload("echo/a.dcm"))
    found = document(headrace(world, "explain", FILE, "--json"))
    assert (found["bucket"], found["key"], found["why"]) == ("uploads", "echo/a.dcm", None)
    assert [(each["taskId"], each["stage"], each["ahead"]) for each in found["tasks"]] == [
        (task.id, "queued", 0)
    ]
    assert found["misses"] == [
        {"function": "other", "reason": "the key does not begin with 'other/'"},
    ]


def test_explain_exits_with_3_for_what_nobody_knows(world: World) -> None:
    result = headrace(world, "explain", "s3://uploads/echo/none.dcm")
    assert (result.exit_code, "there is no object with this key" in result.stdout) == (3, True)


@pytest.mark.parametrize("address", ["uploads/echo/a.dcm", "s3://uploads", "s3://uploads/", "s3://"])
def test_explain_refuses_what_is_no_address(world: World, address: str) -> None:
    result = headrace(world, "explain", address)
    assert (result.exit_code, "allowed s3://BUCKET/KEY" in result.stderr) == (2, True)


def test_logs_print_the_log_alone_on_stdout(world: World) -> None:
    task = do(world.upload("echo/a.dcm"))
    do(world.finish(task, log="view: A4C\n"))
    for reference in (task.id, "echo/a.dcm", FILE):
        assert headrace(world, "logs", "echo", reference).stdout == "view: A4C\n"
    assert document(headrace(world, "logs", "echo", FILE, "--json"))["text"] == "view: A4C\n"
    assert headrace(world, "logs", "echo", "echo/none.dcm").exit_code == 3


def test_a_key_that_holds_control_characters_does_not_reach_the_terminal(world: World) -> None:
    do(world.upload("echo/\x1b[31m\n[red].dcm"))
    line = headrace(world, "purge", "echo", "--dry-run").stdout.splitlines()[0]
    assert line.startswith("s3://uploads/echo/\\x1b[31m\\n[red].dcm  ")


# Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (NotFoundError("x"), 3),
        (TransientError("x"), 4),
        (ChangedError("x"), 1),
        (RejectedError("x"), 1),
        (FatalError("x"), 1),
    ],
)
def test_every_error_has_its_exit_code(error: Any, code: int) -> None:
    assert exit_code(error) == code


def test_an_unknown_function_is_an_error_with_a_message_and_no_traceback(world: World) -> None:
    result = headrace(world, "pause", "ehco")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines() == [
        "headrace: function 'ehco' is not installed; installed: echo, other",
        f"see {docs_base()}/troubleshooting.md#a-function-is-not-installed",
    ]


def test_a_state_folder_without_a_stack_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--state", str(tmp_path)])
    assert (result.exit_code, "start one with `headrace up`" in result.stderr) == (2, True)


def test_a_faulty_settings_file_is_named_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"storage": {"secretKey": "hush", "endpoint": 1}}')
    result = CliRunner().invoke(app, ["status"], env={"HEADRACE_STATE": str(tmp_path)})
    assert (result.exit_code, "storage.endpoint" in result.stderr, "hush" in result.stderr) == (
        2,
        True,
        False,
    )
