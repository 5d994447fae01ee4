"""(f) A file's time on a remote GPU: predicted by headrace/placement/cost.py, measured over delayed links.

The stub serves; its GPU is one thread of this machine's processor. Every point has a connection of its own
through a link of tests/fixtures/delays.py. In each round all points are measured once, in an order that is
drawn anew, and the constants of the prediction as well, on a link that adds nothing.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

from headrace.gpu.stub.client.headrace_stub import Device
from headrace.placement.cost import Link, Overhead, Work, predicted_seconds
from tests.bench.figures import Spread
from tests.fixtures.delays import DelayedLinks, delayed_links
from tests.fixtures.stub_gpu import StubServer, stub_server

MODEL = Path(__file__).parents[2] / "functions" / "echo" / "echo" / "views.onnx"
MILLISECONDS, MEGABITS = (0.1, 1.0, 5.0, 20.0), (10.0, 100.0, 1000.0)
ROUNDS = 9
FRAMES, FRAME_SHAPE = 8, (1, 1, 240, 320)  # of a clip, as functions/echo looks at them
PRODUCTS, SIDE = 4, 256
PROBES, PROBE_BYTES = 20, 2**20
SMALL_SIDE, CALLS_OF_A_PRODUCT = 8, 11  # hardly a byte; ten calls, and one to wait for the last of them
SESSION, SESSION_BYTES = "bench", 2**28
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True, slots=True)
class Point:
    """What a link adds to a round trip, and what goes through it; 0 megabits: no limit."""

    milliseconds: float
    megabits: float

    @property
    def spelt(self) -> str:
        return f"{self.milliseconds:g}/{self.megabits:g}"

    @property
    def link(self) -> Link:
        return Link(self.milliseconds / 1000, self.megabits * 125_000 or float("inf"))


NOWHERE = Point(0.0, 0.0)
POINTS = tuple(Point(delay, width) for width in MEGABITS for delay in MILLISECONDS)


class Job(Protocol):
    """What a function does with the GPU for one file, again and again."""

    device: Device

    def work(self) -> None:
        """One file."""


class Echo:
    """As functions/echo: a call a frame, the frame up, three figures down. `PAYLOAD` leaves out heads."""

    NAME = "functions/echo"
    TITLE = f"functions/echo: {FRAMES} frames a file, 307 kB each"
    PAYLOAD = Work(FRAMES, FRAMES * 240 * 320 * 4, FRAMES * 3 * 4, 0.0)

    def __init__(self, device: Device) -> None:
        self.device = device
        self._frames = np.random.default_rng(0).random((FRAMES, *FRAME_SHAPE), np.float32)
        self._model = device.load_model(MODEL.read_bytes())

    def work(self) -> None:
        for frame in self._frames:
            self.device.run(self._model, {"frame": frame})


class Products:
    """Products of matrices: of each product 4 calls are waited for, and 6 are not."""

    NAME = "matrix products"
    TITLE = f"{PRODUCTS} products of {SIDE} x {SIDE} matrices a file"
    PAYLOAD = Work(4 * PRODUCTS, 2 * PRODUCTS * SIDE**2 * 4, PRODUCTS * SIDE**2 * 4, 0.0, 6 * PRODUCTS)

    def __init__(self, device: Device) -> None:
        self.device = device
        self._a, self._b = np.random.default_rng(0).random((2, SIDE, SIDE), np.float32)

    def work(self) -> None:
        for _ in range(PRODUCTS):
            self.device.matmul(self._a, self._b)


JOBS: tuple[type[Echo] | type[Products], ...] = (Echo, Products)


@dataclass(frozen=True, slots=True)
class Sample:
    """One file: seconds, and those of them that the GPU computed."""

    seconds: float
    gpu_seconds: float


@dataclass(slots=True)
class Calibration:
    """What remoting costs at no distance, round by round."""

    call_seconds: list[float] = field(default_factory=list)
    byte_seconds: list[float] = field(default_factory=list)

    @property
    def overhead(self) -> Overhead:
        return Overhead(median(self.call_seconds), median(self.byte_seconds))


@dataclass(frozen=True, slots=True)
class Figures:
    """All samples, the work of a file of each job, and what it takes on this processor without a server."""

    samples: dict[tuple[str, Point], list[Sample]]
    works: dict[str, Work]
    calibration: Calibration
    local_seconds: dict[str, Spread]

    def predicted(self, job: str, link: Link) -> float:
        return predicted_seconds(self.works[job], link, self.calibration.overhead)

    def measured(self, job: str, point: Point) -> Spread:
        return Spread.of([each.seconds for each in self.samples[job, point]])

    def computed(self, job: str, point: Point) -> float:
        """Seconds of the GPU, the median."""
        return median(each.gpu_seconds for each in self.samples[job, point])

    def deviation(self, job: str, point: Point) -> float:
        """Of the prediction from the measured median, as a share of it."""
        return self.predicted(job, point.link) / self.measured(job, point).median - 1


async def measure(base: Path) -> Figures:
    """All rounds; takes some minutes."""
    base.mkdir(exist_ok=True)
    with stub_server(base / "stub.log", memory="1Gi", environment=ONE_THREAD) as server:
        await server.open(SESSION, memory_bytes=SESSION_BYTES)
        with delayed_links(server.port, [each.spelt for each in (NOWHERE, *POINTS)]) as links:
            return _measured(server, links)


def _measured(server: StubServer, links: DelayedLinks) -> Figures:
    jobs: dict[tuple[str, Point], Job] = {
        (kind.NAME, point): kind(server.device(SESSION, port=links.ports[point.spelt]).connect())
        for kind in JOBS
        for point in (NOWHERE, *POINTS)
    }
    works = {kind.NAME: counted(jobs[kind.NAME, NOWHERE]) for kind in JOBS}
    samples: dict[tuple[str, Point], list[Sample]] = {place: [] for place in jobs}
    calibration, local = Calibration(), {kind.NAME: [] for kind in JOBS}
    for place in _order(jobs):  # once unmeasured: all is warm
        jobs[place].work()
    for turn in range(ROUNDS):
        calibrate(jobs[Echo.NAME, NOWHERE].device, calibration)
        for name, seconds in _local().items():
            local[name].append(seconds)
        for place in _order(jobs, turn):
            samples[place].append(sample(jobs[place]))
    for job in jobs.values():
        job.device.close()
    return Figures(
        samples,
        {name: _computing(work, samples[name, NOWHERE]) for name, work in works.items()},
        calibration,
        {name: Spread.of(seconds) for name, seconds in local.items()},
    )


def _order(jobs: dict[tuple[str, Point], Job], seed: int = 0) -> list[tuple[str, Point]]:
    """Drawn, so that no point always follows the same one."""
    places = list(jobs)
    random.Random(seed).shuffle(places)
    return places


def _computing(work: Work, samples: Sequence[Sample]) -> Work:
    """A file's work with what it computes at no distance."""
    seconds = median(each.gpu_seconds for each in samples)
    return Work(work.calls, work.bytes_out, work.bytes_in, seconds, work.streamed_calls)


