"""A task's trace: whose its spans are, what a worker tells of each way a task leaves, and the collector."""

import asyncio
import itertools
import logging
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind as TheirKind
from opentelemetry.trace import StatusCode
from pydantic import ValidationError

from headrace.events.deposit import Deposit
from headrace.events.listing import Listing
from headrace.events.watcher import Moments, Source, Watcher, spans_of
from headrace.metrics import catalogue as m
from headrace.metrics.port import SILENT
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.task import Task, task_id
from headrace.model.trace import TraceSettings
from headrace.tracing import otlp
from headrace.tracing.choosing import tracer_of
from headrace.tracing.otlp import OtlpTracer
from headrace.tracing.port import UNTRACED
from headrace.tracing.span import Span, SpanKind, is_sampled, root_id, span_id, trace_id
from headrace.worker.course import Result
from headrace.worker.held import Held, unwatched
from headrace.worker.trail import spans_of as worked
from headrace.worker.watched import watch_of
from headrace.worker.worker import Worker
from tests.unit import intake_bench
from tests.unit.test_metrics_of_services import Tally
from tests.unit.test_worker_flow import Bench, fails, writes

SETTINGS = TraceSettings(endpoint="http://collector:4318")
ids = st.builds(lambda text: task_id("echo", "b", text, "v"), st.text(max_size=20))


def a_task(**changes: object) -> Task:
    usual = {"function": "echo", "bucket": "uploads", "key": "a.dcm", "etag": "e", "size": 4}
    identifier = task_id("echo", "uploads", "a.dcm", "e")
    return Task(**{"id": identifier, "received": 1000.5, **usual, **changes})


# Whose spans are


def test_a_traces_id_is_its_tasks_so_that_nothing_travels():
    task = a_task()
    assert f"{trace_id(task.id):032x}" == task.id


@given(st.text())
def test_any_text_has_an_id_that_otlp_takes(text):
    assert 0 < trace_id(text) < 2**128
    assert trace_id(text) == trace_id(text)


def test_a_span_is_the_same_whoever_computes_it_and_another_for_another_step_or_replay():
    task = a_task()
    as_read = Task.from_json(task.to_json())
    assert root_id(task) == root_id(as_read)
    replayed = task.model_copy(update={"received": 2000.0})
    assert trace_id(replayed.id) == trace_id(task.id)
    found = {root_id(task), root_id(replayed), span_id(task, "send"), span_id(task, "receive")}
    assert len(found) == 4
    assert all(0 < each < 2**64 for each in found)


@given(ids, st.floats(0, 1))
def test_tasks_are_sampled_as_opentelemetry_does(identifier, ratio):
    theirs = TraceIdRatioBased(ratio).should_sample(None, trace_id(identifier), "")
    assert is_sampled(identifier, ratio) == theirs.decision.is_sampled()


# The receiver's part


def test_the_receiver_tells_of_the_event_and_of_the_queue_below_the_root():
    task = a_task(function="lab.echo")
    received, sent = spans_of(task, Source.HTTP, Moments(1000.5, 1000.7, 1000.9))
    assert (received.name, received.parent_id, received.kind) == (
        "receive event",
        root_id(task),
        SpanKind.SERVER,
    )
    assert (received.start, received.end) == (1000.5, 1000.9)
    assert (sent.name, sent.parent_id, sent.kind) == ("send tasks.echo", received.span_id, SpanKind.PRODUCER)
    assert sent.start == 1000.7
    assert sent.attributes == {
        "headrace.task": task.id,
        "headrace.function": "echo",
        "headrace.tenant": "lab",
        "aws.s3.bucket": "uploads",
        "messaging.system": "nats",
        "messaging.destination.name": "tasks.echo",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.message.id": task.id,
    }
    (found, _) = spans_of(task, Source.LISTING, Moments(1.0, 1.0, 2.0))
    assert (found.name, found.kind) == ("find file", SpanKind.INTERNAL)


