"""The functions that files are matched against, kept in step with where they come from."""

import logging
from collections.abc import Callable, Mapping

import orjson

from headrace.events.deposit import Deposit
from headrace.events.listing import Listed
from headrace.events.sources import FunctionSource
from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError
from headrace.model.function import Function
from headrace.model.keys import function_key
from headrace.model.tenancy import tenant_of
from headrace.storage.port import Storage

REFUSED_SECONDS = 30.0  # before a tenant's function is tried again whose account took no stream

_log = logging.getLogger(__name__)


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
        self._refused: dict[str, float] = {}  # of tenants: when to try again

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

        Raises TransientError, and what the source raises; all is tried again the next time. A function of a
        tenant whose account takes no stream for it is left out for a while: others' are not held up by it.
        """
        seen = await self._source.functions()
        if seen is self._seen and not self._is_due():
            return ()
        functions = tuple([each for each in seen if await self._opened(each)])
        first_seen = {name: each.first_seen for name, each in self._listed.items()}
        came = tuple(each.name for each in functions if each.name not in first_seen)
        for each in functions:
            if each.name in came:
                first_seen[each.name] = await self._introduce(each.name)
        for name in first_seen.keys() - {each.name for each in functions}:
            self._deposit.leave(name)
        self._listed = {each.name: Listed(each, first_seen[each.name]) for each in functions}
        self._seen, self._functions = seen, functions
        self._refused = {each.name: self._refused[each.name] for each in seen if each.name in self._refused}
        return came

    def _is_due(self) -> bool:
        return any(moment <= self._clock() for moment in self._refused.values())

    async def _opened(self, function: Function) -> bool:
        """Whether it has its stream. Raises what the queue raises, for one of the stack's own."""
        name = function.name
        if self._refused.get(name, 0.0) > self._clock():
            return False
        try:
            await self._deposit.open(function)
        except (ConfigurationError, NotFoundError, RejectedError) as error:
            if not tenant_of(name):
                raise
            self._refused[name] = self._clock() + REFUSED_SECONDS
            extra = {"action": "events.function_refused", "function": name}
            _log.error("function %s gets no files: %s", name, error, extra=extra)
            return False
        self._refused.pop(name, None)
        return True

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
