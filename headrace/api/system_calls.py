"""/health and what of /system concerns the stack as a whole."""

import asyncio
import platform
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from headrace.api.access import demand_administrator
from headrace.api.documents import Answer, Backend, ClusterConfig, Config, Info, SystemLogs
from headrace.api.journal import Journal
from headrace.api.world import World, answer, told
from headrace.health.faults import fault_of
from headrace.model.errors import HeadraceError, NotFoundError, TransientError

READY_SECONDS = 2.0
_PROBE = "readyz"  # neither an object nor a function of this name need be there
EMBEDDED = "embedded"  # the name of the namespaces where there is no Kubernetes


@dataclass(frozen=True, slots=True)
class Site:
    """What is told of where the stack runs. `status` gives the document of /system/status."""

    kubernetes_version: str
    status: Callable[[], Awaitable[Answer]]


class SystemCalls:
    """See the module."""

    def __init__(self, world: World, site: Site, journal: Journal) -> None:
        self._world = world
        self._site = site
        self._journal = journal

    async def health(self, _: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("Ok")

    async def ready(self, _: Request) -> Response:
        """Store and queue answer."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                with suppress(NotFoundError):
                    await self._world.storage.head(self._world.settings.platform_bucket, _PROBE)
                with suppress(NotFoundError):
                    await self._world.queue.backlog(_PROBE)
        except TimeoutError:
            return told(fault_of(TransientError(f"store or queue gave no answer within {READY_SECONDS:g} s")))
        except HeadraceError as error:
            return told(fault_of(error))
        return PlainTextResponse("Ok")

    async def info(self, request: Request) -> Response:
        """What runs here."""
        self._world.user(request)
        number = version("headrace")
        document = Info(
            version=f"headrace-{number}",
            architecture=platform.machine(),
            kubernetes_version=self._site.kubernetes_version,
            serverless_backend=Backend(name="headrace", version=number),
        )
        return answer(document)

    async def config(self, request: Request) -> Response:
        """What clients may know of the configuration, and how this user comes to the store."""
        caller = self._world.user(request)
        place = self._world.settings.kubernetes
        config = ClusterConfig(
            namespace=place.platform_namespace if place else EMBEDDED,
            services_namespace=(caller.tenant or place.namespace) if place else EMBEDDED,
        )
        return answer(Config(config=config, minio_provider=self._world.store(caller)))

    async def status(self, request: Request) -> Response:
        """How large the stack is."""
        demand_administrator(self._world.user(request))
        return answer(await self._site.status())

    async def logs(self, request: Request) -> Response:
        """The newest calls of /run and /job, as this process has seen them."""
        demand_administrator(self._world.user(request))
        return answer(SystemLogs(logs=self._journal.entries))
