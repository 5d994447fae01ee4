"""/system/services: services are made, shown, changed and deleted."""

import logging
from http import HTTPStatus
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headrace.api.access import Caller, token_of
from headrace.api.documents import Applied
from headrace.api.services import MOST_BYTES, Wanted, shown, wanted
from headrace.api.world import JSON, World, answer, document_of
from headrace.catalog.folder import Installed
from headrace.model.errors import HeadraceError
from headrace.model.function import Function
from headrace.model.tenancy import tenant_of

LOOK_SECONDS = 0.2  # between two looks whether a new service is ready
_log = logging.getLogger(__name__)
_NOT_READY = "it is not ready yet: its buckets are still being made; what is sent to it waits for them"


class ServiceCalls:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def listed(self, request: Request) -> Response:
        """Every service that the caller sees."""
        caller = self._world.user(request)
        functions = [each for each in await self._world.deployments.listed() if caller.sees(each.name)]
        return _json([await self._shown(each, caller) for each in functions])

    async def read(self, request: Request) -> Response:
        """One service, with its token."""
        caller = self._world.user(request)
        installed = await self._world.function(caller, request.path_params["service"])
        return _json(await self._shown(installed.function, caller))

    async def create(self, request: Request) -> Response:
        """Make a service, and wait a while until files can be sent to it."""
        caller = self._world.user(request)
        asked = await self._asked(request, caller)
        await self._world.deployments.create(asked.function, asked.secrets)
        ready = await self._is_ready(asked.function)
        warnings = asked.warnings if ready else (*asked.warnings, _NOT_READY)
        name = caller.service_name(asked.function.name)
        token = token_of(self._world.api, asked.function.name)
        return answer(Applied(name=name, token=token, warnings=warnings), HTTPStatus.CREATED)

    async def update(self, request: Request) -> Response:
        """Change the service that the document names."""
        caller = self._world.user(request)
        asked = await self._asked(request, caller)
        await self._world.deployments.update(asked.function, asked.secrets)
        await self._is_ready(asked.function)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def delete(self, request: Request) -> Response:
        """Delete a service. Its buckets and what is in them stay."""
        caller = self._world.user(request)
        installed = await self._world.function(caller, request.path_params["service"])
        await self._world.deployments.delete(installed.function.name)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _asked(self, request: Request, caller: Caller) -> Wanted:
        return wanted(await document_of(request, most_bytes=MOST_BYTES), caller, self._world.api)

    async def _shown(self, function: Function, caller: Caller) -> dict[str, object]:
        world = self._world
        store = world.store(caller).model_dump(exclude_none=True)
        return await shown(function, caller, world.api, world.deployments, store)

    async def _is_ready(self, function: Function) -> bool:
        """Whether its buckets are there and the receiver has seen it; waits a while for both."""
        world = self._world
        deadline = world.now() + world.api.ready_seconds
        installed = Installed(function, Path(), "")
        while not await self._stands(installed):
            if world.now() >= deadline:
                return False
            await world.sleep(LOOK_SECONDS)
        return True

    async def _stands(self, installed: Installed) -> bool:
        world, function = self._world, installed.function
        stack = world.stack(installed)
        buckets = {stack.real_bucket(each, tenant_of(function.name)) for each in function.bucket_names}
        try:
            if await stack.records.first_seen(function.name) is None:
                return False
            return all([await world.storage.has_bucket(each) for each in sorted(buckets)])
        except HeadraceError as error:  # the store may start anew for a bucket; the service is made anyway
            _log.info("%s: %s", function.name, error, extra={"action": "api.not_ready"})
            return False


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type=JSON)
