"""The functions that files are matched against follow their folder, and remember when they came."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from headrace.events.deposit import Deposit
from headrace.events.roster import MOST_REST_SECONDS, Roster
from headrace.events.sources import FolderSource
from headrace.model.errors import (
    ConfigurationError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    TransientError,
)
from headrace.model.function import Function
from headrace.model.keys import function_key
from headrace.model.tenancy import tenant_of
from tests.unit.backup_bench import Source
from tests.unit.intake_bench import NOW, PLATFORM, Bench, Watched, function


def install(folder: Path, name: str, bucket: str = "uploads") -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "run.sh").write_text("true\n")
    (folder / name / "function.yaml").write_text(
        "apiVersion: headrace.dev/v1alpha1\nkind: Function\n"
        f"metadata: {{name: {name}}}\n"
        f"spec: {{run: {{script: run.sh}}, input: [{{bucket: {bucket}}}]}}\n"
    )


def roster_of(bench: Bench, folder: Path) -> Roster:
    return Roster(
        FolderSource(folder),
        bench.storage,
        Deposit(bench.queue, bench.settings.queue),
        platform_bucket=PLATFORM,
        clock=bench.now,
    )


def names(roster: Roster) -> list[str]:
    return [each.name for each in roster.functions]


async def test_a_function_that_comes_gets_its_stream_and_its_first_sight(tmp_path: Path) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    assert await roster.refresh() == ()
    install(tmp_path, "late")
    assert await roster.refresh() == ("late",)
    assert names(roster) == ["late"]
    assert [each.first_seen for each in roster.listed] == [bench.time]
    assert (await bench.queue.backlog("late")).tasks == 0
    assert json.loads(await bench.storage.read(PLATFORM, function_key("late"))) == {"firstSeen": bench.time}


async def test_the_first_sight_outlives_the_process(tmp_path: Path) -> None:
    bench = await Bench().open()
    install(tmp_path, "early")
    await roster_of(bench, tmp_path).refresh()
    seen, bench.time = bench.time, bench.time + 500
    again = roster_of(bench, tmp_path)
    await again.refresh()
    assert [each.first_seen for each in again.listed] == [seen]


async def test_a_changed_file_changes_the_function_and_not_its_first_sight(tmp_path: Path) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    install(tmp_path, "one")
    await roster.refresh()
    bench.time += 500
    install(tmp_path, "one", bucket="other-bucket")
    assert await roster.refresh() == ()
    assert roster.functions[0].spec.input[0].bucket == "other-bucket"
    assert roster.listed[0].first_seen == bench.time - 500


async def test_a_removed_function_goes(tmp_path: Path) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    install(tmp_path, "one")
    install(tmp_path, "two")
    await roster.refresh()
    (tmp_path / "one" / "function.yaml").unlink()
    await roster.refresh()
    assert names(roster) == ["two"]


async def test_a_file_with_faults_leaves_the_function_as_it_was_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    install(tmp_path, "one")
    await roster.refresh()
    (tmp_path / "one" / "function.yaml").write_text("spec: [")
    install(tmp_path, "two")
    assert await roster.refresh() == ("two",)
    assert names(roster) == ["one", "two"]
    assert str(tmp_path / "one") in caplog.text


async def test_a_renamed_function_is_another_one(tmp_path: Path) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    install(tmp_path, "one")
    await roster.refresh()
    install(tmp_path, "two")
    (tmp_path / "one" / "function.yaml").unlink()
    assert await roster.refresh() == ("two",)
    assert names(roster) == ["two"]


async def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    install(tmp_path, "one")
    await roster.refresh()
    file = tmp_path / "one" / "function.yaml"
    stamp = file.stat()
    file.write_text(file.read_text().replace("uploads", "UPLOADS"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    await roster.refresh()
    assert roster.functions[0].spec.input[0].bucket == "uploads"


async def test_a_first_sight_that_cannot_be_read_names_the_object(tmp_path: Path) -> None:
    bench = await Bench().open()
    await bench.storage.put(PLATFORM, function_key("one"), b"rubbish")
    install(tmp_path, "one")
    with pytest.raises(ConfigurationError, match=r"functions/one\.json"):
        await roster_of(bench, tmp_path).refresh()


async def test_what_fails_while_a_function_is_introduced_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> bool:
        raise TransientError("the store is away")

    bench = await Bench().open()
    install(tmp_path, "one")
    roster = roster_of(bench, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(bench.storage, "create", away)
        with pytest.raises(TransientError):
            await roster.refresh()
    assert names(roster) == []
    assert await roster.refresh() == ("one",)


async def test_a_function_with_more_workers_may_have_more_tasks_leased(tmp_path: Path) -> None:
    bench = await Bench().open()
    roster = roster_of(bench, tmp_path)
    install(tmp_path, "one")
    await roster.refresh()
    assert bench.queue._streams["one"].max_leased == bench.settings.queue.max_leased
    file = tmp_path / "one" / "function.yaml"
    file.write_text(file.read_text().replace("input:", "scale: {maxWorkers: 500}, input:"))
    assert await roster.refresh() == ()
    assert bench.queue._streams["one"].max_leased == 2000


class _Strict(Watched):
    """A queue that refuses streams of one tenant, as an account does that has as many as it may."""

    refuses = "lab"
    fault: HeadraceError = ConfigurationError("maximum number of streams reached")

    async def before(self, *call: Any) -> None:
        await super().before(*call)
        if call[0] == "ensure" and tenant_of(call[1]) == self.refuses:
            raise self.fault


async def test_a_tenant_whose_account_takes_no_more_streams_holds_up_nobody_else() -> None:
    bench = await Bench().open()
    queue = _Strict(bench.queue)
    own = function("echo")
    both = (own, own.owned_by("lab"), own.owned_by("other"))
    roster = Roster(
        Source(both), bench.storage, Deposit(queue, bench.settings.queue),
        platform_bucket=PLATFORM, clock=bench.now,
    )  # fmt: skip
    assert await roster.refresh() == ("echo", "other.echo")
    calls = len(queue.calls)
    assert await roster.refresh() == ()
    assert len(queue.calls) == calls, "it is not asked for again at once"
    bench.time += MOST_REST_SECONDS
    queue.refuses = ""
    assert await roster.refresh() == ("lab.echo",)
    assert names(roster) == ["echo", "lab.echo", "other.echo"]
    assert await roster.refresh() == ()


def _roster(bench: Bench, queue: Any, *functions: Function) -> tuple[Roster, Source]:
    source = Source(functions)
    deposit = Deposit(queue, bench.settings.queue)
    return Roster(source, bench.storage, deposit, platform_bucket=PLATFORM, clock=bench.now), source


@pytest.mark.parametrize(
    "fault", [TransientError("did not answer"), NotFoundError("no account"), ExistsError("another's")]
)
async def test_a_tenant_whose_account_fails_in_any_way_holds_up_nobody_else(
    fault: HeadraceError, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await Bench().open()
    queue = _Strict(bench.queue)
    queue.fault = fault
    own = function("echo")
    roster, _ = _roster(bench, queue, own, own.owned_by("lab"), own.owned_by("other"))
    assert await roster.refresh() == ("echo", "other.echo")
    assert f"function lab.echo gets no files: {fault}" in caplog.text


async def test_an_account_that_does_not_answer_is_asked_once_a_turn_and_each_time_later() -> None:
    bench = await Bench().open()
    queue = _Strict(bench.queue)
    queue.fault = TransientError("did not answer")
    lab = [function(name).owned_by("lab") for name in ("blur", "echo", "sharpen")]
    roster, _ = _roster(bench, queue, *lab)
    asked = []
    for _ in range(100):
        before = len(queue.calls)
        await roster.refresh()
        asked += [bench.time - NOW] * (len(queue.calls) - before)
        bench.time += 1
    assert asked == [0, 2, 6, 14, 30, 60, 90]
    queue.refuses = ""
    bench.time += MOST_REST_SECONDS
    assert await roster.refresh() == ("lab.blur", "lab.echo", "lab.sharpen")
    assert roster._resting == {}


@pytest.mark.parametrize("fault", [TransientError("did not answer"), ConfigurationError("refused")])
async def test_a_tenants_function_whose_change_is_not_taken_stays_as_it_was(
    fault: HeadraceError, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await Bench().open()
    queue = _Strict(bench.queue)
    queue.refuses, queue.fault = "", fault
    lab = function("echo").owned_by("lab")
    roster, source = _roster(bench, queue, lab)
    await roster.refresh()
    queue.refuses = "lab"
    changed = function("echo", {"bucket": "other"}, scale={"maxWorkers": 500}).owned_by("lab")
    source._functions = (changed,)
    assert await roster.refresh() == ()
    assert roster.functions == (lab,)
    assert roster.listed[0].first_seen == NOW
    assert f"function lab.echo stays as it was: {fault}" in caplog.text
    queue.refuses = ""
    bench.time += MOST_REST_SECONDS
    assert await roster.refresh() == ()
    assert roster.functions == (changed,)


async def test_a_first_sight_that_cannot_be_read_holds_up_only_its_tenants_function() -> None:
    bench = await Bench().open()
    await bench.storage.put(PLATFORM, function_key("lab.echo"), b"rubbish")
    own = function("echo")
    blur = function("blur").owned_by("lab")
    roster, _ = _roster(bench, bench.queue, own, blur, own.owned_by("lab"))
    assert await roster.refresh() == ("echo", "lab.blur")
    await bench.storage.delete(PLATFORM, [function_key("lab.echo")])
    bench.time += MOST_REST_SECONDS
    assert await roster.refresh() == ("lab.echo",)
    assert names(roster) == ["echo", "lab.blur", "lab.echo"]


async def test_a_tenants_function_that_goes_while_it_can_not_be_taken_is_not_tried_again() -> None:
    bench = await Bench().open()
    queue = _Strict(bench.queue)
    roster, source = _roster(bench, queue, function("echo").owned_by("lab"))
    await roster.refresh()
    source._functions = ()
    await roster.refresh()
    asked = len(queue.calls)
    bench.time += MOST_REST_SECONDS
    await roster.refresh()
    assert len(queue.calls) == asked


async def test_what_is_refused_to_the_stacks_own_is_told_as_before() -> None:
    bench = await Bench().open()
    queue = _Strict(bench.queue)
    queue.refuses = ""
    roster = Roster(
        Source((function("echo"),)), bench.storage, Deposit(queue, bench.settings.queue),
        platform_bucket=PLATFORM, clock=bench.now,
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="maximum number of streams"):
        await roster.refresh()
