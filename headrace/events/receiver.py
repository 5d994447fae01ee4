"""The HTTP receiver of notifications.

POST /events  a notification, with `Authorization: Bearer <token>`, or `Basic` with any user and the token as
        password, for who can be given no more than an address: `http://any:<token>@host/events`
    200 {"stored", "queued", "ignored"}   the queue holds every task of it; but for "held" ones, where there
        are such: their tenant's quota of waiting files is full, and the listing brings them later
    400 {"error"}   no notification, with the reason      401  no or a wrong token
    413  the body is too large      503 with Retry-After  store or queue is away: send it again
GET /healthz  200: the process answers      GET /readyz  200: store and queue answer, else 503
GET /metrics  what Prometheus reads, where the process gives it
"""

import asyncio
import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.events.intake import Intake
from headrace.events.telling import tell
from headrace.events.watcher import NO_DIALECT, UNWATCHED, Outcome, Source, Watcher
from headrace.model.errors import HeadraceError, RejectedError, TransientError
from headrace.notification import Reading, read_body

# SeaweedFS lists every 4 MiB of an object, before and after: 1 MiB would refuse to hear of an
# overwrite of some 12 GB. What is larger still is left to the listing.
MAX_BODY_BYTES = 4 * 1024 * 1024
ANSWER_SECONDS = 8.0  # less than the 10 s for which SeaweedFS waits for an answer
READY_SECONDS = 2.0
RETRY_AFTER_SECONDS = 1

_log = logging.getLogger(__name__)


class _TooLargeError(Exception):
    pass


class Receiver:
    """Answers a notification only when its tasks are stored, so that the sender repeats what is not."""

    def __init__(
        self,
        intake: Intake,
        *,
        token: str,
        probe: Callable[[], Awaitable[None]],
        watcher: Watcher = UNWATCHED,
    ) -> None:
        self._intake = intake
        self._token = token.encode()
        self._probe = probe
        self._watcher = watcher

    def app(self, *more: BaseRoute) -> Starlette:
        """The ASGI application, with more that the process answers."""
        return Starlette(
            routes=[
                Route("/events", self._events, methods=["POST"]),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                *more,
            ]
        )

    async def _events(self, request: Request) -> Response:
        if not self._is_allowed(request):
            self._note(Outcome.UNAUTHORISED)
            return _unauthorised()
        try:
            body = await _body_of(request)
        except _TooLargeError:
            self._note(Outcome.TOO_LARGE)
            return _answer(413, {"error": f"the body is larger than {MAX_BODY_BYTES} bytes"})
        except ClientDisconnect:
            return _answer(400, {"error": "the sender left"})
        return await self._take(body)

    async def _take(self, body: bytes) -> Response:
        try:
            reading = read_body(body)
        except RejectedError as error:
            self._note(Outcome.REFUSED)
            _log.warning("refused: %s", error, extra={"action": "events.refused"})
            return _answer(400, {"error": str(error)})
        return await self._store(reading)

    async def _store(self, reading: Reading) -> Response:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                report = await self._intake.take(reading.delivery)
        except (TransientError, TimeoutError) as error:
            self._note(Outcome.POSTPONED, reading.dialect)
            reason = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
            _log.warning("not stored: %s", reason, extra={"action": "events.postponed"})
            return _answer(503, {"error": reason}, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        except HeadraceError as error:
            self._note(Outcome.FAILED, reading.dialect)
            _log.exception("failed", extra={"action": "events.failed"})
            return _answer(500, {"error": str(error)})
        tell(report)
        self._note(Outcome.TAKEN, reading.dialect)
        self._watcher.took(Source.HTTP, report.offer)
        counts = {name: len(getattr(report, name)) for name in ("stored", "queued", "ignored")}
        held = {"held": len(report.held)} if report.held else {}
        return _answer(200, counts | held)

    def _note(self, outcome: Outcome, dialect: str = NO_DIALECT) -> None:
        self._watcher.notified(Source.HTTP, outcome, dialect)

    def _is_allowed(self, request: Request) -> bool:
        found = _secret_of(request.headers.get("authorization", "").encode("latin-1"))
        return bool(found) and hmac.compare_digest(found, self._token)

    async def _healthz(self, request: Request) -> Response:  # noqa: ARG002  (starlette passes it)
        return _answer(200, {"status": "ok"})

    async def _readyz(self, request: Request) -> Response:  # noqa: ARG002  (starlette passes it)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._probe()
        except (HeadraceError, TimeoutError) as error:
            return _answer(503, {"error": str(error) or f"no answer within {READY_SECONDS:g} s"})
        return _answer(200, {"status": "ready"})


def _secret_of(header: bytes) -> bytes:
    """The token that a header gives, bare or as the password of whatever user; empty: it gives none."""
    scheme, _, rest = header.partition(b" ")
    if scheme == b"Bearer":
        return rest
    if scheme != b"Basic":
        return b""
    try:
        return base64.b64decode(rest, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _unauthorised() -> Response:
    """SNS gives the password of its address only to who asks for it."""
    answer = _answer(
        401, {"error": "a bearer token is needed"}, {"WWW-Authenticate": 'Basic realm="headrace"'}
    )
    answer.headers.append("WWW-Authenticate", "Bearer")
    return answer


async def _body_of(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _TooLargeError
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _TooLargeError
    return bytes(body)


def _answer(status: int, document: Mapping[str, object], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), status, headers, media_type="application/json")
