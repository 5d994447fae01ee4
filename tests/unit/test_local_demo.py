"""What the demo finds in the store, and what its report says of it."""

import json
from pathlib import Path

import pytest

from headrace.local.audit import Upload, audit
from headrace.local.board import Board, DemoOptions, DemoRun, Tally
from headrace.local.demo import clear_old_state, count_endings, require_empty, summary
from headrace.local.evidence import Evidence, gather_evidence
from headrace.local.gallery import drawn_still
from headrace.local.measures import Scaling
from headrace.local.report import Source, render_report
from headrace.local.report_data import next_steps, report_data
from headrace.local.samples import Sample, derive_clips, read_index
from headrace.local.stack import Look
from headrace.local.state import StateDirectory
from headrace.model.errors import ConfigurationError, FatalError
from headrace.model.keys import MARK, failure_key, mark_of, record_key
from headrace.model.record import Ending, FailureRecord, Output, Record, Times
from headrace.model.task import Task
from headrace.operations.records import Records
from headrace.queue.memory import MemoryQueue
from headrace.scaler.explaining import Explanation, FunctionStory
from headrace.scaler.memory import UNSEEN
from headrace.scaler.plan import Plan, Reason, ReasonCode
from headrace.scaler.service import Decision
from headrace.scaler.snapshot import Snapshot
from headrace.storage.memory import MemoryStorage

RESULT = {
    "view": "four-chamber", "views": ["four-chamber", "short-axis"], "mean": [0.8, 0.2],
    "doppler": {"found": False}, "warnings": ["a still"], "seconds": {"inference": 0.25}, "model_sha256": "x",
}  # fmt: skip


def a_task(key: str, number: int) -> Task:
    return Task(
        id=f"{number:032x}", function="echo", bucket="uploads", key=key, etag="e", size=1, received=10.0
    )


class Store:
    """A store that a worker has left its results in."""

    def __init__(self) -> None:
        self.storage = MemoryStorage(now=lambda: 0.0)
        self.uploads: list[Upload] = []

    async def make(self) -> "Store":
        for bucket in ("platform", "results"):
            await self.storage.ensure_bucket(bucket)
        return self

    async def finish(self, name: str, *, mark: str | None = None) -> None:
        task = self._upload(name)
        outputs = []
        for suffix, body in (("json", json.dumps(RESULT).encode()), ("png", drawn_still(1))):
            key = f"echo/{name}.{suffix}"
            metadata = {MARK: mark or mark_of(task.id, "attempt")}
            etag = await self.storage.put("results", key, body, metadata=metadata)
            outputs.append(Output(name=f"{name}.{suffix}", bucket="results", key=key, staging_key="s",
                                  etag=etag, size=len(body)))  # fmt: skip
        times = Times(received=10.0, pulled=10.5, staged=10.6, started=11.0, finished=12.0, committed=12.5)
        record = Record(
            task=task, attempt="attempt", attempt_number=1, outputs=tuple(outputs), function_digest="d",
            worker="w", times=times, load_seconds=1.5, files_before=0,
        )  # fmt: skip
        await self.storage.create("platform", record_key("echo", task.id), record.to_json())

    async def fail(self, name: str) -> None:
        task = self._upload(name)
        record = FailureRecord(state=Ending.FAILED, task=task, reason="no pixel data", attempts=3,
                               function_digest="d", worker="w", ended=12.0)  # fmt: skip
        await self.storage.put("platform", failure_key("echo", task.id), b"{}")
        await self.storage.create("platform", record_key("echo", task.id), record.to_json())

    def _upload(self, name: str) -> Task:
        self.uploads.append(Upload("echo", "uploads", f"echo/{name}", 9.5))
        return a_task(f"echo/{name}", len(self.uploads))

    async def evidence(self) -> Evidence:
        return await gather_evidence(self.storage, "platform", ["echo"])

    async def run(self) -> DemoRun:
        found = await self.evidence()
        samples = [
            Sample("echo", Path("real.dcm"), Source.REAL, "the real clip", "four-chamber"),
            Sample("echo", Path("b.dcm"), Source.DERIVED, "mirrored", "four-chamber"),
        ]
        counted = audit(self.uploads, found.done, found.failures, unpublished=found.unpublished)
        return DemoRun(tuple(samples), tuple(self.uploads), found, counted, ((0.5, 1), (1.0, 2)), 9.5)


async def test_records_and_results_are_read_from_where_a_user_finds_them() -> None:
    store = await Store().make()
    await store.finish("real.dcm")
    await store.fail("b.dcm")
    found = await store.evidence()
    assert [(w.finding.view, w.finding.probability) for w in found.worked if w.finding] == [
        ("four-chamber", 0.8)
    ]
    assert found.worked[0].picture == drawn_still(1)
    assert [failure.reason for failure in found.failures] == ["no pixel data"]
    assert found.unpublished == ()


async def test_a_file_has_not_ended_while_its_task_is_in_the_queue() -> None:
    store, queue = await Store().make(), MemoryQueue(now=lambda: 0.0)
    records = Records(store.storage, "platform")
    await queue.ensure("echo", lease_seconds=60, max_leased=8)
    await queue.put(a_task("echo/a.dcm", 1))
    (lease,) = await queue.pull("echo", 1, wait_seconds=0)
    await store.finish("a.dcm")  # its record is there; its worker may be publishing yet
    publishing = await count_endings(records, queue, ["echo"])
    assert (publishing, publishing.covers(1)) == (Tally(done=1, queued=1), False)
    await lease.done()
    await store.fail("b.dcm")
    ended = await count_endings(records, queue, ["echo"])
    assert (ended, ended.covers(2), ended.covers(3)) == (Tally(done=1, failed=1), True, False)


