"""What the receiver and the listing count and trace. Nothing of it waits for anybody."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from headrace.events.gate import Held
from headrace.metrics import catalogue
from headrace.metrics.port import SILENT, Meter
from headrace.model.task import Task
from headrace.model.tenancy import own_name, tenant_of
from headrace.tracing.port import UNTRACED, Tracer
from headrace.tracing.span import Span, SpanKind, destination, messaging, root_id, span_id, subject, trace_id

NO_DIALECT = "none"  # of what could not be read


class Source(StrEnum):
    """How a file becomes known."""

    HTTP = "http"
    SQS = "sqs"
    LISTING = "listing"


class Outcome(StrEnum):
    """What became of a notification."""

    TAKEN = "taken"  # the queue holds all that it asks for
    REFUSED = "refused"  # it is none
    UNAUTHORISED = "unauthorised"
    TOO_LARGE = "too-large"
    POSTPONED = "postponed"  # store or queue is away: it comes again
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Moments:
    """Seconds since the epoch: when it came, was offered to the queue, and was stored there."""

    received: float = 0.0
    offered: float = 0.0
    stored: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What became of tasks: stored, refused as they wait already, held back; and when."""

    stored: Iterable[Task]
    queued: Iterable[Task]
    held: Iterable[Held]
    moments: Moments


@dataclass(frozen=True, slots=True)
class Watcher:
    """Takes what happens."""

    meter: Meter = SILENT
    tracer: Tracer = UNTRACED

    def notified(self, source: Source, outcome: Outcome, dialect: str = NO_DIALECT) -> None:
        """A notification has been dealt with."""
        self.meter.count(catalogue.NOTIFICATIONS, source.value, dialect, outcome.value)

    def took(self, source: Source, offer: Offer) -> None:
        """The tasks of a notification were offered to the queue."""
        moments = offer.moments
        self.meter.observe(
            catalogue.NOTIFICATION_SECONDS, max(0.0, moments.stored - moments.received), source.value
        )
        self.offered(source, offer)

    def offered(self, source: Source, offer: Offer) -> None:
        """Tasks were offered to the queue."""
        outcomes = {
            "stored": offer.stored,
            "queued": offer.queued,
            "held": (each.task for each in offer.held),
        }
        for outcome, tasks in outcomes.items():
            for task in tasks:
                labels = (own_name(task.function), tenant_of(task.function), source.value, outcome)
                self.meter.count(catalogue.TASKS, *labels)
        for task in offer.stored:
            if self.tracer.wants(task.id):
                self.tracer.tell(spans_of(task, source, offer.moments))

    def listed(self, compared: int, faults: int) -> None:
        """A listing looked at so many objects, and failed for so many inputs."""
        self.meter.count(catalogue.LISTING_OBJECTS, by=compared)
        self.meter.count(catalogue.LISTING_FAULTS, by=faults)


UNWATCHED = Watcher()


def spans_of(task: Task, source: Source, moments: Moments) -> Iterator[Span]:
    """How a task came into the queue: below the root, which its worker tells at its end. Pure."""
    received = span_id(task, "receive")
    yield Span(
        "find file" if source is Source.LISTING else "receive event",
        trace_id(task.id),
        received,
        root_id(task),
        moments.received,
        moments.stored,
        SpanKind.SERVER if source is Source.HTTP else SpanKind.INTERNAL,
        {**subject(task), "headrace.source": source.value},
    )
    yield Span(
        f"send {destination(task)}",
        trace_id(task.id),
        span_id(task, "send"),
        received,
        moments.offered,
        moments.stored,
        SpanKind.PRODUCER,
        {**subject(task), **messaging(task, "send")},
    )
