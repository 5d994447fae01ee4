"""The ASGI application: routes, headers that bound what a browser does, what becomes of what is raised."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.health.faults import Fault, FaultError
from headrace.health.http_service import fault_logged
from headrace.status.access import check_host
from headrace.status.calls import JSON, Calls, Desk, call_of

# https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'"  # the policy of all that is no page

Handler = Callable[[Request], Awaitable[ASGIApp]]
_log = logging.getLogger(__name__)


def application(desk: Desk, *more: BaseRoute) -> ASGIApp:
    """Everything but the server, with more that the process answers."""
    calls = Calls(desk)
    table: dict[str, Handler] = {
        "/": calls.page,
        "/status.json": calls.document,
        "/events": calls.events,
        "/session.json": calls.session,
        "/nodes/{node}.json": calls.node,
        "/failed/{function}/{task}/log": calls.log,
        "/healthz": calls.alive,
        "/readyz": calls.ready,
    }
    routes = [Route(path, _Guarded(handler, desk), methods=["GET"]) for path, handler in table.items()]
    routes.append(Route("/actions/{action}", _Guarded(calls.act, desk), methods=["POST"]))
    app = Starlette(routes=[*routes, *more], exception_handlers={404: _no_path, 405: _no_method})
    return _Headed(app)


@dataclass(frozen=True, slots=True)
class _Headed:
    """Adds the headers of SECURITY to every answer, and a policy to those that have none."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in {**SECURITY, "Content-Security-Policy": NOTHING}.items():
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self.app(scope, receive, headed)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A handler whose faults are answers."""

    handler: Handler
    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answered(request)
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> ASGIApp:
        where = {"method": request.method, "path": request.url.path}
        try:
            check_host(self.desk.settings, call_of(request))
            return await self.handler(request)
        except FaultError as error:
            return told(error.fault)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001  (the call's top: the service must outlive every fault)
            return told(fault_logged(error, _log, "status.failed", where))


def told(fault: Fault) -> Response:
    """A fault as an answer; `message` is the same for who shows it as he shows what was done."""
    document = {**fault.document, "message": fault.reason}
    headers = {"Cache-Control": "no-store", **fault.headers}
    return Response(orjson.dumps(document), fault.status, headers, media_type=JSON)


async def _no_path(request: Request, _: Exception) -> Response:
    reason = f"{request.url.path[:200]!r} is no address here; the page is at /, its document at /status.json"
    return told(Fault(HTTPStatus.NOT_FOUND, "not found", reason))


async def _no_method(request: Request, error: Exception) -> Response:
    headers = getattr(error, "headers", None) or {}
    reason = f"found {request.method}, allowed {headers.get('Allow', 'others')}"
    return told(Fault(HTTPStatus.METHOD_NOT_ALLOWED, "not allowed", reason, headers=headers))
