"""The worker's decisions, as tables: what a failure leads to, how far to look ahead, which limit is hit."""

import json
import os
from collections import deque
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from headrace.model.errors import ConfigurationError, RejectedError
from headrace.model.function import Function
from headrace.model.record import AttemptNote
from headrace.model.task import Task
from headrace.notification import read_delivery
from headrace.worker.attempt import (
    Cause,
    Folder,
    GiveUp,
    Outcome,
    Retry,
    Staged,
    after_failure,
    attempt_number,
    before_start,
    event_document,
    is_first,
    shell_environment,
    task_environment,
)
from headrace.worker.folders import TaskFolders
from headrace.worker.limits import LOG_BYTES, Limits, Usage, exceeded
from headrace.worker.outputs import publications, written_files
from headrace.worker.pace import MOST_AHEAD, files_ahead, moving_average, take_batch
from headrace.worker.secrets import Redactor, read_secrets

FAILED = Outcome(Cause.EXIT_CODE, "exit code 1")
TASK = Task(
    id="t", function="f", bucket="in", key="echo/x/a.dcm", etag="e", size=3, received=1_700_000_000.25
)


def note(*failures: str, started: int = 0, ended: int = 0) -> AttemptNote:
    return AttemptNote(failures=failures, started=started, ended=ended)


@pytest.mark.parametrize(
    ("deliveries", "run", "late", "first"),
    [
        pytest.param(1, 0, 0.4, True, id="notified at once"),
        pytest.param(1, 0, -0.9, True, id="the store's clock is ahead, or tells whole seconds"),
        pytest.param(1, 0, 2.0, False, id="notified late: perhaps once more"),
        pytest.param(1, 0, -60.0, False, id="clocks differ: nothing is known"),
        pytest.param(2, 0, 0.4, False, id="delivered before"),
        pytest.param(1, 1, 0.4, False, id="run anew by a person"),
    ],
)
def test_only_a_prompt_first_delivery_is_taken_for_the_first(deliveries, run, late, first):
    task = TASK.model_copy(update={"run": run})
    assert is_first(task, deliveries, TASK.received - late) is first


@pytest.mark.parametrize(
    ("before", "deliveries", "verdict"),
    [
        pytest.param(note(), 1, note(), id="a first delivery costs no mark"),
        pytest.param(note(), 2, note(started=1), id="a second delivery is marked"),
        pytest.param(note(started=9), 12, note(started=10), id="nine lost workers are not ten"),
        pytest.param(note(started=10), 13, GiveUp("killed its worker 10 times", 10), id="ten lost workers"),
        pytest.param(
            note("x", started=11, ended=1), 13, GiveUp("killed its worker 10 times", 11), id="and a failure"
        ),
    ],
)
def test_starts_are_marked_and_bounded_once_a_lease_was_lost(before, deliveries, verdict):
    assert before_start(before, deliveries=deliveries, lost_leases=10) == verdict


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        pytest.param(note(), Retry(note("exit code 1"), 1.0), id="first failure"),
        pytest.param(note("x"), Retry(note("x", "exit code 1"), 2.0), id="the delay doubles"),
        pytest.param(note("x", "y"), GiveUp("exit code 1", 3), id="the third of three"),
        pytest.param(
            note(started=2),
            Retry(note("exit code 1", started=2, ended=1), 1.0),
            id="a marked start has ended",
        ),
    ],
)
def test_a_lone_failure_is_retried_until_the_last_attempt(before, verdict):
    assert after_failure(before, FAILED, attempts=3, retry_seconds=1.0) == verdict


LOST = Outcome(Cause.GPU_LOST, "GPU server a:1 does not answer")


def test_a_server_that_dies_is_told_as_a_failure_and_is_no_attempt_of_the_file():
    after = note("exit code 1", LOST.reason).model_copy(update={"lost_gpus": 1})
    before = note("exit code 1")
    assert after_failure(before, LOST, attempts=2, retry_seconds=1.0) == Retry(after, 1.0)
    assert after_failure(after, FAILED, attempts=2, retry_seconds=1.0) == GiveUp("exit code 1", 3)


