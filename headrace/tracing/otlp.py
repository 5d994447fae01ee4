"""Spans to an OTLP/HTTP collector, by OpenTelemetry's SDK: from a thread of its own, through a bounded queue.

A collector that is away costs memory up to that bound and spans beyond it, and nothing else.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as TheirKind

from headrace import __version__
from headrace.model.trace import TraceSettings
from headrace.tracing.span import Span, SpanKind, is_sampled

MOST_WAITING = 4096  # spans; some 400 files' worth
BATCH = 512
SEND_MILLISECONDS = 1000  # between two sendings, where fewer than a batch wait
SEND_SECONDS = 5.0  # for one sending, its repetitions included
CLOSE_SECONDS = 2.0

_KINDS: Mapping[SpanKind, TheirKind] = {each: TheirKind[each.name] for each in SpanKind}
_log = logging.getLogger(__name__)


def otlp_tracer(settings: TraceSettings, service: str, instance: str) -> "OtlpTracer":
    """To the collector of these settings."""
    # It would log each failure; what is told here is that the collector went away, and that it is back.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(settings.address, headers=dict(settings.headers), timeout=SEND_SECONDS)
    return OtlpTracer(exporter, settings, service, instance)


class OtlpTracer:
    """See the port. `exporter` is called from a thread of this object's own."""

    def __init__(self, exporter: SpanExporter, settings: TraceSettings, service: str, instance: str) -> None:
        self._ratio = settings.sample_ratio
        self._exporter = _Watched(exporter, settings.endpoint)
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=MOST_WAITING,
            schedule_delay_millis=SEND_MILLISECONDS,
            max_export_batch_size=BATCH,
        )
        self._resource = Resource(
            {
                "service.namespace": "headrace",
                "service.name": f"headrace-{service}",
                "service.version": __version__,
                "service.instance.id": instance,
            }
        )
        self._offered = 0
        self._refused = 0

    @property
    def dropped(self) -> int:
        """See the port."""
        return self._refused + self._exporter.failed

    def wants(self, task_id: str) -> bool:
        """See the port."""
        return is_sampled(task_id, self._ratio)

    def tell(self, spans: Iterable[Span]) -> None:
        """See the port."""
        for span in spans:
            if self._offered - self._exporter.taken >= MOST_WAITING:
                self._refused += 1
            else:
                self._offered += 1
                self._processor.on_end(_readable(span, self._resource))

    async def close(self) -> None:
        """See the port."""
        # A daemon: where the collector does not answer, the process ends without it.
        closing = threading.Thread(target=self._processor.shutdown, name="trace-close", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS)


class _Watched(SpanExporter):
    """Another exporter, and how it fares: spans taken from the queue, and of these those not delivered."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self.taken = 0
        self.failed = 0
        self._exporter = exporter
        self._endpoint = endpoint
        self._is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        is_away = result is not SpanExportResult.SUCCESS
        self.failed += len(spans) if is_away else 0
        if is_away and not self._is_away:
            extra = {"action": "trace.collector_away"}
            _log.warning(
                "the collector %s does not take traces: they are dropped", self._endpoint, extra=extra
            )
        elif self._is_away and not is_away:
            _log.info("the collector %s takes traces", self._endpoint, extra={"action": "trace.reached"})
        self._is_away = is_away
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        context=_context(span.trace_id, span.span_id),
        parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
        resource=resource,
        attributes=span.attributes,
        kind=_KINDS[span.kind],
        instrumentation_scope=InstrumentationScope("headrace", __version__),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=_nanoseconds(span.start),
        end_time=max(_nanoseconds(span.start), _nanoseconds(span.end)),
    )


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