class Notes:
    """A tracer that remembers; it wants all, or none."""

    dropped = 0

    def __init__(self, *, wanted: bool = True) -> None:
        self.wanted = wanted
        self.spans: list[Span] = []

    def wants(self, task_id: str) -> bool:
        return self.wanted

    def tell(self, spans) -> None:
        self.spans += spans

    async def close(self) -> None: ...


async def test_only_what_was_stored_is_traced_with_the_moments_of_its_delivery():
    bench, notes = await intake_bench.Bench().open(), Notes()
    await bench.put("echo/a.dcm")
    deposit, watcher = Deposit(bench.queue, bench.settings.queue), Watcher(tracer=notes)
    listing = Listing(
        bench.storage, bench.queue, deposit, settings=bench.settings, clock=bench.now, watcher=watcher
    )
    await listing.run(bench.listed())
    await listing.run(bench.listed())
    (task,) = await bench.queue.tasks("echo", 9)
    assert [span.name for span in notes.spans] == ["find file", "send tasks.echo"]
    assert {span.trace_id for span in notes.spans} == {trace_id(task.id)}
    assert notes.spans[0].parent_id == root_id(task)


# The worker's part


class Story:
    """A worker's bench whose clock goes on as it works, with all that it tells."""

    def __init__(self, tmp_path, work=None, *, wanted: bool = True) -> None:
        self.notes, self.tally, self.held = Notes(wanted=wanted), Tally(), []
        watch = watch_of(self.tally, self.notes, "w1")

        def seen(held: Held) -> None:
            self.held.append(held)
            watch(held)

        self.bench = Bench(tmp_path, self._taking(work or writes()), seen)

    def _taking(self, work):
        def taken(held: Held):
            held.started = self.bench.time = self.bench.time + 2.0
            outcome = work(held)
            held.finished = self.bench.time = self.bench.time + 3.0
            return outcome

        return taken

    @property
    def results(self) -> list[str]:
        return [key[3] for key in self.tally.counts if key[0] == m.ATTEMPTS.name]

    def of(self, name: str) -> Span:
        (found,) = [span for span in self.notes.spans if span.name == name]
        return found


async def test_a_file_that_is_done_is_one_trace_from_event_to_acknowledgement(tmp_path):
    story = Story(tmp_path)
    task = await story.bench.prepare()
    await story.bench.until_idle()
    root, attempt = story.of("file echo"), story.of("process tasks.echo")
    assert {span.trace_id for span in story.notes.spans} == {trace_id(task.id)}
    assert len({span.span_id for span in story.notes.spans}) == len(story.notes.spans)
    assert (root.span_id, root.parent_id, root.start) == (root_id(task), None, task.received)
    assert (attempt.parent_id, attempt.kind) == (root.span_id, SpanKind.CONSUMER)
    assert (root.end, attempt.end) == (story.held[0].left, story.held[0].left)
    steps = [span for span in story.notes.spans if span.parent_id == attempt.span_id]
    assert [span.name for span in steps] == [
        "stage", "wait", "compute", "upload", "commit", "publish", "ack tasks.echo",
    ]  # fmt: skip
    assert all(one.end == other.start for one, other in itertools.pairwise(steps))
    assert story.of("compute").end - story.of("compute").start == 3.0
    assert attempt.attributes["headrace.result"] == "done"
    assert attempt.attributes["messaging.operation.type"] == "process"
    assert not any(span.error for span in story.notes.spans)
    assert not any("a.dcm" in str(span.attributes) for span in story.notes.spans), "keys may name patients"


async def test_what_a_file_took_is_counted_step_by_step(tmp_path):
    story = Story(tmp_path)
    await story.bench.prepare()
    await story.bench.until_idle()
    assert story.tally.counts == {
        (m.ATTEMPTS.name, "echo", "", "done"): 1,
        (m.INPUT_BYTES.name, "echo", ""): 4,
        (m.OUTPUT_BYTES.name, "echo", ""): 6,
    }
    steps = {each[3]: each[4] for each in story.tally.seen if each[0] == m.STEP_SECONDS.name}
    assert steps == {
        "stage": 0.0, "wait": 2.0, "compute": 3.0, "upload": 0.0, "commit": 0.0, "publish": 0.0,
        "acknowledge": 0.0,
    }  # fmt: skip
    assert {each[0] for each in story.tally.seen} == {
        m.STEP_SECONDS.name,
        m.FILE_WAIT.name,
        m.FILE_SECONDS.name,
    }


