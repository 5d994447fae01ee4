"""From an allocated claim to what is to be prepared for it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.gpu.backends.port import Seat, session_of
from headrace.manifests.gpu_slices import Grant, held_by
from headrace.model.errors import RejectedError
from headrace.model.gpu_server import Backend, GpuServer
from headrace.model.labels import GPU_DRIVER
from headrace.model.value import StoredValue

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """A claim as the kubelet names it."""

    namespace: str
    name: str
    uid: str

    @property
    def told(self) -> str:
        return f"claim {self.namespace}/{self.name} ({self.uid})"


class Granted(StoredValue):
    """One device of the claim, and where its GPU is."""

    request: str  # of the claim, whose devices a container may name
    share: str = ""
    server: str
    address: str
    port: int
    number: int
    memory_bytes: int
    session: str

    @property
    def seat(self) -> Seat:
        return Seat(self.server, self.address, self.port, self.number, self.memory_bytes, self.session)


class Preparation(StoredValue):
    """All of a claim, as it was when it was first prepared. `done`: it has been, to its end, once."""

    namespace: str
    name: str
    uid: str
    backend: Backend
    granted: tuple[Granted, ...]
    done: bool = False

    @property
    def seats(self) -> Sequence[Seat]:
        return [each.seat for each in self.granted]

    @property
    def requests(self) -> Sequence[str]:
        """The names of the claim's requests, each once."""
        return list(dict.fromkeys(each.request for each in self.granted))


def check_identity(claim: Manifest, asked: Reference) -> None:
    """Raises RejectedError where another claim bears the name by now."""
    found = claim["metadata"]["uid"]
    if found != asked.uid:
        raise RejectedError(
            f"{asked.told}: found uid {found}, allowed {asked.uid} only; the claim was replaced, and its pod "
            "has to be made anew"
        )


def grants_of(claim: Manifest, asked: Reference) -> Sequence[Grant]:
    """The GPUs that it was granted. Raises RejectedError where there is none of ours."""
    held = held_by(claim)
    if held is None:
        raise RejectedError(
            f"{asked.told}: found no GPU of {GPU_DRIVER} in its allocation; allocate it first"
        )
    return held.grants


def plan(grants: Sequence[Grant], asked: Reference, servers: Mapping[str, GpuServer]) -> Preparation:
    """What is to be prepared. Raises RejectedError for GPUs of different backends: a container has one."""
    kinds = {servers[grant.server].spec.backend for grant in grants}
    if len(kinds) != 1:
        raise RejectedError(
            f"{asked.told}: found backends {', '.join(sorted(kinds))}, allowed one; constrain the claim by "
            f"matchAttribute {GPU_DRIVER}/backend"
        )
    granted = tuple(
        _granted(index, grant, servers[grant.server], asked) for index, grant in enumerate(grants)
    )
    return Preparation(
        namespace=asked.namespace, name=asked.name, uid=asked.uid, backend=kinds.pop(), granted=granted
    )


def _granted(index: int, grant: Grant, server: GpuServer, asked: Reference) -> Granted:
    """Of one that was chosen among alternatives a container names the request alone: `gpu/large` is `gpu`."""
    return Granted(
        request=grant.request.partition("/")[0],
        share=grant.share,
        server=server.name,
        address=server.spec.address,
        port=server.spec.port,
        number=grant.number,
        memory_bytes=grant.memory_bytes,
        session=session_of(asked.uid, index),
    )
