"""Preparing claims step by step: wherever a plugin was killed, the next call goes on from there."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from headrace.catalog.deployed import gpu_server_of
from headrace.gpu.backends.port import Injection, RemoteBackend
from headrace.gpu.plugin.plan import Preparation, Reference, check_identity, grants_of, plan
from headrace.kube.kinds import GPU_SERVERS, RESOURCE_CLAIMS
from headrace.kube.port import Kube
from headrace.model.errors import HeadraceError, NotFoundError, RejectedError
from headrace.model.gpu_server import Backend, GpuServer

SERVER_SECONDS = 5.0  # for one word with a server; the kubelet gives up a call after 45 s

_log = logging.getLogger(__name__)


class Books(Protocol):
    """What is prepared, kept over the plugin's restarts; see checkpoint.py."""

    @property
    def preparations(self) -> Mapping[str, Preparation]:
        """By uid of claims."""
        ...

    async def put(self, preparation: Preparation) -> None:
        """It is kept once this returns."""
        ...

    async def remove(self, uid: str) -> None:
        """It is forgotten once this returns."""
        ...


class Specifications(Protocol):
    """What containers get; see cdi.py."""

    async def write(self, uid: str, requests: Sequence[str], injection: Injection) -> None:
        """Lay it out."""
        ...

    async def remove(self, uid: str) -> None:
        """Quiet where it is not there."""
        ...


class Preparer:
    """Prepares and unprepares; every call may be repeated, and several of one claim wait for one another."""

    def __init__(
        self, kube: Kube, backends: Mapping[Backend, RemoteBackend], books: Books, specs: Specifications
    ) -> None:
        self._kube = kube
        self._backends = backends
        self._books = books
        self._specs = specs
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def prepared(self) -> Sequence[Preparation]:
        """All that is, at this moment."""
        return list(self._books.preparations.values())

    async def prepare(self, asked: Reference) -> Preparation:
        """Sessions are open and the specification is there once this returns.

        Raises RejectedError, NotFoundError or TransientError with what hinders it.
        """
        async with self._turns[asked.uid]:
            known = self._books.preparations.get(asked.uid)
            preparation = known or await self._planned(asked)
            if known is None:
                await self._books.put(preparation)  # first: a session that nobody knows of is never closed
            await self._open(preparation)
            injection = self._backends[preparation.backend].injection(preparation.seats)
            await self._specs.write(preparation.uid, preparation.requests, injection)
            if not preparation.done:
                preparation = preparation.model_copy(update={"done": True})
                await self._books.put(preparation)
            return preparation

    async def unprepare(self, asked: Reference) -> None:
        """What was prepared is gone once this returns. A server that does not answer is no hindrance.

        The publisher closes what stays open there, once the claim is gone.
        """
        async with self._turns[asked.uid]:
            preparation = self._books.preparations.get(asked.uid)
            await self._specs.remove(asked.uid)
            if preparation is not None:
                await self._close(preparation)
                await self._books.remove(asked.uid)
        self._turns.pop(asked.uid, None)

    async def _planned(self, asked: Reference) -> Preparation:
        claim = await self._kube.get(RESOURCE_CLAIMS, asked.name, namespace=asked.namespace)
        check_identity(claim, asked)
        grants = grants_of(claim, asked)
        names = dict.fromkeys(grant.server for grant in grants)
        return plan(grants, asked, {name: await self._server(name, asked) for name in names})

    async def _server(self, name: str, asked: Reference) -> GpuServer:
        try:
            return gpu_server_of(await self._kube.get(GPU_SERVERS, name))
        except NotFoundError as error:
            raise RejectedError(
                f"{asked.told}: GPU server {name} was removed meanwhile; make its pod anew"
            ) from error

    async def _open(self, preparation: Preparation) -> None:
        backend = self._backends[preparation.backend]
        await asyncio.gather(*(backend.open(seat, seconds=SERVER_SECONDS) for seat in preparation.seats))

    async def _close(self, preparation: Preparation) -> None:
        backend = self._backends[preparation.backend]
        closing = (backend.close(seat, seconds=SERVER_SECONDS) for seat in preparation.seats)
        for end in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(end, HeadraceError):
                extra = {"action": "gpu.session_left", "claim": preparation.uid}
                _log.warning("a session stays open for now: %s", end, extra=extra)
            elif isinstance(end, BaseException):
                raise end
