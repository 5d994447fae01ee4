"""The ASGI application: routes, and what becomes of whatever a call raises."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.api.catalogue import CALLS
from headrace.api.job_calls import JobCalls
from headrace.api.journal import Journal
from headrace.api.openapi import openapi
from headrace.api.refused import refused
from headrace.api.run_calls import RunCalls
from headrace.api.service_calls import ServiceCalls
from headrace.api.submitting import Submitter
from headrace.api.system_calls import Site, SystemCalls
from headrace.api.world import JSON, World, told
from headrace.health.faults import Fault, FaultError
from headrace.health.http_service import fault_logged

Handler = Callable[[Request], Awaitable[Response]]
Stray = Callable[[Request, Exception], Awaitable[Response]]
_LEFT = 499  # as proxies note it: the client went away, and nobody reads the answer

_log = logging.getLogger(__name__)


def application(world: World, site: Site, *more: BaseRoute) -> ASGIApp:
    """Everything but the server, with more that the process answers."""
    journal = Journal()
    handlers = _handlers(world, site, journal)
    paths = dict.fromkeys(call.path for call in CALLS)
    routes = [_route(path, handlers, world, journal) for path in paths]
    strays = {404: _stray(_no_path, world), 405: _stray(_no_method, world)}
    app = Starlette(routes=[*routes, *more], exception_handlers=strays)
    return _Slashless(app)


def _handlers(world: World, site: Site, journal: Journal) -> Mapping[str, Handler]:
    submitter = Submitter(
        world.storage,
        world.queue,
        world.settings,
        clock=world.now,
        number=world.number,
        sleep=world.sleep,
    )
    system, services = SystemCalls(world, site, journal), ServiceCalls(world)
    jobs, runs = JobCalls(world), RunCalls(world, submitter)
    document = orjson.dumps(openapi())

    async def described(_: Request) -> Response:
        return Response(document, media_type=JSON)

    return {
        "health": system.health,
        "ready": system.ready,
        "openapi": described,
        "info": system.info,
        "config": system.config,
        "status": system.status,
        "system_logs": system.logs,
        "services": services.listed,
        "create": services.create,
        "update": services.update,
        "read": services.read,
        "delete": services.delete,
        "jobs": jobs.listed,
        "delete_jobs": jobs.delete_all,
        "log": jobs.log,
        "delete_job": jobs.delete,
        "task": jobs.task,
        "job": runs.job,
        "run": runs.run,
    }


def _route(path: str, handlers: Mapping[str, Handler], world: World, journal: Journal) -> Route:
    """A path with all its methods, so that whoever asks for another is told of them."""
    calls = {call.method: handlers[call.name] for call in CALLS if call.path == path}
    return Route(path, _guarded(path, calls, world, journal), methods=list(calls))


def _guarded(path: str, calls: Mapping[str, Handler], world: World, journal: Journal) -> Handler:
    """Handlers by method, whose faults are answers, and whose calls are counted and noted."""

    async def call(request: Request) -> Response:
        began = world.now()
        request.state.user = "-"
        method = "GET" if request.method == "HEAD" else request.method
        with world.traffic.call(method, path) as answered:
            response = await _answered(calls[method], request)
            answered(response.status_code)
        address = request.client.host if request.client else "-"
        journal.note(
            request.method,
            request.url.path,
            status=response.status_code,
            began=began,
            ended=world.now(),
            by=(request.state.user, address),
        )
        return response

    return call


async def _answered(handler: Handler, request: Request) -> Response:
    where = {"method": request.method, "path": request.url.path}
    try:
        return await handler(request)
    except FaultError as error:
        return told(error.fault)
    except ClientDisconnect:
        _log.info("the client left", extra={"action": "api.client_left", **where})
        return Response(status_code=_LEFT)
    except Exception as error:  # noqa: BLE001  (the call's top: the service must outlive every fault)
        return told(fault_logged(error, _log, "api.failed", where))


def _stray(answer: Stray, world: World) -> Stray:
    """The answer to a call that no route takes, counted."""

    async def counted(request: Request, error: Exception) -> Response:
        response = await answer(request, error)
        world.traffic.stray(response.status_code)
        return response

    return counted


async def _no_path(request: Request, _: Exception) -> Response:
    return told(refused(request.method, request.url.path))


async def _no_method(request: Request, error: Exception) -> Response:
    headers = getattr(error, "headers", None) or {}
    allowed = headers.get("Allow", "")
    reason = f"found {request.method}, allowed {allowed or 'others'}; GET /openapi.json tells the calls"
    return told(Fault(HTTPStatus.METHOD_NOT_ALLOWED, "not allowed", reason, headers=headers))


class _Slashless:
    """Takes a slash from a path's end, which some of OSCAR's clients write."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/"}
        await self._app(scope, receive, send)
