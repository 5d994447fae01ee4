"""Pools of nodes, GPU servers and tenants, from a file: one YAML document each, read as a function is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from headrace.catalog.document import DocumentError, read_document
from headrace.catalog.explain import explained, fault_at
from headrace.catalog.fault import Fault, refuse
from headrace.model.errors import ConfigurationError
from headrace.model.gpu_server import GpuServer
from headrace.model.pool import NodePool
from headrace.model.tenant import Tenant
from headrace.model.value import Value

Kind = TypeVar("Kind", bound=Value)
Named = TypeVar("Named", NodePool, Tenant)

_SERVER = re.compile(rb"^kind:\s*GpuServer\s*$", re.MULTILINE)
_BEGIN = re.compile(rb"^---(?=\s|$)", re.MULTILINE)


def load_pools(path: Path) -> tuple[NodePool, ...]:
    """Every pool of a file, in its order. Raises ConfigurationError that names every fault of all of them."""
    return read_pools(_content(path), str(path))


def _content(path: Path, what: str = "NodePools") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: can't be read ({error.strerror}); name a YAML file of {what}"
        ) from error


def read_pools(data: bytes, file: str) -> tuple[NodePool, ...]:
    """Every pool of a file's content, as `load_pools`; `file` is how messages call it."""
    pools, faults = _named(data, file, NodePool, ("pool", "metadata.name"))
    if not pools and not faults:
        faults.append(Fault(file, None, "", "holds no pool; write a document of kind NodePool"))
    refuse(faults)
    return pools


def load_tenants(path: Path) -> tuple[Tenant, ...]:
    """Every tenant of a file, in its order. Raises ConfigurationError that names every fault of all."""
    tenants, faults = _named(_content(path, "tenants"), str(path), Tenant, ("tenant", "name"))
    if not tenants and not faults:
        faults.append(Fault(str(path), None, "", "holds no tenant; write a document with a name"))
    refuse(faults)
    return tenants


def _named(
    data: bytes, file: str, kind: type[Named], called: tuple[str, str]
) -> tuple[tuple[Named, ...], list[Fault]]:
    """All of a file, each of another name; `called`: what one is, and where its name is."""
    found: dict[str, Named] = {}
    faults: list[Fault] = []
    what, place = called
    for text in _documents(data):
        each, own_faults = _examine(text, file, kind)
        faults += own_faults
        if each is not None and found.setdefault(each.name, each) is not each:
            message = f"found {each.name!r} as the name of another {what} before, allowed once; rename one"
            faults.append(Fault(file, _first_line(text), place, message))
    return tuple(found.values()), faults


def load_gpu_ground(path: Path) -> tuple[tuple[NodePool, ...], tuple[GpuServer, ...]]:
    """Every pool and every GPU server of a file. Raises ConfigurationError that names each fault of it."""
    texts, file = list(_documents(_content(path))), str(path)
    pools = [_examine(text, file, NodePool) for text in texts if not _SERVER.search(text)]
    servers = [_examine(text, file, GpuServer) for text in texts if _SERVER.search(text)]
    refuse([fault for _, faults in (*pools, *servers) for fault in faults])
    return (
        tuple(pool for pool, _ in pools if pool is not None),
        tuple(server for server, _ in servers if server is not None),
    )


def _documents(data: bytes) -> Iterator[bytes]:
    """The text of each document that is not empty, with so many empty lines before it as lie before it.

    So each fault is told with its line in the file.
    """
    begins = [0, *(match.start() for match in _BEGIN.finditer(data))]
    for begin, end in zip(begins, [*begins[1:], len(data)], strict=True):
        lines = [line.strip() for line in data[begin:end].removeprefix(b"---").splitlines()]
        if any(line and not line.startswith(b"#") for line in lines):
            yield b"\n" * data.count(b"\n", 0, begin) + data[begin:end]


def _first_line(text: bytes) -> int:
    return len(text) - len(text.lstrip(b"\n")) + 1


def _examine(text: bytes, file: str, kind: type[Kind]) -> tuple[Kind | None, list[Fault]]:
    try:
        document = read_document(text)
    except DocumentError as error:
        return None, [Fault(file, error.line, "", str(error))]
    made, found = None, list(document.faults)
    try:
        made = kind.from_json(json.dumps(document.tree))
    except ValidationError as error:
        found += explained(error, kind.model_json_schema(), document=document)
    faults = [fault_at(path, message, document=document, file=file) for path, message in found]
    return (None if faults else made), sorted(faults, key=lambda fault: fault.line or 0)