def counted(job: Job) -> Work:
    """The calls and bytes of one file, as the client counts them; nothing of computing."""
    job.device.synchronize()
    counts = job.device.counts
    before = (counts.calls, counts.waits, counts.bytes_sent, counts.bytes_received)
    job.work()
    job.device.synchronize()  # so that the answers of streamed calls are counted; it is one call more itself
    after = (counts.calls, counts.waits, counts.bytes_sent, counts.bytes_received)
    calls, waits, sent, received = (new - old for old, new in zip(before, after, strict=True))
    return Work(waits - 1, sent, received, 0.0, calls - waits)


def sample(job: Job) -> Sample:
    """One file."""
    counts = job.device.counts
    computed, started = counts.gpu_seconds, time.perf_counter()
    job.work()
    return Sample(time.perf_counter() - started, counts.gpu_seconds - computed)


def calibrate(device: Device, found: Calibration) -> None:
    """What a call costs in a mix of all kinds, and what a byte adds to a large one, there and back."""
    small = np.zeros((SMALL_SIDE, SMALL_SIDE), np.float32)
    computed = device.counts.gpu_seconds
    product = _typical(lambda: (device.matmul(small, small), device.synchronize()))
    computed = (device.counts.gpu_seconds - computed) / PROBES
    found.call_seconds.append((product - computed) / CALLS_OF_A_PRODUCT)
    memory, data = device.malloc(PROBE_BYTES), bytes(PROBE_BYTES)
    call = _typical(device.synchronize)
    there = _typical(lambda: (device.write(memory, data), device.synchronize()))
    back = _typical(lambda: device.read(memory, PROBE_BYTES))
    device.free(memory)
    found.byte_seconds.append(max(0.0, there + back - 2 * call) / (2 * PROBE_BYTES))


def _typical(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(PROBES):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


def _local() -> dict[str, float]:
    """Seconds of a file on this processor: one thread, no server."""
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(MODEL.read_bytes(), options, providers=["CPUExecutionProvider"])
    frame = np.random.default_rng(0).random(FRAME_SHAPE, np.float32)
    a, b = np.random.default_rng(0).random((2, SIDE, SIDE), np.float32)
    session.run(None, {"frame": frame})
    return {
        Echo.NAME: FRAMES * _typical(lambda: session.run(None, {"frame": frame})),
        Products.NAME: PRODUCTS * _typical(lambda: a @ b),
    }
