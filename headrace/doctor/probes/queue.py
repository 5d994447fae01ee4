"""What the queue's server says of an account, and of functions' streams."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from headrace.doctor.queue import QueueFacts, StreamFacts
from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.settings import QueueSettings
from headrace.model.tenancy import tenant_of
from headrace.queue.jetstream_layout import CONSUMER, stream, stream_name
from headrace.queue.jetstream_server import Server

AT_ONCE = 16  # streams asked about


async def queue_facts(settings: QueueSettings, functions: Iterable[str]) -> QueueFacts:
    """Of the stack's own account, and whether the tenants' can be used."""
    tenants = ("", *sorted(settings.accounts))
    servers = {tenant: Server(settings.of_account(tenant)) for tenant in tenants}
    try:
        troubles = dict(zip(tenants, await asyncio.gather(*map(_trouble, servers.values())), strict=True))
        if troubles[""] is not None:
            return QueueFacts(settings.url, troubles[""])
        told = await servers[""].api("INFO", {})
        asked = [name for name in functions if troubles.get(tenant_of(name), True) is None]
        slots = asyncio.Semaphore(AT_ONCE)
        streams = await asyncio.gather(*(_stream(servers[tenant_of(name)], name, slots) for name in asked))
        accounts = {tenant: troubles[tenant] for tenant in tenants if tenant}
        return QueueFacts(settings.url, None, *_storage(told), tuple(streams), accounts)
    finally:
        await asyncio.gather(*(each.close() for each in servers.values()))


async def _trouble(server: Server) -> HeadraceError | None:
    try:
        await server.api("INFO", {})
    except HeadraceError as error:
        return error
    return None


def _storage(told: Mapping[str, Any]) -> tuple[int, int]:
    """https://docs.nats.io/reference/reference-protocols/nats_api_reference#fetching-account-information"""
    return int(told.get("storage", 0)), int((told.get("limits") or {}).get("max_storage", -1))


async def _stream(server: Server, function: str, slots: asyncio.Semaphore) -> StreamFacts:
    async with slots:
        try:
            told = await server.api(f"STREAM.INFO.{stream_name(function)}", {})
            consumer = await server.api(f"CONSUMER.INFO.{stream_name(function)}.{CONSUMER}", {})
        except NotFoundError:
            return StreamFacts(function, there=False)
    misfit = _misfit(told.get("config") or {}, function)
    return StreamFacts(function, there=True, misfit=misfit, paused=bool(consumer.get("paused")))


def _misfit(found: Mapping[str, Any], function: str) -> str:
    """What makes that a task is in the queue once only."""
    wanted = orjson.loads(orjson.dumps(stream(function).as_dict()))
    names = ("retention", "discard", "discard_new_per_subject", "max_msgs_per_subject")
    differing = [
        f"{name} is {found.get(name)!r}, not {wanted[name]!r}"
        for name in names
        if found.get(name) != wanted[name]
    ]
    return ", ".join(differing)