async def test_a_result_of_another_attempt_is_found_out() -> None:
    store = await Store().make()
    await store.finish("a.dcm", mark="another/attempt")
    assert (await store.evidence()).unpublished == ("results/echo/a.dcm.json", "results/echo/a.dcm.png")


async def test_a_result_that_is_gone_or_changed_is_found_out() -> None:
    store = await Store().make()
    await store.finish("a.dcm")
    await store.storage.delete("results", ["echo/a.dcm.json"])
    await store.storage.put(
        "results", "echo/a.dcm.png", b"other", metadata={MARK: mark_of("0" * 31 + "1", "attempt")}
    )
    found = await store.evidence()
    assert found.unpublished == ("results/echo/a.dcm.json", "results/echo/a.dcm.png")
    assert found.worked[0].finding is None


async def test_the_document_for_programs() -> None:
    store = await Store().make()
    await store.finish("real.dcm")
    await store.finish("b.dcm")
    assert summary(await store.run(), Path("report.html")) == {
        "files": 2, "records": 2, "failures": 0, "lost": 0, "twice": 0, "unpublished": 0, "strangers": 0,
        "extraStarts": 0, "seconds": 3.0, "filesPerSecond": 0.67, "mostWorkers": 2,
        "views": {"four-chamber": 2}, "report": "report.html",
    }  # fmt: skip


async def test_the_report_shows_the_real_clip_and_what_is_known_of_it() -> None:
    store = await Store().make()
    await store.finish("real.dcm")
    await store.finish("b.dcm")
    data = report_data(await store.run(), next_steps=next_steps(Path("demo/state"), Path("functions")))
    assert [(clip.name, clip.right, clip.picture is not None) for clip in data.clips] == [
        ("b.dcm", True, True), ("real.dcm", True, True),
    ]  # fmt: skip
    assert (data.sharing.files, data.sharing.models, data.most_workers) == (2, 1, 2)
    assert {row.name: row.median for row in data.times} == {
        "Upload to start": 1.5, "Model load": 1.5, "Inference": 0.25, "Handler call": 1.0, "Commit": 0.5,
    }  # fmt: skip
    assert "It is: <strong>four-chamber" in render_report(data)


def test_an_index_says_what_each_file_is(tmp_path: Path) -> None:
    entries = [
        {"name": "derived-1.dcm", "kind": "derived", "from": "examples_ybr_color.dcm", "frames": 12,
         "start": 3, "mirrored": True, "gain": 1.25, "crop": [0, 1, 2, 3]},
        {"name": "real.dcm", "kind": "real", "from": "examples_ybr_color.dcm", "what": "the clip"},
        {"name": "still.dcm", "kind": "real", "from": "other.dcm", "what": "a still"},
    ]  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps({"files": entries}))
    assert read_index(tmp_path) == (
        Sample("echo", tmp_path / "derived-1.dcm", Source.DERIVED,
               "frames 3 to 14, gain 1.25, mirrored, cropped by 0/1/2/3", "four-chamber"),
        Sample("echo", tmp_path / "real.dcm", Source.REAL, "the clip", "four-chamber"),
        Sample("echo", tmp_path / "still.dcm", Source.REAL, "a still", None),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "{}", '{"files": [{"name": "x"}]}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(FatalError, match=r"index\.json is not the index"):
        read_index(tmp_path)


async def test_without_the_echo_function_the_demo_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"derive\.py is missing: .* --functions"):
        await derive_clips(tmp_path, tmp_path / "out", count=1)


def test_only_what_an_earlier_demo_left_is_deleted(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    clear_old_state(state)
    state.prepare()
    (state.path / "precious").write_text("mine")
    with pytest.raises(ConfigurationError, match="no stack's state folder"):
        clear_old_state(state)
    state.settings.write_text("{}")
    with state.locked(), pytest.raises(ConfigurationError, match="already"):
        clear_old_state(state)
    clear_old_state(state)
    assert not state.path.exists()


def test_a_given_state_folder_must_be_empty(tmp_path: Path) -> None:
    require_empty(StateDirectory(tmp_path / "none"))
    require_empty(StateDirectory(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is not empty"):
        require_empty(StateDirectory(tmp_path))


def a_look(moment: float, echo: int, waiting: int, *, running: int) -> Look:
    reason = Reason(ReasonCode.FILES_WAIT if waiting else ReasonCode.NOTHING_WAITS, "because")
    story = FunctionStory(
        "echo", reason, waiting, working=0, workers=0, wanted={"local": echo}, request={}, service=UNSEEN
    )
    decision = Decision(moment, Snapshot((), ()), Plan())
    return Look(decision, Explanation(at=moment, functions=(story,)), {"echo": running})


def test_the_demo_notes_each_change_of_the_number_wanted_and_the_course_of_the_workers(
    tmp_path: Path,
) -> None:
    options = DemoOptions(tmp_path, StateDirectory(tmp_path), tmp_path, files=1, cores=2)
    board = Board(options, lambda _step, _progress: None)
    board.start = 100.0
    for look in (
        a_look(99.0, 0, 0, running=0),
        a_look(101.0, 2, 5, running=1),
        a_look(102.0, 2, 3, running=2),
        a_look(109.0, 0, 0, running=2),
    ):
        board.look(look)
    run = board.result(Evidence((), (), ()))
    assert run.scalings == (
        Scaling(1.0, "echo", 0, 2, 2, 5, "files-wait", "because"),
        Scaling(9.0, "echo", 2, 0, 0, 0, "nothing-waits", "because"),
    )
    assert [number for _, number in run.workers] == [0, 1, 2]
    assert board.progress().waiting == 0