def test_servers_that_die_again_and_again_have_a_bound():
    many = note(*[LOST.reason] * 9).model_copy(update={"lost_gpus": 9})
    assert after_failure(many, LOST, attempts=1, retry_seconds=1.0) == GiveUp(LOST.reason, 10)


def test_the_attempts_number_counts_failures_and_lost_workers():
    assert [attempt_number(n) for n in (note(), note("x"), note("x", started=3, ended=1))] == [1, 2, 4]


@pytest.mark.parametrize(
    ("seconds", "batch", "ahead"),
    [(None, 8, 8), (0.3, 1, 7), (10.0, 1, 1), (10.0, 8, 8), (0.001, 1, MOST_AHEAD), (0.0, 1, MOST_AHEAD)],
)
def test_a_worker_looks_two_seconds_ahead_one_batch_at_least(seconds, batch, ahead):
    assert files_ahead(seconds, prefetch_seconds=2.0, batch_files=batch) == ahead


@pytest.mark.parametrize(
    ("ready", "most", "batch", "left"),
    [
        ("abc", 2, "ab", "c"),
        ("abc", 8, "abc", ""),
        ("Abc", 8, "A", "bc"),
        ("aBc", 8, "a", "Bc"),
        ("AB", 8, "A", "B"),
    ],
)
def test_a_batch_never_holds_a_file_that_must_be_alone(ready, most, batch, left):
    queue = deque(ready)
    assert take_batch(queue, most, str.isupper) == list(batch)
    assert queue == deque(left)


def test_the_average_starts_with_the_first_file_and_moves_slowly():
    assert moving_average(None, 5.0) == 5.0
    assert moving_average(5.0, 10.0) == 6.0


LIMITS = Limits(seconds=10.0, memory_bytes=2**20, disk_bytes=2**20)


@pytest.mark.parametrize(
    ("usage", "cause"),
    [
        (Usage(10.0, 2**20, 2**20, LOG_BYTES), None),
        (Usage(10.1, 0, 0, 0), Cause.TIME_OUT),
        (Usage(0, 2**20 + 1, 0, 0), Cause.MEMORY),
        (Usage(0, 0, 2**20 + 1, 0), Cause.DISK),
        (Usage(0, 0, 0, LOG_BYTES + 1), Cause.DISK),
    ],
)
def test_a_limit_is_passed_only_above_it(usage, cause):
    outcome = exceeded(usage, LIMITS)
    assert (outcome.cause if outcome else None) == cause


def test_a_task_gets_oscars_variables_and_ours():
    staged = Staged(TASK, Folder(Path("/t")), Path("/t/input/a.dcm"), 2)
    found = task_environment(staged)
    event = found.pop("EVENT")
    assert found == {
        "INPUT_FILE_PATH": "/t/input/a.dcm",
        "TMP_INPUT_DIR": "/t/input",
        "TMP_OUTPUT_DIR": "/t/output",
        "STORAGE_OBJECT_KEY": "echo/x/a.dcm",
        "EVENT_TIME": "2023-11-14T22:13:20.250Z",
        "JOB_UUID": "f-t",
        "HEADRACE_TASK_ID": "t",
        "HEADRACE_ATTEMPT": "2",
    }
    document = json.loads(event)
    (record,) = document.pop("Records")
    assert document == {"EventName": "s3:ObjectCreated:Put", "Key": "in/echo/x/a.dcm"}
    assert (record["eventSource"], record["eventTime"]) == ("minio:s3", "2023-11-14T22:13:20.250Z")
    assert record["s3"]["bucket"]["name"] == "in"
    assert record["s3"]["object"]["key"] == "echo/x/a.dcm"


@pytest.mark.parametrize("key", ["a/b c+d%2F.png", "größe/\N{GRINNING FACE}.dcm", "line\nbreak", "a/b"])
def test_the_key_in_event_is_read_by_who_reads_s3s_notifications(key):
    event = event_document(TASK.model_copy(update={"key": key}))
    assert [each.key for each in read_delivery(event.encode()).created] == [key]
    assert unquote_plus(json.loads(event)["Records"][0]["s3"]["object"]["key"]) == key


def test_shell_variables_are_quoted():
    assert shell_environment({"A": "it's $HOME\n`x`"}) == "export A='it'\"'\"'s $HOME\n`x`'\n"


