"""rCUDA: a replacement of the CUDA runtime library whose calls go to a daemon on the GPU's host.

Facts come from public users of real archives, as its guide is not public: hence all of it can be configured.
A session is a process of the daemon, made with the first connection and gone with the last; a connection that
hangs is ended by the server host's keepalive. No memory quota, no isolation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.gpu.backends.by_connection import ByConnection
from headrace.gpu.backends.port import CLIENT, Injection, Seat, client_mount, common
from headrace.model.gpu_server import Backend
from headrace.placement.remoting import FACTS


@dataclass(frozen=True, slots=True)
class Rcuda(ByConnection):
    """`folder` is the client tree on each node, the operator's own archive unpacked.

    `protocol` is what versions before 20.07 must be told: TCP or IB; empty: a later version.
    """

    folder: str = "/opt/rcuda"
    protocol: str = ""

    @property
    def kind(self) -> Backend:
        """See the port."""
        return Backend.RCUDA

    def injection(self, seats: Sequence[Seat]) -> Injection:
        """See the port. The application must link the runtime library dynamically."""
        libraries = f"{CLIENT}/{self.kind}/lib"
        return Injection(
            {
                **common(self.kind, seats),
                "LD_LIBRARY_PATH": f"{libraries}:{libraries}/cudnn",
                "RCUDA_DEVICE_COUNT": str(len(seats)),
                **{f"RCUDA_DEVICE_{index}": _spelt(seat) for index, seat in enumerate(seats)},
                **({"RCUDAPROTO": self.protocol} if self.protocol else {}),
            },
            (client_mount(self.kind, self.folder),),
        )


def _spelt(seat: Seat) -> str:
    """`host[@port][:gpu]`, the port where it is not the usual one."""
    usual = seat.port == FACTS[Backend.RCUDA].default_port
    return f"{seat.address}{'' if usual else f'@{seat.port}'}:{seat.number}"
