"""The embedded default as a whole: two servers, three services, workers, with their state in a folder."""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from headrace.files.wishes import WishesFile
from headrace.local.log import logged_to
from headrace.local.machine import this_machine
from headrace.local.manager import LOOK_SECONDS, FunctionFolder, Manager
from headrace.local.nats import start_nats
from headrace.local.process import Process
from headrace.local.provision import ports_of, provision
from headrace.local.remembering import MemoryFile
from headrace.local.seaweedfs import SeaweedOptions, Webhook, start_seaweedfs, stop_seaweedfs
from headrace.local.state import StackState, StateDirectory
from headrace.local.supervise import Server
from headrace.local.telling import Bulletin
from headrace.local.workers import WorkerPool
from headrace.model.function import Function
from headrace.model.settings import Settings
from headrace.model.trace import TraceSettings
from headrace.nodes.local import LocalNode
from headrace.queue.jetstream import JetStreamQueue
from headrace.scaler.explaining import Explanation, explanation
from headrace.scaler.service import Decision, Scaler, World
from headrace.scaler.settings import ScalerSettings
from headrace.storage.s3 import S3Storage

RUNTIME = "host"
READY_SECONDS = 60.0  # for a service: the receiver reads all functions first
WORKERS_GRACE_SECONDS = 25.0  # a worker gives its files 20 s, and hands back what is left
SERVER_GRACE_SECONDS = 5.0  # for the queue server and the receiver to come to an end

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What a person chooses: the state folder, the functions' folder, the cores for workers.

    With `most_idle_seconds` workers are kept without files for no longer, whatever their functions say.
    `trace` is a collector that gets a trace of each file; None: that of the last time, if there was one.
    """

    state: StateDirectory
    functions: Path
    cores: int
    most_idle_seconds: float | None = None
    trace: TraceSettings | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One decision, why, and every worker process by function, those that are leaving included."""

    decision: Decision
    explained: Explanation
    running: Mapping[str, int]


