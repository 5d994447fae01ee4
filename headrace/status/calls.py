"""What each address answers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from headrace.health.faults import FaultError, refusal
from headrace.model.errors import HeadraceError, NotFoundError, TransientError
from headrace.model.status_page import StatusSettings
from headrace.status.access import Asker, Call, May, asker_of, check_sent, demand, login_of
from headrace.status.acting import Acts
from headrace.status.edition import Edition
from headrace.status.page.joining import joined
from headrace.status.service import Newsroom
from headrace.status.streaming import Seats, Stream

JSON = "application/json"
MOST_BYTES = 4096  # of an action
# To be asked for anew each time, which costs an ETag; and never another's, as it depends on who asks.
_FRESH = {"Cache-Control": "private, no-cache"}
_NEVER = {"Cache-Control": "no-store"}
_ACTIONS = (May.REPLAY, May.PAUSE, May.RESUME, May.ENABLE, May.DISABLE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the calls need. `unready`: why the service is not ready, for people; empty: it is.

    `ending`: whether it is told to end, so that what streams ends by itself.
    """

    settings: StatusSettings
    newsroom: Newsroom
    acts: Acts
    seats: Seats
    unready: Callable[[], str]
    ending: Callable[[], bool] = lambda: False


def call_of(request: Request) -> Call:
    """What tells who asks."""
    return Call(request.headers, request.client.host if request.client else "")


class Calls:
    """See the module. Each raises FaultError or HeadraceError where it can't."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, request: Request) -> Response:
        """The page."""
        page = joined()
        headers = {"ETag": page.etag, "Content-Security-Policy": page.policy, **_FRESH}
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(page.body, headers=headers, media_type="text/html")

    async def document(self, request: Request) -> Response:
        """The newest document, compressed for who takes that."""
        edition = self._edition(asker_of(self._desk.settings, call_of(request)))
        headers = {"ETag": edition.tag, "Vary": "Accept-Encoding, Authorization", **_FRESH}
        if edition.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(edition.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=JSON)
        return Response(edition.body, headers=headers, media_type=JSON)

    def _edition(self, asker: Asker) -> Edition:
        edition = self._desk.newsroom.edition(with_names=May.NAMES in asker.may)
        if edition is None:
            raise TransientError("nothing is known yet: the service has just begun; ask again in a second")
        return edition

    async def events(self, request: Request) -> ASGIApp:
        """What changes, as it does."""
        asker = asker_of(self._desk.settings, call_of(request))
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", **_NEVER}
        if request.method == "HEAD":
            return Response(headers=headers)
        if self._desk.seats.full:
            raise TransientError(
                f"{self._desk.seats.taken} pages are open, as many as may be; try again later"
            )
        return Stream(
            self._desk.newsroom,
            self._desk.seats,
            headers,
            with_names=May.NAMES in asker.may,
            ending=self._desk.ending,
            mark=request.headers.get("last-event-id", ""),
        )

    async def session(self, request: Request) -> Response:
        """Who asks, and what he may do."""
        settings = self._desk.settings
        asker = asker_of(settings, call_of(request))
        told = {"login": login_of(settings).value, "user": asker.name, "may": sorted(asker.may)}
        return _answer(told)

    async def node(self, request: Request) -> Response:
        """One node, with all that is remembered of it."""
        name = request.path_params["node"]
        found = self._desk.newsroom.node(name)
        if found is None:
            raise NotFoundError(f"node {name[:253]!r} is not known; the document lists those that are")
        return Response(found.to_json(), headers=_NEVER, media_type=JSON)

    async def log(self, request: Request) -> Response:
        """The end of a failed file's log, for who has logged in: it may hold anything."""
        demand(self._desk.settings, call_of(request), May.LOGS)
        path = request.path_params
        tail = await self._desk.acts.log(path["function"], path["task"])
        return Response(tail.to_json(), headers=_NEVER, media_type=JSON)

    async def act(self, request: Request) -> Response:
        """Do what a person asks for, and log who it was."""
        action = request.path_params["action"]
        if action not in _ACTIONS:
            raise NotFoundError(f"action {action[:40]!r} is not known, allowed: {', '.join(_ACTIONS)}")
        what, call = May(action), call_of(request)
        asker = demand(self._desk.settings, call, what)
        check_sent(self._desk.settings, call, asker)
        body = await _body_of(request)
        extra = {"action": f"status.{what}", "user": asker.name, "address": call.address}
        try:
            done = await self._desk.acts.act(what, body)
        except (HeadraceError, FaultError) as error:
            _log.warning("%s by %s was not done: %s", what, asker.name, error, extra=extra)
            raise
        _log.info("%s by %s: %s", what, asker.name, done.message, extra={**extra, "subject": done.subject})
        return Response(done.to_json(), headers=_NEVER, media_type=JSON)

    async def alive(self, _: Request) -> Response:
        """The process answers."""
        return _answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """There is a document. What of it is unknown is told along."""
        if self._desk.newsroom.edition(with_names=True) is None:
            return _answer({"error": "nothing is known yet"}, HTTPStatus.SERVICE_UNAVAILABLE)
        remark = self._desk.unready()
        return _answer({"status": "ok"} | ({"remark": remark} if remark else {}))


async def _body_of(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            reason = f"found more than {MOST_BYTES} bytes, allowed {MOST_BYTES}"
            raise refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large", reason)
    return bytes(body)


def _answer(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(document), status, _NEVER, media_type=JSON)
