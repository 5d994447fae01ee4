"""What one connection has on its GPU, and the calls that work with it."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from headrace.gpu.stub.client.headrace_stub.errors import FrameError
from headrace.gpu.stub.client.headrace_stub.framing import Array, describe, parse_arrays
from headrace.gpu.stub.models import Model
from headrace.gpu.stub.refusal import Reason, RefusedError
from headrace.gpu.stub.requests import (
    DataRequest,
    Free,
    Load,
    Malloc,
    Matmul,
    Read,
    Run,
    Synchronize,
    Write,
)
from headrace.gpu.stub.sessions import Session

FLOAT_BYTES = 4

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """To a call that was done."""

    head: dict[str, object] = field(default_factory=dict)
    buffers: tuple[memoryview, ...] = ()


class Workspace:
    """Memory and models of one connection, by handle. Every refusal is a RefusedError.

    `gpu` is held while its processor computes: the sessions of a GPU take turns.
    """

    def __init__(self, session: Session, gpu: asyncio.Lock) -> None:
        self._session, self._gpu = session, gpu
        self._handles = itertools.count(1)
        self._memory: dict[int, Array] = {}
        self._models: dict[int, Model] = {}

    async def answer(self, request: DataRequest, payload: bytes) -> Answer:
        """Do a call."""
        self._session.calls += 1
        match request:
            case Malloc():
                return Answer({"handle": self._malloc(request.size)})
            case Free():
                self._free(request.handle)
            case Write():
                self._part(request.handle, request.offset, len(payload))[:] = np.frombuffer(payload, np.uint8)
            case Read():
                return Answer(buffers=(self._part(request.handle, request.offset, request.size).data,))
            case Matmul():
                return await self._matmul(request)
            case Load():
                return await self._load(payload)
            case Run():
                return await self._run(request, payload)
            case Synchronize():
                pass  # calls are done in order
        return Answer()

    def release(self) -> None:
        """Free all; the connection has ended."""
        for handle in (*self._memory, *self._models):
            self._free(handle)

    def _malloc(self, size: int) -> int:
        self._session.allocate(size)
        try:
            memory = np.zeros(size, np.uint8)  # not what another session left there
        except MemoryError as error:
            self._session.release(size)
            raise RefusedError(
                Reason.OUT_OF_MEMORY, f"session {self._session.name}: the host has no {size} bytes left"
            ) from error
        handle = next(self._handles)
        self._memory[handle] = memory
        return handle

    def _free(self, handle: int) -> None:
        if handle in self._models:
            self._session.release(self._models.pop(handle).size_bytes)
        else:
            self._session.release(self._of(handle).nbytes)
            del self._memory[handle]

    def _of(self, handle: int) -> Array:
        if handle not in self._memory:
            raise RefusedError(Reason.UNKNOWN_HANDLE, f"memory {handle}: this connection has none such")
        return self._memory[handle]

    def _part(self, handle: int, offset: int, size: int) -> Array:
        memory = self._of(handle)
        if offset + size > memory.nbytes:
            raise RefusedError(
                Reason.BAD_CALL,
                f"memory {handle}: asked for bytes {offset} to {offset + size}, it has {memory.nbytes}",
            )
        return memory[offset : offset + size]

    async def _matmul(self, request: Matmul) -> Answer:
        rows, inner, columns = request.shape
        a = self._matrix(request.a, rows, inner)
        b = self._matrix(request.b, inner, columns)
        out = self._matrix(request.out, rows, columns)
        _, seconds = await self._compute(lambda: np.matmul(a, b, out=out))
        return Answer({"gpu_seconds": seconds})

    def _matrix(self, handle: int, rows: int, columns: int) -> Array:
        return self._part(handle, 0, rows * columns * FLOAT_BYTES).view("<f4").reshape(rows, columns)

    async def _load(self, content: bytes) -> Answer:
        self._session.allocate(len(content))
        try:
            model, _ = await self._compute(lambda: Model.load(content))
        except RefusedError:
            self._session.release(len(content))
            raise
        handle = next(self._handles)
        self._models[handle] = model
        return Answer({"handle": handle, **model.told()})

    async def _run(self, request: Run, payload: bytes) -> Answer:
        """Inputs and outputs count against the quota while it runs."""
        model = self._models.get(request.model)
        if model is None:
            raise RefusedError(Reason.UNKNOWN_HANDLE, f"model {request.model}: this connection has none such")
        taken = 0
        try:
            self._session.allocate(len(payload))
            taken = len(payload)
            feed = parse_arrays(request.inputs, payload)
            found, seconds = await self._compute(lambda: model.run(feed, request.outputs))
            described, buffers = describe(found)
            produced = sum(len(buffer) for buffer in buffers)
            self._session.allocate(produced)
            taken += produced
        except FrameError as error:
            raise RefusedError(Reason.BAD_CALL, str(error)) from error
        finally:
            self._session.release(taken)
        return Answer({"outputs": described, "gpu_seconds": seconds}, tuple(buffers))

    async def _compute(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """In a thread, when the GPU is free; and the seconds that it took, which are counted."""

        def timed() -> tuple[Result, float]:
            started = time.perf_counter()
            return work(), time.perf_counter() - started

        async with self._gpu:
            result, seconds = await asyncio.to_thread(timed)
        self._session.gpu_seconds += seconds
        return result, seconds
