"""Spans as values, and whose they are. Pure.

Nothing travels with a task: the trace's id is the task's, so the receiver, the listing, every redelivery and
every worker agree on it by themselves, and the root's id follows from the task as the queue carries it. A
file that is replayed has a second root in the same trace; a rerun is another task, and so another trace.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from headrace.model.task import TASK_ID_LENGTH, Task
from headrace.model.tenancy import own_name, tenant_of

Attribute = str | int | float
_HALF = 2**64


class SpanKind(StrEnum):
    """OpenTelemetry's: https://opentelemetry.io/docs/concepts/signals/traces/#span-kind"""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Span:
    """One step. Ids are as OTLP has them, 128 and 64 bits; times are seconds since the epoch.

    `parent_id` is None of a root; `error` says what went wrong, empty: nothing.
    """

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start: float
    end: float
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str = ""


def trace_id(task_id: str) -> int:
    """Of a task: its id, which is hexadecimal digits; of any other text a hash."""
    digits = task_id if _is_id(task_id) else hashlib.sha256(task_id.encode()).hexdigest()[:TASK_ID_LENGTH]
    return int(digits, 16) or 1  # zero is no id: https://www.w3.org/TR/trace-context/#trace-id


def span_id(task: Task, *names: str) -> int:
    """Of a step of a task: the same for the same names, whoever computes it."""
    text = "\0".join((task.id, repr(task.received), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") or 1


def root_id(task: Task) -> int:
    """Of the span of the whole way of a file."""
    return span_id(task, "file")


def is_sampled(task_id: str, ratio: float) -> bool:
    """Whether a task is traced, as OpenTelemetry's TraceIdRatioBased decides: all its steps, or none."""
    return trace_id(task_id) % _HALF < round(ratio * _HALF)


def subject(task: Task) -> dict[str, Attribute]:
    """Attributes of every span of a task. Its file's key is not among them: keys may name patients."""
    return {
        "headrace.task": task.id,
        "headrace.function": own_name(task.function),
        "headrace.tenant": tenant_of(task.function),
        "aws.s3.bucket": task.bucket,
    }


def destination(task: Task) -> str:
    """Of the function's tasks in the queue."""
    return f"tasks.{own_name(task.function)}"


def messaging(task: Task, operation: str, *, kind: str = "") -> dict[str, Attribute]:
    """Attributes of a step that concerns the queue; `kind` where the operation's name is not its type.

    https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
    """
    return {
        "messaging.system": "nats",
        "messaging.destination.name": destination(task),
        "messaging.operation.name": operation,
        "messaging.operation.type": kind or operation,
        "messaging.message.id": task.id,
    }


def _is_id(text: str) -> bool:
    return len(text) == TASK_ID_LENGTH and all(digit in "0123456789abcdef" for digit in text)
