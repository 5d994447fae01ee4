"""`headrace results` with a folder: what is saved, what is there already, what is named as missing."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headrace.cli.main import app
from headrace.cli.since import parse_since, parse_span
from headrace.model.errors import ConfigurationError
from headrace.model.record import Ending, Output, Record
from headrace.operations.fetch import Fate, fetch_all
from headrace.operations.rerun import rerun
from tests.fixtures.world import NOW, World, installed


@pytest.fixture
def world() -> World:
    return do(World(installed("echo"), installed("other")).open())


def do(step: Any) -> Any:
    return asyncio.run(step)


def headrace(world: World, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], obj=world.session)


def work(world: World, key: str, output: bytes = b"{}") -> Record:
    """A file that is put and worked, some time after the one before."""
    world.time += 10
    return do(world.finish(do(world.upload(key)), output=output))


def fates(result: Result) -> list[tuple[str, str]]:
    return [(Path(each["path"]).name, each["fate"]) for each in json.loads(result.stdout)["fetched"]]


def test_results_of_files_that_were_put_are_saved_and_not_loaded_again(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        work(world, f"echo/{name}.dcm", output=name.encode())
    out = tmp_path / "out"
    result = headrace(world, "results", "echo", "--output", out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"saved {out / 'a.dcm.json'}",
        f"saved {out / 'b.dcm.json'}",
        f"2 files of echo saved in {out}, 2 B",
    ]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "a.dcm.json": b"a",
        "b.dcm.json": b"b",
    }
    (out / "b.dcm.json").unlink()
    result = headrace(world, "results", "echo", "--output", out)
    assert result.stdout.splitlines() == [
        f"saved {out / 'b.dcm.json'}",
        f"1 file of echo saved in {out}, 1 B; 1 there already",
    ]


@pytest.mark.parametrize("content", [b"mine", b"m"], ids=["another size", "the same size"])
def test_another_local_file_is_left_as_it_is_unless_it_shall_be_replaced(
    world: World, tmp_path: Path, content: bytes
) -> None:
    work(world, "echo/a.dcm", output=b"a")
    mine = tmp_path / "a.dcm.json"
    mine.write_bytes(content)
    result = headrace(world, "results", "echo", "--output", tmp_path)
    assert (result.exit_code, mine.read_bytes()) == (1, content)
    assert result.stderr == (
        f"s3://results/echo/a.dcm.json is not saved in {mine}: another file is there, and was left as it is; "
        "--overwrite replaces it\n"
    )
    assert result.stdout == f"0 files of echo saved in {tmp_path}, 0 B; 1 not saved\n"
    assert headrace(world, "results", "echo", "--output", tmp_path, "--overwrite").exit_code == 0
    assert mine.read_bytes() == b"a"


def test_a_file_that_was_copied_by_other_means_is_known_by_its_content(world: World, tmp_path: Path) -> None:
    work(world, "echo/a.dcm", output=b"a")
    (tmp_path / "a.dcm.json").write_bytes(b"a")
    os.utime(tmp_path / "a.dcm.json", (1, 1))
    assert fates(headrace(world, "results", "echo", "--output", tmp_path, "--json")) == [
        ("a.dcm.json", "there")
    ]


@pytest.mark.parametrize(
    ("named", "saved"),
    [
        (["echo/a.dcm"], ["a.dcm.json"]),
        (["s3://uploads/echo/b/c.dcm"], ["c.dcm.json"]),
        (["echo/b/", "echo/a.dcm"], ["a.dcm.json", "c.dcm.json"]),
        (["--newest", "1"], ["c.dcm.json"]),
        (["--since", "5s"], ["c.dcm.json"]),
        ([], ["a.dcm.json", "c.dcm.json"]),
    ],
)
def test_only_what_is_asked_for_is_saved(
    world: World, tmp_path: Path, named: list[str], saved: list[str]
) -> None:
    work(world, "echo/a.dcm")
    work(world, "echo/b/c.dcm")
    result = headrace(world, "results", "echo", *named, "--output", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == saved


def test_a_task_is_named_by_its_id(world: World, tmp_path: Path) -> None:
    work(world, "echo/b.dcm")
    task = work(world, "echo/a.dcm").task
    assert headrace(world, "results", "echo", task.id, "--output", tmp_path).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm.json"]


def test_files_without_a_result_are_named_with_the_reason(world: World, tmp_path: Path) -> None:
    work(world, "echo/a.dcm")
    do(world.fail(do(world.upload("echo/bad.dcm")), reason="exit code 7"))
    do(world.upload("echo/waits.dcm"))
    named = ("echo/a.dcm", "echo/bad.dcm", "echo/waits.dcm", "echo/none.dcm", "echo/none/")
    result = headrace(world, "results", "echo", *named, "--output", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "s3://uploads/echo/bad.dcm: no result: failed after 3 attempts: exit code 7",
        "echo/waits.dcm: no result: it has not ended yet",
        (
            "echo/none.dcm: no result: it has no such task, or it has not been queued yet; "
            "`headrace explain` tells"
        ),
        "echo/none/: no result: no file below it has ended",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm.json"]
    whole = headrace(world, "results", "echo", "--output", tmp_path)
    assert (whole.exit_code, "bad.dcm: no result" in whole.stderr) == (0, True), "nobody asked for that file"
    listed = headrace(world, "results", "echo", "echo/bad.dcm", "--json")
    assert (listed.exit_code, [each["file"] for each in json.loads(listed.stdout)["lacking"]]) == (
        1, ["s3://uploads/echo/bad.dcm"],
    )  # fmt: skip


def test_an_older_version_of_a_file_that_failed_since_is_no_silent_answer(
    world: World, tmp_path: Path
) -> None:
    work(world, "echo/a.dcm")
    world.time += 10
    do(world.fail(do(world.upload("echo/a.dcm", content=b"another"))))
    result = headrace(world, "results", "echo", "echo/a.dcm", "--output", tmp_path)
    assert (result.exit_code, "a.dcm: no result: failed" in result.stderr) == (1, True)


def test_many_files_without_a_result_are_counted(world: World, tmp_path: Path) -> None:
    for number in range(12):
        do(world.fail(do(world.upload(f"echo/{number}.dcm")), Ending.FAILED))
    told = headrace(world, "results", "echo", "--output", tmp_path).stderr.splitlines()
    assert (len(told), told[-1]) == (11, "2 more files without a result")


def test_what_its_final_key_no_longer_holds_is_named(world: World, tmp_path: Path) -> None:
    for name in ("gone", "other"):
        work(world, f"echo/{name}.dcm")
    do(world.storage.delete("results", ["echo/gone.dcm.json"]))
    do(world.storage.put("results", "echo/other.dcm.json", b"by hand"))
    result = headrace(world, "results", "echo", "--output", tmp_path)
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert [line.rpartition(": ")[2] for line in result.stderr.splitlines()] == [
        "not published yet, or deleted since",
        "overwritten since, by another version, run or function",
    ]


def test_of_several_runs_the_one_that_is_published_is_saved(world: World, tmp_path: Path) -> None:
    work(world, "echo/a.dcm", output=b"old")
    do(rerun(world.stack, "echo", now=NOW))
    (task,) = do(world.queue.tasks("echo", 1))
    do(world.finish(task, output=b"new"))  # in the very second of the first one's record
    found = headrace(world, "results", "echo", "--output", tmp_path, "--json")
    assert sorted(fates(found)) == [("a.dcm.json", "older"), ("a.dcm.json", "saved")]
    assert (found.exit_code, (tmp_path / "a.dcm.json").read_bytes()) == (0, b"new")


async def test_a_name_that_leads_out_of_the_folder_is_not_saved(tmp_path: Path) -> None:
    world = await World().open()
    record = await world.finish(await world.upload("echo/a.dcm"))
    (output,) = record.outputs
    outputs = (Output(**{**output.model_dump(), "name": "../a.json"}), output)
    (out, inside) = await fetch_all(
        world.stack, [record.model_copy(update={"outputs": outputs})], tmp_path / "folder"
    )
    assert (out.fate, inside.fate) == (Fate.OUTSIDE, Fate.SAVED)
    assert not (tmp_path / "a.json").exists()


def test_a_folder_that_can_not_be_written_is_no_traceback(world: World, tmp_path: Path) -> None:
    work(world, "echo/a.dcm")
    (tmp_path / "file").write_text("")
    result = headrace(world, "results", "echo", "--output", tmp_path / "file" / "below")
    assert (result.exit_code, "can't be written (Not a directory)" in result.stderr) == (2, True)


def test_files_are_named_or_bounded(world: World) -> None:
    result = headrace(world, "results", "echo", "echo/a.dcm", "--newest", "1")
    assert (result.exit_code, "found files beside --newest or --since" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", NOW - 30), ("15m", NOW - 900), ("2h", NOW - 7200), ("7d", NOW - 7 * 86400),
        ("1970-01-02T00:00+00:00", 86400.0), ("1970-01-02T00:00:30Z", 86430.0),
    ],
)  # fmt: skip
def test_since_is_an_age_or_a_moment(text: str, moment: float) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "1", "2026-05-01", "0d", "d"])
def test_a_span_is_nothing_but_a_span(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"found --every .*, allowed a span such as 30m, 2h or 7d"):
        parse_span(text, "--every")


@pytest.mark.parametrize("text", ["", "yesterday", "7 d", "-2h", "2026-13-01", "1e3"])
def test_any_other_since_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed an age such as 30m"):
        parse_since(text, NOW)