async def test_a_failed_attempt_is_a_span_of_its_own_and_the_root_comes_with_the_last(tmp_path):
    story = Story(tmp_path, fails)
    await story.bench.prepare()
    await story.bench.until_idle()
    assert story.results == ["again", "failed"]
    attempts = [span for span in story.notes.spans if span.kind is SpanKind.CONSUMER]
    assert [span.attributes["headrace.attempt_number"] for span in attempts] == [1, 2]
    assert {span.parent_id for span in attempts} == {story.of("file echo").span_id}
    assert [span.error for span in attempts] == ["exit code 1", "exit code 1"]
    assert story.of("file echo").error == "given up"
    names = [span.name for span in story.notes.spans]
    assert names.index("file echo") > names.index("process tasks.echo")
    waits = [each for each in story.tally.seen if each[0] == m.FILE_WAIT.name]
    assert len(waits) == 1, "only the first attempt tells how long the file waited"


@pytest.mark.parametrize(("overwrite", "result"), [(True, "superseded"), (False, "gone")])
async def test_an_input_that_changed_or_went_ends_its_trace(tmp_path, overwrite, result):
    story = Story(tmp_path)
    await story.bench.prepare()
    if overwrite:
        await story.bench.storage.put("uploads", "echo/a.dcm", b"newer")
    else:
        await story.bench.storage.delete("uploads", ["echo/a.dcm"])
    await story.bench.until_idle()
    assert story.results == [result]
    assert story.of("file echo").attributes["headrace.result"] == result
    assert story.of("file echo").error == ""


async def test_a_task_that_had_ended_is_repeated_and_one_that_was_handed_back_returned(tmp_path):
    story = Story(tmp_path)
    task = await story.bench.prepare()
    await story.bench.until_idle()
    await story.bench.queue.put(task)
    story.bench.worker = Worker(story.bench.parts, prefetch_seconds=2.0, grace_seconds=1.0)
    await story.bench.until_idle()
    assert story.results == ["done", "repeated"]
    await story.bench.queue.put(task)
    (lease,) = await story.bench.queue.pull("echo", 1, wait_seconds=0)
    held = story.bench.parts.leases.take(lease)
    await story.bench.parts.leases.release(held, 0.0)
    assert story.results == ["done", "repeated", "returned"]
    assert [span.name for span in worked(held, "w1")] == ["process tasks.echo"]


async def test_a_record_whose_create_was_not_answered_is_this_attempts_own(tmp_path):
    story = Story(tmp_path)
    await story.bench.prepare()
    create, calls = story.bench.storage.create, []

    async def unanswered_once(bucket: str, key: str, body: bytes) -> bool:
        created = await create(bucket, key, body)
        calls.append(created)
        if len(calls) == 1:
            raise TransientError("the connection broke after the request was sent")
        return created

    story.bench.storage.create = unanswered_once
    await story.bench.until_idle()
    assert calls == [True, False]
    assert story.results == ["done"]


async def test_what_is_not_sampled_is_counted_and_not_traced(tmp_path):
    story = Story(tmp_path, wanted=False)
    await story.bench.prepare()
    await story.bench.until_idle()
    assert (story.results, story.notes.spans) == (["done"], [])


async def test_a_fault_in_watching_harms_no_task(tmp_path, caplog):
    story = Story(tmp_path)
    story.notes.tell = lambda spans: 1 / 0
    task = await story.bench.prepare()
    with caplog.at_level(logging.ERROR):
        await story.bench.until_idle()
    assert (await story.bench.ending(task)).state == "done"
    assert [record.action for record in caplog.records] == ["worker.watch_failed"]


def test_where_nobody_watches_nothing_is_done_at_all():
    assert watch_of(SILENT, UNTRACED, "w") is unwatched
    assert tracer_of(None, "worker", "w") is UNTRACED


