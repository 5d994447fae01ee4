"""The backends by name, with the client trees where a node has them."""

from collections.abc import Mapping

from headrace.gpu.backends.lupine import Lupine
from headrace.gpu.backends.port import RemoteBackend
from headrace.gpu.backends.rcuda import Rcuda
from headrace.gpu.backends.stub import Stub
from headrace.model.gpu_server import Backend

Backends = Mapping[Backend, RemoteBackend]


def backends(
    *, rcuda: Rcuda | None = None, lupine: Lupine | None = None, stub: Stub | None = None
) -> Backends:
    """One of each, as usual where nothing is given."""
    made: tuple[RemoteBackend, ...] = (rcuda or Rcuda(), lupine or Lupine(), stub or Stub())
    return {each.kind: each for each in made}
