"""What the driver needs of a backend of remote GPUs; what each isolates, headrace.placement.remoting says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.model.gpu_server import Backend
from headrace.placement.ways import HIDDEN

CLIENT = "/opt/headrace/gpu"  # where a container finds its backend's client: <CLIENT>/<backend>
SERVERS = "HEADRACE_GPU_SERVERS"  # `host:port,…`: by it the worker sees that its server has died
BACKEND = "HEADRACE_GPU_BACKEND"


@dataclass(frozen=True, slots=True)
class Seat:
    """One GPU that a claim was granted. `session` names it to the server, and is its alone."""

    server: str
    address: str
    port: int
    number: int  # of the GPU on its server
    memory_bytes: int
    session: str


def session_of(claim: str, index: int) -> str:
    """The name of the session for a claim's (its uid) GPU of this index."""
    return f"{claim}.{index}"


def claim_of(session: str) -> str:
    """The uid of the claim that a session is for."""
    return session.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the node that a container sees, read-only."""

    host_path: str
    container_path: str


@dataclass(frozen=True, slots=True)
class Injection:
    """What a container gets. A variable replaces the image's own of that name: CDI knows no other way."""

    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()


class RemoteBackend(Protocol):
    """One backend."""

    @property
    def kind(self) -> Backend:
        """Its name in a GpuServer."""
        ...

    def injection(self, seats: Sequence[Seat]) -> Injection:
        """What a container needs to use these GPUs, in this order. Pure."""
        ...

    async def probe(self, address: str, port: int, *, seconds: float) -> None:
        """Raises TransientError where the server does not answer in time."""
        ...

    async def open(self, seat: Seat, *, seconds: float) -> None:
        """Make the session, so that it is there before the container starts; may be repeated.

        A backend whose server makes a session with the first connection only sees that it answers. Raises
        TransientError, and RejectedError where the server has no room.
        """
        ...

    async def close(self, seat: Seat, *, seconds: float) -> None:
        """End the session, with all that it holds on the server; may be repeated. Raises TransientError."""
        ...

    async def sessions(self, address: str, port: int, *, seconds: float) -> Mapping[str, float] | None:
        """The sessions that are open, and the seconds that its GPU has computed for each.

        None where the server can't tell. Raises TransientError.
        """
        ...


def common(kind: Backend, seats: Sequence[Seat]) -> dict[str, str]:
    """What every remote container gets: the node's own GPUs are hidden, and the worker knows its servers."""
    places = dict.fromkeys(f"{seat.address}:{seat.port}" for seat in seats)
    return {**HIDDEN, BACKEND: kind.value, SERVERS: ",".join(places)}


def client_mount(kind: Backend, folder: str) -> Mount:
    """The client tree of a backend, where its containers look for it."""
    return Mount(folder, f"{CLIENT}/{kind}")
