"""What the calls need of the world, and what several of them do with it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headrace.api.access import Caller, caller_of, user_of
from headrace.api.deployments import Deployments
from headrace.api.documents import Answer, MinioProvider
from headrace.api.faults import not_known
from headrace.api.spool import Spool
from headrace.api.traffic import Traffic
from headrace.catalog.folder import Installed
from headrace.health.faults import Fault, refusal
from headrace.model.api import ApiSettings
from headrace.model.errors import NotFoundError
from headrace.model.function import digest_of
from headrace.model.settings import Settings
from headrace.operations.stack import Stack
from headrace.queue.port import Queue
from headrace.storage.port import Storage

JSON = "application/json"
TASK_HEADER = "Headrace-Task"  # of an answer about one task: its id
NO_KEY = "this user has no key of the store here; ask the operator for one, or send files by /job/{service}"


@dataclass(frozen=True, slots=True)
class World:
    """`now` gives seconds since the epoch; `number` eight digits that nobody else got."""

    settings: Settings
    api: ApiSettings
    storage: Storage
    queue: Queue
    deployments: Deployments
    spool: Spool
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    number: Callable[[], str]
    traffic: Traffic = field(default_factory=Traffic)

    # Callers

    @property
    def tenants(self) -> tuple[str, ...]:
        place = self.settings.kubernetes
        return tuple(each.name for each in place.tenants) if place else ()

    def user(self, request: Request) -> Caller:
        """Raises FaultError."""
        caller = user_of(self.api, request.headers.get("authorization", ""))
        request.state.user = caller.name
        return caller

    def caller(self, request: Request) -> Caller:
        """A user, or who has the token of the service in the path. Raises FaultError."""
        header = request.headers.get("authorization", "")
        caller = caller_of(self.api, header, request.path_params["service"], self.tenants)
        request.state.user = caller.name
        return caller

    async def function(self, caller: Caller, service: str) -> Installed:
        """The function behind a service's name. Raises FaultError."""
        try:
            function = await self.deployments.read(caller.function(service))
        except NotFoundError as error:
            raise not_known(service) from error
        return Installed(function, Path(), digest_of(function, {}))

    def stack(self, *functions: Installed) -> Stack:
        """The stack with these functions alone."""
        settings = self.settings
        return Stack(
            self.storage,
            self.queue,
            functions,
            settings.platform_bucket,
            settings.buckets,
            settings.kubernetes,
        )

    def store(self, caller: Caller) -> MinioProvider:
        """How a caller comes to the store: with a key of his own, never with the platform's."""
        storage = self.settings.storage
        endpoint = self.api.store_endpoint or storage.address
        key = next((each.store for each in self.api.users if each.name == caller.name), None)
        if key is None or caller.service is not None:
            return MinioProvider(endpoint=endpoint, region=storage.region, reason=NO_KEY)
        return MinioProvider(
            endpoint=endpoint,
            region=storage.region,
            access_key=key.access_key,
            secret_key=key.secret_key,
        )


def answer(document: Answer, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    """An answer with a document."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(document.body(), status, named, media_type=JSON)


def told(fault: Fault) -> Response:
    """A fault as an answer."""
    return Response(orjson.dumps(fault.document), fault.status, dict(fault.headers), media_type=JSON)


async def document_of(request: Request, *, most_bytes: int) -> Any:  # noqa: ANN401  (JSON has no narrower type)
    """The body's JSON. Raises FaultError for what is none, or too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            reason = (
                f"found more than {most_bytes} bytes, allowed {most_bytes}; put what is large into the image"
            )
            raise refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large", reason, limit_bytes=most_bytes)
    try:
        return orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise refusal(HTTPStatus.BAD_REQUEST, "not valid", f"the body is no JSON: {error}") from error
