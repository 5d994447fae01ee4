"""A new function of each template runs at once, by real processes: its test passes, and fails rightly."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headrace.cli.main import app

SERVE = f"{sys.executable} server.py"


def headrace(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def new(folder: Path, kind: str) -> Path:
    assert headrace("function", "new", "mine", f"--{kind}", "--directory", folder).exit_code == 0
    return folder / "mine"


@pytest.mark.parametrize(
    ("kind", "result", "options"),
    [
        ("script", "hello.txt.size.txt", ()),
        ("handler", "hello.txt.json", ()),
        ("http", "hello.txt.json", ("--serve", SERVE)),
    ],
)
def test_the_test_of_a_new_function_passes(
    tmp_path: Path, kind: str, result: str, options: tuple[str, ...]
) -> None:
    folder = new(tmp_path, kind)
    tried = headrace("function", "test", folder, *options, "--output", tmp_path / "out")
    assert (tried.exit_code, tried.stdout) == (0, f"hello.txt: passed: {result}\n"), tried.stderr
    assert (tmp_path / "out" / "hello.txt" / result).is_file()
    assert headrace("function", "check", folder).exit_code == 0


def test_a_result_that_differs_fails_until_it_is_accepted(tmp_path: Path) -> None:
    folder = new(tmp_path, "script")
    (folder / "samples" / "hello.txt").write_text("more than before\n")
    failed = headrace("function", "test", folder)
    assert failed.exit_code == 1
    assert failed.stdout == "hello.txt: differs from what is expected: hello.txt.size.txt\n"
    assert [line.strip() for line in failed.stderr.splitlines()][-2:] == ["-6", "+17"]
    document = json.loads(headrace("function", "test", folder, "--json").stdout)
    assert (document["ok"], document["samples"][0]["passed"]) == (False, False)
    assert headrace("function", "test", folder, "--accept").exit_code == 0
    assert headrace("function", "test", folder).exit_code == 0


def test_a_sample_of_which_nothing_is_expected_only_has_to_run(tmp_path: Path) -> None:
    folder = new(tmp_path, "script")
    (folder / "samples" / "other.txt").write_text("x")
    tried = headrace("function", "test", folder)
    assert tried.exit_code == 0
    assert tried.stdout.splitlines()[1].startswith("other.txt: done: other.txt.size.txt; nothing is expected")
    (folder / "script.sh").write_text("echo wrong >&2; exit 3\n")
    failed = headrace("function", "test", folder)
    assert failed.exit_code == 1
    assert "wrong" in failed.stderr


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("self.send_error(422, 'no such thing')", "the server answered 422"),
        ("self.connection.close()", "the server does not answer"),
    ],
)
def test_a_server_that_refuses_a_file_fails_its_test(tmp_path: Path, body: str, reason: str) -> None:
    folder = new(tmp_path, "http")
    server = folder / "server.py"
    server.write_text(
        server.read_text().replace("data = self.rfile", f"return {body}\n        data = self.rfile")
    )
    failed = headrace("function", "test", folder, "--serve", SERVE)
    assert failed.exit_code == 1
    assert reason in failed.stdout


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    folder = new(tmp_path, "http")
    missing = headrace("function", "test", folder, "--serve", "no-such-program")
    assert (missing.exit_code, "correct --serve" in missing.stderr) == (2, True)
    ended = headrace(
        "function", "test", folder, "--serve", f"{sys.executable} -c 'raise SystemExit(\"no model\")'"
    )
    assert (ended.exit_code, "no model" in ended.stderr) == (1, True)


def test_one_local_file_is_worked_as_before(tmp_path: Path) -> None:
    folder, file = new(tmp_path, "handler"), tmp_path / "a.bin"
    file.write_bytes(b"abc")
    tried = headrace("function", "test", folder, "--file", file, "--output", tmp_path / "out", "--json")
    document = json.loads(tried.stdout)
    assert (tried.exit_code, document["state"]) == (0, "done")
    assert document["files"] == [str(tmp_path / "out" / "a.bin.json")]
