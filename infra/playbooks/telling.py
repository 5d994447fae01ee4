"""Progress to whoever looks at `pulumi up`, beside the resource it belongs to.

A dynamic provider has no logger of Pulumi's, but like every provider it is started with the engine's address,
where the engine takes messages: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/engine.proto
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

LIMIT_SECONDS = 5.0


class Weight(Enum):
    """How much a message matters."""

    PASSING = auto()  # shown until the next one comes, and not again at the end
    LASTING = auto()
    WARNING = auto()


Tell = Callable[[str, Weight], None]


@contextmanager
def teller(urn: str, arguments: Sequence[str] | None = None) -> Iterator[Tell]:
    """Says things about a resource. A message that can't be delivered is no reason to fail."""
    given = sys.argv if arguments is None else arguments
    if len(given) != 2:
        yield lambda _text, _weight: None
        return
    with grpc.insecure_channel(given[1]) as channel:
        engine = engine_pb2_grpc.EngineStub(channel)

        def tell(text: str, weight: Weight) -> None:
            with suppress(grpc.RpcError):
                engine.Log(_request(text, weight, urn), timeout=LIMIT_SECONDS)

        yield tell


def _request(text: str, weight: Weight, urn: str) -> engine_pb2.LogRequest:
    severity = engine_pb2.WARNING if weight is Weight.WARNING else engine_pb2.INFO
    return engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=weight is Weight.PASSING)
