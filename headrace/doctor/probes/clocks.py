"""Reads clocks: a Date header, a stream's time stamp, leases of nodes."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from headrace.doctor.clocks import ClockFacts, Reading
from headrace.kube.asking import Asked
from headrace.kube.kinds import LEASES, NODES
from headrace.kube.naming import key_of
from headrace.kube.port import Kube, Manifest, Selection
from headrace.kube.wire import moment_of
from headrace.model.errors import HeadraceError
from headrace.model.settings import QueueSettings
from headrace.queue.jetstream_layout import stream_name
from headrace.queue.jetstream_server import Server

HEADER_SECONDS = 5.0
NODE_LEASES = "kube-node-lease"  # the namespace in which kubelets renew theirs
_HALF = 0.5  # a Date header tells whole seconds


async def read(ask: Callable[[], Awaitable[float | None]], *, coarse: bool) -> Reading | str:
    """One clock against this machine's; `coarse`: it tells whole seconds. A text: why it can't be read."""
    begun, ticked = time.time(), time.monotonic()
    try:
        told = await ask()
    except HeadraceError as error:
        return str(error)
    half = (time.monotonic() - ticked) / 2
    if told is None:
        return "it does not tell its time"
    return Reading(told + (_HALF if coarse else 0.0) - (begun + half), half + (_HALF if coarse else 0.0))


async def store_date(address: str) -> float | None:
    """The Date of any answer: it needs no key. None where there is none."""
    return await asyncio.to_thread(_date, address)


def _date(address: str) -> float | None:
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        trust = ssl.create_default_context()
        connection: HTTPConnection = HTTPSConnection(host, port, timeout=HEADER_SECONDS, context=trust)
    else:
        connection = HTTPConnection(host, port, timeout=HEADER_SECONDS)
    try:
        connection.request("HEAD", "/")
        return moment_of(connection.getresponse().headers.get("Date", ""))
    except (HTTPException, OSError):
        return None
    finally:
        connection.close()


async def queue_date(settings: QueueSettings, function: str) -> float | None:
    """By the time stamp of the server's answer about a stream. Raises HeadraceError."""
    server = Server(settings.of_account(""))
    try:
        told = await server.api(f"STREAM.INFO.{stream_name(function)}", {})
    finally:
        await server.close()
    return _moment(told.get("ts"))


async def node_facts(kube: Kube, asked: Asked, servers: Mapping[str, Reading | str]) -> ClockFacts:
    """Leases of nodes that are ready, by the API server's clock."""
    try:
        leases = (await kube.list(LEASES, Selection(NODE_LEASES))).items
        nodes = (await kube.list(NODES)).items
        date = (await asked.greet()).date
    except HeadraceError as error:
        return ClockFacts(servers, None, str(error))
    if date is None:
        return ClockFacts(servers, None, "the API server does not tell its time")
    ready = {key_of(each)[1] for each in nodes if is_ready(each)}
    ages = {
        key_of(each)[1]: date - renewed
        for each in leases
        if key_of(each)[1] in ready
        and (renewed := _moment(each.get("spec", {}).get("renewTime"))) is not None
    }
    return ClockFacts(servers, ages)


def is_ready(node: Manifest) -> bool:
    """Whether its kubelet says so."""
    conditions = node.get("status", {}).get("conditions", ())
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _moment(text: Any) -> float | None:  # noqa: ANN401  (JSON)
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else None
    except ValueError:
        return None
