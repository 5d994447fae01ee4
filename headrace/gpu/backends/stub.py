"""The stub: a real server and client over TCP that compute on the CPU, for tests and demonstrations.

Sessions are made before the container starts and last until they are closed; the server keeps a quota of
memory for each, and no more of them than it was told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.gpu.backends.port import CLIENT, Injection, Seat, client_mount, common
from headrace.gpu.stub import control
from headrace.model.gpu_server import Backend


@dataclass(frozen=True, slots=True)
class Stub:
    """`folder` is the client tree on each node."""

    folder: str = "/var/lib/headrace/gpu/stub"

    @property
    def kind(self) -> Backend:
        """See the port."""
        return Backend.STUB

    def injection(self, seats: Sequence[Seat]) -> Injection:
        """See the port."""
        devices = ",".join(f"{seat.address}:{seat.port}/{seat.session}" for seat in seats)
        return Injection(
            {
                **common(self.kind, seats),
                "HEADRACE_STUB_DEVICES": devices,
                "PYTHONPATH": f"{CLIENT}/{self.kind}",
            },
            (client_mount(self.kind, self.folder),),
        )

    async def probe(self, address: str, port: int, *, seconds: float) -> None:
        """See the port."""
        await control.probe(address, port, timeout=seconds)

    async def open(self, seat: Seat, *, seconds: float) -> None:
        """See the port."""
        await control.open_session(
            seat.address,
            seat.port,
            session=seat.session,
            gpu=seat.number,
            memory_bytes=seat.memory_bytes,
            timeout=seconds,
        )

    async def close(self, seat: Seat, *, seconds: float) -> None:
        """See the port."""
        await control.close_session(seat.address, seat.port, session=seat.session, timeout=seconds)

    async def sessions(self, address: str, port: int, *, seconds: float) -> Mapping[str, float] | None:
        """See the port."""
        found = await control.sessions(address, port, timeout=seconds)
        return {each.session: each.gpu_seconds for each in found}