FUNCTION = Function.from_json(
    '{"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "f"}, "spec": {'
    '"run": {"script": "s.sh"}, "input": [{"bucket": "uploads", "prefix": "echo/"}],'
    '"output": [{"bucket": "results", "prefix": "r/", "suffix": [".json"]}, {"bucket": "all"}]}}'
)


def test_outputs_are_the_regular_files_at_each_destination_that_takes_them(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "sub" / "b.png").write_text("png")
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    found = publications(FUNCTION, TASK.model_copy(update={"bucket": "real-in"}), written_files(tmp_path),
                         {"uploads": "real-in", "results": "real-out"})  # fmt: skip
    assert [(p.written.name, p.bucket, p.key) for p in found] == [
        ("a.json", "real-out", "r/x/a.json"),
        ("a.json", "all", "x/a.json"),
        ("sub/b.png", "all", "x/sub/b.png"),
    ]


def test_an_outputs_name_is_filtered_with_its_folders_and_the_inputs_folders_may_be_left_out(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").write_text("png")
    (tmp_path / "b.png").write_text("png")
    document = json.loads(FUNCTION.to_json())
    document["spec"]["output"] = [
        {"bucket": "flat", "prefix": "r/", "namePrefix": ["sub/"], "keepFolders": False},
        {"bucket": "top", "namePrefix": ["b"]},
    ]
    function = Function.from_json(json.dumps(document))
    task = TASK.model_copy(update={"bucket": "uploads"})
    found = publications(function, task, written_files(tmp_path), {})
    assert [(p.bucket, p.key) for p in found] == [("top", "x/b.png"), ("flat", "r/sub/b.png")]


def test_an_output_name_that_is_no_utf8_is_refused(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).touch()
    with pytest.raises(RejectedError, match="not UTF-8"):
        list(written_files(tmp_path))


def test_an_output_folder_that_became_a_link_is_refused(tmp_path):
    (tmp_path / "output").symlink_to("/etc")
    with pytest.raises(RejectedError, match="replaced by a link"):
        list(written_files(tmp_path / "output"))


def test_a_task_folder_is_used_again_and_empty(tmp_path):
    folders = TaskFolders(tmp_path)
    first = folders.take()
    (first.input / "a.bin").touch()
    (first.output / "sub").mkdir()
    (first.output / "sub" / "b").touch()
    (first.path / "log").touch()
    folders.give_back(first)
    again, other = folders.take(), folders.take()
    assert again == first
    assert other != first
    assert sorted(p.relative_to(again.path).as_posix() for p in again.path.rglob("*")) == ["input", "output"]


def test_emptying_a_task_folder_never_follows_a_link_that_a_function_left(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    folders = TaskFolders(tmp_path / "tasks")
    bent = folders.take()
    (bent.input / "link").symlink_to(precious)
    bent.output.rmdir()
    bent.output.symlink_to(precious)
    folders.give_back(bent)
    assert (precious / "file").exists()
    assert folders.take() != bent


def write_secret(folder: Path, text: str, mode: int = 0o600) -> None:
    path = folder / "token.env"
    path.write_text(text)
    path.chmod(mode)


def test_secrets_are_read_from_an_env_file(tmp_path):
    write_secret(tmp_path, "# comment\nTOKEN=abc=def\n\nOTHER=x\n")
    assert read_secrets(tmp_path, ["token"]) == {"TOKEN": "abc=def", "OTHER": "x"}


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [(None, 0, "no file"), ("A=b", 0o644, "mode 0644, allowed 0600"), ("A b", 0o600, "line 1 of")],
)
def test_a_secret_that_is_missing_open_or_malformed_is_refused(tmp_path, text, mode, told):
    if text is not None:
        write_secret(tmp_path, text, mode)
    with pytest.raises(ConfigurationError, match=told):
        read_secrets(tmp_path, ["token"])


def test_secret_values_never_reach_a_log():
    redactor = Redactor({"TOKEN": "s3cr3t-value", "SHORT": "abc", "LONGER": "s3cr3t-value-2"})
    assert redactor.hide("s3cr3t-value-2 s3cr3t-value abc") == "*** *** abc"
