"""How a worker is watched: its metrics where the stack asks for them, its traces where a collector is set.

Where neither is, nothing of it is loaded or done: a worker's start is part of a file's wait.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headrace.manifests.worker_pod import metrics_port
from headrace.metrics.port import SILENT, Meter
from headrace.model.function import Function
from headrace.model.settings import Settings
from headrace.tracing.choosing import tracer_of
from headrace.tracing.port import UNTRACED, Tracer
from headrace.worker.figures import count
from headrace.worker.held import Held, Watch, unwatched
from headrace.worker.trail import spans_of

_log = logging.getLogger(__name__)


@asynccontextmanager
async def watched(settings: Settings, function: Function, worker: str) -> AsyncIterator[Watch]:
    """What a worker of the function is to tell of each task, while the block runs.

    Raises ConfigurationError where traces are asked for and can't be made.
    """
    tracer = tracer_of(settings.trace, "worker", worker)
    try:
        async with _counted(settings, function, tracer) as meter:
            yield watch_of(meter, tracer, worker)
    finally:
        await tracer.close()


def watch_of(meter: Meter, tracer: Tracer, worker: str) -> Watch:
    """Counts and traces each task; a fault in that is logged, and no concern of the work."""
    if meter is SILENT and tracer is UNTRACED:
        return unwatched

    def watch(held: Held) -> None:
        try:
            count(meter, held)
            if tracer.wants(held.task.id):
                tracer.tell(spans_of(held, worker))
        except Exception:  # noqa: BLE001  (whatever a stored task claims, its worker must go on)
            _log.exception("not told of", extra={"action": "worker.watch_failed", "task": held.task.id})

    return watch


@asynccontextmanager
async def _counted(settings: Settings, function: Function, tracer: Tracer) -> AsyncIterator[Meter]:
    place = settings.kubernetes
    if place is None or place.sidecar is None or not place.sidecar.metrics:
        yield SILENT
        return
    from headrace.worker.measured import measured  # noqa: PLC0415  (a web server and more: see above)

    async with measured(metrics_port(function), tracer) as meter:
        yield meter