def test_every_way_a_task_leaves_has_its_word():
    assert {each.value for each in Result} == {
        "done", "failed", "gone", "superseded", "again", "returned", "repeated",
    }  # fmt: skip


# The collector


class Collector(SpanExporter):
    """Takes spans, or not; may keep a sending until it is let go."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.spans = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def export(self, spans):
        self.reached.set()
        self.go_on.wait(20)
        self.spans += spans
        return SpanExportResult.SUCCESS if self.works else SpanExportResult.FAILURE

    def shutdown(self) -> None: ...


def a_span(**changes: object) -> Span:
    task = a_task()
    return replace(Span("file echo", trace_id(task.id), root_id(task), None, 1000.5, 1002.0), **changes)


async def test_a_span_is_sent_as_it_was_told():
    collector = Collector()
    tracer = OtlpTracer(collector, SETTINGS, "worker", "w1")
    tracer.tell([a_span(kind=SpanKind.CONSUMER, parent_id=7, error="exit code 1", attributes={"a": 1})])
    await tracer.close()
    (found,) = collector.spans
    assert f"{found.context.trace_id:032x}" == a_task().id
    assert (found.context.span_id, found.parent.span_id) == (root_id(a_task()), 7)
    assert (found.start_time, found.end_time) == (1_000_500_000_000, 1_002_000_000_000)
    assert (found.kind, dict(found.attributes)) == (TheirKind.CONSUMER, {"a": 1})
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, "exit code 1")
    assert found.resource.attributes["service.name"] == "headrace-worker"
    assert found.resource.attributes["service.instance.id"] == "w1"
    assert tracer.dropped == 0


async def test_a_clock_that_was_set_back_makes_no_span_that_ends_before_it_starts():
    collector = Collector()
    tracer = OtlpTracer(collector, SETTINGS, "worker", "w1")
    tracer.tell([a_span(end=900.0)])
    await tracer.close()
    assert collector.spans[0].end_time == collector.spans[0].start_time


async def test_spans_that_a_collector_does_not_take_are_counted_and_told_once(caplog):
    collector = Collector(works=False)
    tracer = OtlpTracer(collector, SETTINGS, "worker", "w1")
    with caplog.at_level(logging.INFO, logger="headrace"):
        tracer.tell(a_span() for _ in range(2 * otlp.BATCH))
        await tracer.close()
    assert tracer.dropped == 2 * otlp.BATCH
    assert [record.action for record in caplog.records] == ["trace.collector_away"]


async def test_what_a_slow_collector_keeps_waiting_is_bounded_and_the_rest_counted():
    collector = Collector()
    collector.go_on.clear()
    tracer = OtlpTracer(collector, SETTINGS, "worker", "w1")
    tracer.tell(a_span() for _ in range(otlp.BATCH))
    await asyncio.to_thread(collector.reached.wait, 20)
    tracer.tell(a_span() for _ in range(otlp.MOST_WAITING + 10))
    assert tracer.dropped == 10
    collector.go_on.set()
    await tracer.close()
    assert len(collector.spans) == otlp.BATCH + otlp.MOST_WAITING


# Settings


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://x", "http://", "http://x y", "http://x?a=b"])
def test_a_collectors_address_is_one_of_http(endpoint):
    with pytest.raises(ValidationError):
        TraceSettings(endpoint=endpoint)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://otlp.example/tenant/", "https://otlp.example/tenant/v1/traces"),
    ],
)
def test_spans_go_to_the_path_that_otlp_has(endpoint, address):
    assert TraceSettings(endpoint=endpoint).address == address


def test_what_the_collector_asks_for_is_hidden_and_a_setting_like_any_secret():
    settings = intake_bench.settings_with(
        trace={"endpoint": "http://c:1", "headers": {"authorization": "Bearer hush"}}
    )
    assert "hush" not in repr(settings)
    assert "Bearer hush" in settings.secrets
    assert b"trace" not in intake_bench.settings_with().to_json()


def test_traces_without_opentelemetry_are_a_fault_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "headrace.tracing.otlp", None)
    with pytest.raises(ConfigurationError, match=r"install headrace\[trace\]"):
        tracer_of(SETTINGS, "worker", "w1")
