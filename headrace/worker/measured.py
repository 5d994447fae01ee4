"""A worker's metrics, on a port of its own beside the user's container."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from headrace.health.serving import serving
from headrace.metrics.catalogue import SPANS_DROPPED
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Figure, Service
from headrace.metrics.port import SILENT, Meter
from headrace.metrics.serving import metrics_route
from headrace.model.errors import ConfigurationError
from headrace.tracing.port import Tracer

_log = logging.getLogger(__name__)


@asynccontextmanager
async def measured(port: int, tracer: Tracer) -> AsyncIterator[Meter]:
    """Count, and answer Prometheus while the block runs; where the port is taken, nothing is counted."""

    async def read() -> Sequence[Figure]:
        return (Figure(SPANS_DROPPED, tracer.dropped),)

    exposition = Exposition(Service.WORKER)
    page = metrics_route(exposition, read)
    async with AsyncExitStack() as closing:
        try:
            await closing.enter_async_context(serving(port, ready=lambda: "", more=[page]))
        except ConfigurationError as error:
            _log.warning("no metrics: %s", error, extra={"action": "worker.unmeasured"})
            yield SILENT
        else:
            yield exposition
