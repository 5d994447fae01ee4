"""A GPU elsewhere, as a program uses it."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np

from .connection import Connection, Counts
from .errors import PlaceError, StubError
from .framing import Array, Buffer, describe, parse_arrays
from .place import VARIABLE, Place, parse_places

__all__ = ["Counts", "Device", "Model", "Tensor", "devices"]


class Tensor(NamedTuple):
    """An input or output of a model, as ONNX Runtime tells it; `shape` has names where a length is free."""

    name: str
    shape: list[Any]
    type: str


class Model(NamedTuple):
    """A model on the GPU."""

    handle: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    providers: tuple[str, ...]


class Device:
    """One GPU; `connect` it first. Threads may share it, their calls wait for one another.

    Every call raises ServerLostError when the server is gone, RefusedError when it did not do it, and
    OutOfMemoryError when the session's quota does not suffice. What it holds on the GPU goes with `close`.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def connect(self) -> Device:
        """Join the session, which is there already: whoever gave this GPU opened it."""
        if self._connection is None:
            connection = Connection(self.place)
            try:
                connection.ask({"call": "attach", "session": self.place.session})
            except StubError:
                connection.close()
                raise
            self._connection = connection
        return self

    def close(self) -> None:
        """Idempotent."""
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Device:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def counts(self) -> Counts:
        """What went over the connection so far."""
        return self._connected.counts

    @property
    def _connected(self) -> Connection:
        if self._connection is None:
            raise StubError(
                f"GPU {self.place.server}/{self.place.session}: not connected; call connect() first"
            )
        return self._connection

    def malloc(self, size_bytes: int) -> int:
        """A handle to so much memory of the GPU."""
        with self._lock:
            answer, _ = self._connected.ask({"call": "malloc", "size": size_bytes})
        return int(answer["handle"])

    def free(self, handle: int) -> None:
        """Of memory or a model; not waited for."""
        with self._lock:
            self._connected.tell({"call": "free", "handle": handle})

    def write(self, handle: int, data: Buffer, offset: int = 0) -> None:
        """From host to GPU; not waited for."""
        with self._lock:
            self._connected.tell({"call": "write", "handle": handle, "offset": offset}, [data])

    def read(self, handle: int, size_bytes: int, offset: int = 0) -> bytearray:
        """From GPU to host."""
        head = {"call": "read", "handle": handle, "offset": offset, "size": size_bytes}
        with self._lock:
            return self._connected.ask(head)[1]

    def synchronize(self) -> None:
        """Wait until all calls before are done."""
        with self._lock:
            self._connected.ask({"call": "synchronize"})

    def matmul(self, a: Array, b: Array) -> Array:
        """The product of two matrices, as float32."""
        a, b = (np.ascontiguousarray(each, dtype="<f4") for each in (a, b))
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            raise ValueError(f"matmul: found shapes {a.shape} and {b.shape}, allowed (m, k) and (k, n)")
        rows, inner, columns = *a.shape, b.shape[1]
        with ExitStack() as frees:
            held = [self._held(frees, size) for size in (a.nbytes, b.nbytes, rows * columns * 4)]
            for handle, operand in zip(held, (a, b)):
                self.write(handle, operand.reshape(-1).view(np.uint8).data)
            self._multiply(held, [rows, inner, columns])
            return np.frombuffer(self.read(held[2], rows * columns * 4), "<f4").reshape(rows, columns)

    def _held(self, frees: ExitStack, size_bytes: int) -> int:
        handle = self.malloc(size_bytes)
        frees.callback(self.free, handle)
        return handle

    def _multiply(self, handles: Sequence[int], shape: Sequence[int]) -> None:
        a, b, out = handles
        head = {"call": "matmul", "a": a, "b": b, "out": out, "shape": list(shape)}
        with self._lock:
            self._connected.tell(head)

    def load_model(self, content: bytes) -> Model:
        """An ONNX model, whose bytes count against the quota until it is freed."""
        with self._lock:
            answer, _ = self._connected.ask({"call": "load"}, [content])
        inputs, outputs = (tuple(Tensor(**each) for each in answer[name]) for name in ("inputs", "outputs"))
        return Model(answer["handle"], inputs, outputs, tuple(answer["providers"]))

    def run(
        self, model: Model, feed: Mapping[str, Array], outputs: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """A model's outputs by name, all of them unless some are named."""
        described, buffers = describe(feed)
        head = {"call": "run", "model": model.handle, "inputs": described}
        if outputs is not None:
            head["outputs"] = list(outputs)
        with self._lock:
            answer, payload = self._connected.ask(head, buffers)
        return parse_arrays(answer["outputs"], payload)


def devices() -> list[Device]:
    """The GPUs that HEADRACE_STUB_DEVICES names, in this order; none where it isn't set.

    Raises PlaceError.
    """
    text = os.environ.get(VARIABLE, "")
    return [Device(place) for place in parse_places(text)] if text else []


def device(number: int) -> Device:
    """One of them, as CUDA numbers them. Raises PlaceError."""
    found = devices()
    if not 0 <= number < len(found):
        raise PlaceError(f"GPU {number}: {VARIABLE} names {len(found)}, numbered from 0")
    return found[number]
