"""Lupine: a replacement of the CUDA driver library; its server forks a process for each connection.

https://github.com/lupinemachines/lupine. The server makes a session with a client's first connection and ends
it with that; it asks the kernel for keepalive, and so ends one that hangs after some 105 s. `LUPINE_SESSION`
names the connection, it makes nothing beforehand: what is sure before the container starts is that the server
answers. Clients see every GPU of the servers named, so a server of this backend has one. No memory quota.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.gpu.backends.by_connection import ByConnection
from headrace.gpu.backends.port import CLIENT, Injection, Seat, client_mount, common
from headrace.model.gpu_server import Backend


@dataclass(frozen=True, slots=True)
class Lupine(ByConnection):
    """`folder` is the client tree on each node, with `lib/libcuda.so.1` in it. Images need glibc."""

    folder: str = "/opt/lupine"

    @property
    def kind(self) -> Backend:
        """See the port."""
        return Backend.LUPINE

    def injection(self, seats: Sequence[Seat]) -> Injection:
        """See the port."""
        libraries = f"{CLIENT}/{self.kind}/lib"
        return Injection(
            {
                **common(self.kind, seats),
                "LD_LIBRARY_PATH": libraries,
                "LD_PRELOAD": f"{libraries}/libcuda.so.1",
                "LUPINE_DISABLE_LOCAL": "1",
                "LUPINE_SERVER": ",".join(f"{seat.address}:{seat.port}" for seat in seats),
                "LUPINE_SESSION": seats[0].session,
            },
            (client_mount(self.kind, self.folder),),
        )
