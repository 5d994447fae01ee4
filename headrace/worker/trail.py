"""The spans of a task that has left a worker's hands. Pure."""

from collections.abc import Iterator

from headrace.model.task import Task
from headrace.model.tenancy import own_name
from headrace.tracing.span import (
    Attribute,
    Span,
    SpanKind,
    destination,
    messaging,
    root_id,
    span_id,
    subject,
    trace_id,
)
from headrace.worker.course import Result, Step, Stretch, result_of, stretches
from headrace.worker.held import Held

_ENDED = frozenset({Result.DONE, Result.FAILED, Result.GONE, Result.SUPERSEDED, Result.REPEATED})
_STORE = frozenset({Step.STAGE, Step.UPLOAD, Step.COMMIT, Step.PUBLISH})


def spans_of(held: Held, worker: str) -> Iterator[Span]:
    """The attempt with its steps; of a task that has ended also the root, its whole way since the event."""
    task, result = held.task, result_of(held)
    if result in _ENDED:
        yield _root(task, result, held.left)
    attempt = span_id(task, held.attempt)
    yield _attempt(held, worker, result)
    for each in stretches(held):
        yield _step(held, each, attempt)


def _root(task: Task, result: Result, end: float) -> Span:
    return Span(
        f"file {own_name(task.function)}",
        trace_id(task.id),
        root_id(task),
        None,
        task.received,
        end,
        attributes={**subject(task), "headrace.result": result.value, "headrace.bytes": task.size},
        error="given up" if result is Result.FAILED else "",
    )


def _attempt(held: Held, worker: str, result: Result) -> Span:
    task = held.task
    attributes: dict[str, Attribute] = {
        **subject(task),
        **messaging(task, "process"),
        "headrace.attempt": held.attempt,
        "headrace.attempt_number": held.number,
        "headrace.deliveries": held.lease.deliveries,
        "headrace.result": result.value,
        "headrace.worker": worker,
    }
    return Span(
        f"process {destination(task)}",
        trace_id(task.id),
        span_id(task, held.attempt),
        root_id(task),
        held.pulled,
        held.left,
        SpanKind.CONSUMER,
        attributes,
        held.failure,
    )


def _step(held: Held, stretch: Stretch, attempt: int) -> Span:
    task, step = held.task, stretch.step
    kind, attributes = SpanKind.INTERNAL, subject(task)
    if step is Step.ACKNOWLEDGE:
        kind = SpanKind.CLIENT
        attributes |= messaging(task, "ack", kind="settle")
    elif step in _STORE:
        kind = SpanKind.CLIENT
    return Span(
        f"ack {destination(task)}" if step is Step.ACKNOWLEDGE else step.value,
        trace_id(task.id),
        span_id(task, held.attempt, step.value),
        attempt,
        stretch.start,
        stretch.end,
        kind,
        attributes,
        held.failure if step is Step.COMPUTE else "",
    )
