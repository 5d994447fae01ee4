"""The functions that files are matched against, kept in step with where they come from."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from headrace.events.deposit import Deposit
from headrace.events.listing import Listed
from headrace.events.sources import FunctionSource
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from headrace.model.function import Function
from headrace.model.keys import function_key
from headrace.model.tenancy import tenant_of
from headrace.storage.port import Storage

REST_SECONDS = 2.0  # before a tenant's function is tried again that could not be taken, at first
MOST_REST_SECONDS = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rest:
    """For how many seconds something is left alone, and until when, in seconds since the epoch."""

    seconds: float
    until: float


class Roster:
    """Functions by name. One appears here only when its stream is there and its first sight is noted."""

    def __init__(
        self,
        source: FunctionSource,
        storage: Storage,
        deposit: Deposit,
        *,
        platform_bucket: str,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._storage = storage
        self._deposit = deposit
        self._platform_bucket = platform_bucket
        self._clock = clock
        self._listed: Mapping[str, Listed] = {}
        self._seen: tuple[Function, ...] | None = None  # what the source said last
        self._functions: tuple[Function, ...] = ()
        self._resting: dict[str, _Rest] = {}  # by a tenant's function, or by a tenant where all of its are

    @property
    def functions(self) -> tuple[Function, ...]:
        """Those that are known now, in order of names."""
        return self._functions

    @property
    def listed(self) -> tuple[Listed, ...]:
        """The same, with the moments of their first sight."""
        return tuple(self._listed[function.name] for function in self.functions)

    async def refresh(self) -> tuple[str, ...]:
        """Look at the source again; returns the names of functions that came.

        Raises what the source raises, and what queue and store raise for a function of the stack's own; all
        is tried again the next time. A tenant's function that can't be taken stays as it was, or away if it
        was not there, and is tried again after a while: others wait for one lost answer, no more.
        """
        seen = await self._source.functions()
        if seen is self._seen and not self._is_due():
            return ()
        listed = await self._taken_of(seen)
        came = tuple(name for name in listed if name not in self._listed)
        for name in self._listed.keys() - listed.keys():
            self._deposit.leave(name)
        self._seen, self._listed = seen, listed
        self._functions = tuple(each.function for each in listed.values())
        there = {each.name for each in seen} | {tenant_of(each.name) for each in seen}
        self._resting = {name: rest for name, rest in self._resting.items() if name in there}
        return came

    async def _taken_of(self, seen: Sequence[Function]) -> Mapping[str, Listed]:
        """The stack's own, then those of all tenants at once; in the order of `seen`."""
        found = {each.name: await self._take(each) for each in seen if not tenant_of(each.name)}
        tenants = dict.fromkeys(tenant for each in seen if (tenant := tenant_of(each.name)))
        parts = [[each for each in seen if tenant_of(each.name) == tenant] for tenant in tenants]
        for part in await asyncio.gather(*map(self._taken_of_tenant, tenants, parts)):
            found |= part
        return {each.name: found[each.name] for each in seen if each.name in found}

    async def _taken_of_tenant(self, tenant: str, functions: Sequence[Function]) -> dict[str, Listed]:
        found = {each.name: self._listed[each.name] for each in functions if each.name in self._listed}
        was_silent = False
        for each in functions:
            if self._rests(tenant) or self._rests(each.name):
                continue
            try:
                found[each.name] = await self._take(each)
                self._resting.pop(each.name, None)
            except TransientError as error:  # of the tenant's other functions it would be heard as late
                was_silent = True
                self._rest(tenant, each.name, error)
            except HeadraceError as error:
                self._rest(each.name, each.name, error)
        if not (was_silent or self._rests(tenant)):
            self._resting.pop(tenant, None)
        return found

    async def _take(self, function: Function) -> Listed:
        """With its stream and the moment of its first sight. Raises what queue and store raise."""
        await self._deposit.open(function)
        before = self._listed.get(function.name)
        first_seen = before.first_seen if before is not None else await self._introduce(function.name)
        return Listed(function, first_seen)

    # Tenants' functions that can't be taken

    def _is_due(self) -> bool:
        return any(not self._rests(name) for name in self._resting)

    def _rests(self, name: str) -> bool:
        return name in self._resting and self._clock() < self._resting[name].until

    def _rest(self, name: str, function: str, error: HeadraceError) -> None:
        """Leave a function, or a whole tenant, alone for 2, 4, 8, … seconds."""
        before = self._resting.get(name)
        seconds = min(MOST_REST_SECONDS, before.seconds * 2 if before else REST_SECONDS)
        self._resting[name] = _Rest(seconds, self._clock() + seconds)
        told = "stays as it was" if function in self._listed else "gets no files"
        extra = {"action": "events.function_refused", "function": function}
        _log.error("function %s %s: %s", function, told, error, extra=extra)

    async def _introduce(self, name: str) -> float:
        """When it was first seen: now, unless that is noted."""
        now = self._clock()
        key = function_key(name)
        if await self._storage.create(self._platform_bucket, key, orjson.dumps({"firstSeen": now})):
            _log.info("function %s came", name, extra={"action": "events.function_came", "function": name})
            return now
        return _first_seen(key, await self._storage.read(self._platform_bucket, key))


def _first_seen(key: str, body: bytes) -> float:
    try:
        document = orjson.loads(body)
        return float(document["firstSeen"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{key} in the platform bucket holds {body[:80]!r}; it must be an object with firstSeen, "
            "seconds since the epoch: delete it"
        ) from error