def cores_of_this_machine() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class EmbeddedStack:
    """A stack that runs. Made by `running_stack`; `storage` and `queue` are connected to its servers."""

    def __init__(self, options: StackOptions, settings: Settings, watch: Callable[[Look], None]) -> None:
        self.options = options
        self.settings = settings
        self.storage = S3Storage(settings.storage)
        self.queue = JetStreamQueue.of(settings.queue)
        self._watch = watch
        self._started = time.time()
        self._bulletin = Bulletin(options.state, time.monotonic)
        self._watched: frozenset[str] = frozenset()
        # The kernel kills a child when the thread that started it ends: this one ends last.
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="launcher")
        self._servers = self._make_servers()
        self._machine = this_machine(options.cores)
        self._pool = WorkerPool(self._launch_worker, self._machine.allocatable, time.time)
        self._scaler = self._make_scaler()
        self._tasks: list[asyncio.Task[None]] = []

    def _make_servers(self) -> tuple[Server, ...]:
        return (
            Server("nats", self._launch_nats, _stop, self._launcher),
            Server("seaweedfs", self._launch_seaweedfs, self._stop_seaweedfs, self._launcher),
            Server("receiver", self._launch_receiver, _stop, self._launcher),
            Server("api", self._launch_api, _stop, self._launcher),
            Server("status", self._launch_status, _stop, self._launcher),
        )

    def _make_scaler(self) -> Scaler:
        state, name = self.options.state, self._machine.name
        world = World(
            queue=self.queue,
            workers=self._pool,
            drivers={name: LocalNode(self._machine.allocatable)},
            wishes=WishesFile(state.wishes),
            keeper=MemoryFile(state.memory),
            now=time.time,
        )
        settings = ScalerSettings(period_seconds=LOOK_SECONDS)
        return Scaler(world, (self._machine,), settings=settings, tell=self._tell)

    async def start(self) -> None:
        """Start everything, in the order of need. Raises FatalError with the log of what did not start."""
        folder = FunctionFolder(self.options.functions, most_idle_seconds=self.options.most_idle_seconds)
        await folder.refresh()
        self._watched = self._input_buckets(folder.functions)
        nats, seaweedfs, receiver, api, status = self._servers
        await nats.start()
        await seaweedfs.start()
        await self._make_buckets(folder.functions)
        await receiver.start()
        await api.start()
        await status.start()
        manager = Manager(self._scaler, folder, prepare=self._prepare)
        gc.freeze()  # what is loaded by now stays: no need to look at it again at each decision
        self._tasks = [asyncio.create_task(server.keep()) for server in self._servers]
        self._tasks.append(asyncio.create_task(manager.run()))
        _log.info("the stack runs", extra={"action": "stack.ready"})

    async def stop(self) -> None:
        """Workers finish or hand back, then the servers end; bounded, and nothing is left running."""
        try:
            for task in self._tasks[len(self._servers) :]:
                task.cancel()
            self._scaler.close()
            await self._end_workers()
            with suppress(Exception):
                await self.queue.close()
                await self.storage.close()
        finally:
            self._end_servers()
            self.options.state.fall_silent()

    async def _end_workers(self) -> None:
        deadline = time.monotonic() + WORKERS_GRACE_SECONDS
        await self._pool.reconcile({})
        while self._pool.running and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            self._pool.reap()

    def _end_servers(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._pool.kill()
        # In their own time, before the launcher's end: the kernel kills then what its thread has started.
        for server in reversed(self._servers):
            server.stop()
        self._launcher.shutdown(cancel_futures=True)
        for server in self._servers:
            server.stop()  # one whose launch was under way

    async def _prepare(self, functions: tuple[Function, ...]) -> None:
        """Make room for functions that came or changed."""
        watched = self._input_buckets(functions)
        if not watched <= self._watched:
            # The store reads only at its start which buckets it reports; reporting all would tell the
            # receiver of every record, too.
            self._watched |= watched
            _log.info("another bucket is watched", extra={"action": "stack.store_restarts"})
            self._servers[1].stop()
        await self._make_buckets(functions)

    def _input_buckets(self, functions: tuple[Function, ...]) -> frozenset[str]:
        return frozenset(self.settings.real_bucket(i.bucket) for f in functions for i in f.spec.input)

    async def _make_buckets(self, functions: tuple[Function, ...]) -> None:
        outputs = {self.settings.real_bucket(o.bucket) for f in functions for o in f.spec.output}
        for bucket in sorted(self._watched | outputs | {self.settings.platform_bucket}):
            await self.storage.ensure_bucket(bucket)

    def _tell(self, decision: Decision) -> None:
        explained = explanation(decision.snapshot, decision.plan, decision.moment)
        running = self._pool.running
        self._watch(Look(decision, explained, running))
        servers = {server.name: server.pid for server in self._servers if server.pid is not None}
        state = StackState(
            pid=os.getpid(),
            started_at=self._started,
            endpoint=self.settings.storage.endpoint,
            runtime=RUNTIME,
            processes={**servers, **self._pool.pids},
            workers={each.name: running.get(each.name, 0) for each in explained.functions},
            wanted={each.name: sum(each.wanted.values()) for each in explained.functions},
            reasons={each.name: each.reason.code.value for each in explained.functions},
        )
        self._bulletin.tell(state, explained)

    # The processes

    def _launch_nats(self) -> Process:
        queue = self.settings.queue
        return start_nats(self.options.state.queue, port=ports_of(self.settings).queue, token=queue.token)

    def _seaweed_options(self) -> SeaweedOptions:
        storage, receiver = self.settings.storage, self.settings.receiver
        return SeaweedOptions(
            directory=self.options.state.store,
            s3_port=ports_of(self.settings).store,
            access_key=storage.access_key,
            secret_key=storage.secret_key,
            webhook=Webhook(
                endpoint=f"http://{receiver.host}:{receiver.port}/events",
                token=receiver.token,
                path_prefixes=tuple(f"/buckets/{bucket}/" for bucket in sorted(self._watched)),
            ),
        )

    def _launch_seaweedfs(self) -> Process:
        return start_seaweedfs(self._seaweed_options())

    def _stop_seaweedfs(self, process: Process) -> None:
        stop_seaweedfs(process, self._seaweed_options())

    def _launch_receiver(self) -> Process:
        # It takes notifications now; /readyz would wait for the race of the store, too, some 8 s.
        receiver = self.settings.receiver
        process = self._service("headrace.events", "receiver")
        return _answering(process, receiver.host, receiver.port, "/healthz")

    def _launch_api(self) -> Process:
        api = self.settings.api
        process = self._service("headrace.api", "api")
        return _answering(process, api.host, api.port, "/health") if api else process

    def _launch_status(self) -> Process:
        status = self.settings.status
        process = self._service("headrace.status", "status")
        return _answering(process, status.host, status.port, "/healthz") if status else process

    def _launch_worker(self, function: str) -> Process:
        return self._service("headrace.worker", f"worker-{function}", "--function", function)

    def _service(self, module: str, name: str, *arguments: str) -> Process:
        command = [sys.executable, "-m", module, "--settings", str(self.options.state.settings), *arguments]
        return Process.start(name, command, log=self.options.state.logs / f"{name}.log")


def _answering(process: Process, host: str, port: int, path: str) -> Process:
    """A process once it answers. Raises FatalError, and leaves none behind then."""

    def is_ready() -> bool:
        connection = HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == HTTPStatus.OK
        except (HTTPException, OSError):
            return False
        finally:
            connection.close()

    return process.once(is_ready, seconds=READY_SECONDS)


def _stop(process: Process) -> None:
    process.stop(seconds=SERVER_GRACE_SECONDS)


@asynccontextmanager
async def running_stack(
    options: StackOptions, *, watch: Callable[[Look], None] = lambda _: None
) -> AsyncIterator[EmbeddedStack]:
    """A stack that runs while the block does. Call it from the main thread.

    `watch` is called after each look at the queue. Raises ConfigurationError when another stack lives in
    the state folder, FatalError when a server does not start.
    """
    with options.state.locked():
        settings = await asyncio.to_thread(provision, options.state, options.functions, options.trace)
        with logged_to(options.state.logs / "stack.log", settings):
            stack = EmbeddedStack(options, settings, watch)
            try:
                await stack.start()
                yield stack
            finally:
                await stack.stop()
