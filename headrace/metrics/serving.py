"""GET /metrics, beside whatever else a service answers."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace.metrics.exposition import CONTENT_TYPE, Exposition
from headrace.metrics.family import PATH, Figure

Read = Callable[[], Awaitable[Sequence[Figure]]]  # what a service's state says now

_log = logging.getLogger(__name__)


def metrics_route(exposition: Exposition, read: Read) -> Route:
    """It asks for no token, as Prometheus' pages do; who may connect is the network's matter."""

    async def answer(_: Request) -> Response:
        try:
            return Response(exposition.page(await read()), media_type=CONTENT_TYPE)
        except Exception:  # noqa: BLE001  (the call's top: what serves must not suffer from being watched)
            _log.exception("metrics can't be told", extra={"action": "metrics.failed"})
            return Response("metrics can't be told; the log says why\n", 500, media_type="text/plain")

    return Route(PATH, answer)
