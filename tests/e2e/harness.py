"""A whole system of real processes: store, queue server, receiver, workers, a lossy webhook between them."""

import asyncio
import json
import os
import random
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from headrace.files.whole import write_private
from headrace.local.nats import start_nats
from headrace.local.process import Process, answers
from headrace.local.seaweedfs import SeaweedOptions, Webhook, start_seaweedfs
from headrace.model.errors import HeadraceError
from headrace.model.settings import (
    QueueSettings,
    ReceiverSettings,
    Settings,
    WorkerSettings,
)
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.port import Backlog
from tests.e2e.evidence import Collector, plain_client
from tests.e2e.functions import FUNCTIONS, OTHER_RESULTS, RESULTS, UPLOADS, Shape, Work, write_functions
from tests.e2e.oracle import Evidence, Upload
from tests.e2e.supervisor import Keeper

ROOT = Path(__file__).parents[2]
PLATFORM = "headrace"
HOOK_TOKEN = "hook-token"
PORTS = range(18_000, 32_000)  # below the ports that outgoing connections take while a server is down
STOP_SECONDS = 5.0
KILLED = ("store", "queue")  # at the end: they have survived it before


@dataclass(frozen=True, slots=True)
class Options:
    """How a system is set up; `worker_module` is what workers run."""

    seed: int
    functions: Mapping[str, Shape] = field(default_factory=lambda: FUNCTIONS)
    workers: int = 2  # of each function
    lease_seconds: float = 3.0
    listing_seconds: float = 5.0
    handler_seconds: tuple[float, float] = (0.005, 0.02)
    worker_module: str = "headrace.worker"


class System:
    """Started by `with`; `keepers` by kind are what may be harmed."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.work = Work(folder / "journal", folder / "switch", options.handler_seconds)
        self._rng = random.Random(f"system {options.seed}")
        self._ports = self._free_ports()
        self._proxy_port = next(self._ports)
        self.store = self._store(next(self._ports))
        self.settings = self._settings(nats_port=next(self._ports), receiver_port=next(self._ports))
        self.settings_file = folder / "settings.json"
        self.keepers: dict[str, list[Keeper]] = {
            "store": [self._keeper("store", partial(start_seaweedfs, self.store))],
            "queue": [self._keeper("queue", self._start_queue)],
            **self._services(),
        }
        self._proxy = self._keeper("proxy", self._start_proxy)

    def _services(self) -> dict[str, list[Keeper]]:
        """What works on store and queue, in the order of its start."""
        return {
            "receiver": [self._keeper("receiver", self._start_receiver)],
            "worker": [
                self._keeper(f"worker-{name}-{number}", partial(self._start_worker, name, number))
                for name in self.options.functions
                for number in range(self.options.workers)
            ],
        }

    def __enter__(self) -> Self:
        self._write()
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        """What the services read."""
        write_functions(self.folder / "functions", self.work, self.options.functions)
        write_private(self.settings_file, self.settings.to_json())

    def _start(self) -> None:
        for kind in ("store", "queue"):
            self._start_keepers(kind)
        for bucket in (UPLOADS, RESULTS, OTHER_RESULTS, PLATFORM):
            self.client.create_bucket(Bucket=bucket)
        self._proxy.start()
        self._proxy.wait_up(20)
        for kind in self._services_in_order:
            self._start_keepers(kind)

    @property
    def _services_in_order(self) -> list[str]:
        return [kind for kind in self.keepers if kind not in KILLED]

    def _start_keepers(self, kind: str) -> None:
        for keeper in self.keepers[kind]:
            keeper.start()
        for keeper in self.keepers[kind]:
            if not keeper.wait_up(60):
                raise TimeoutError(f"{keeper.process_name} did not start: {keeper.failed_starts}")

    def stop(self, kind: str) -> None:
        """End all processes of a kind at once; workers end what they have in hand."""
        with ThreadPoolExecutor(len(self.keepers[kind])) as threads:
            for _ in threads.map(_stop, self.keepers[kind]):
                pass

    def close(self) -> None:
        """End everything, workers first."""
        for kind in (*reversed(self._services_in_order), "queue", "store"):
            self.stop(kind)
        _stop(self._proxy)

    # What is started

    def _store(self, port: int) -> SeaweedOptions:
        webhook = Webhook(
            endpoint=f"http://127.0.0.1:{self._proxy_port}/events",
            token=HOOK_TOKEN,
            path_prefixes=(f"/buckets/{UPLOADS}/",),
        )
        return SeaweedOptions(
            self.folder / "store", s3_port=port, access_key="chaos", secret_key="secret", webhook=webhook
        )

    def _settings(self, *, nats_port: int, receiver_port: int) -> Settings:
        return Settings(
            storage=self.store.storage,
            queue=QueueSettings(
                url=f"nats://127.0.0.1:{nats_port}",
                token="queue-token",
                lease_seconds=self.options.lease_seconds,
            ),
            receiver=ReceiverSettings(
                port=receiver_port, token=HOOK_TOKEN, listing_seconds=self.options.listing_seconds
            ),
            worker=WorkerSettings(
                work_directory=str(self.folder / "work"),
                secrets_directory=str(self.folder / "secrets"),
                retry_seconds=0.2,
            ),
            functions_directory=str(self.folder / "functions"),
            platform_bucket=PLATFORM,
        )

    def _keeper(self, name: str, start: Callable[[], Process]) -> Keeper:
        return Keeper(name, start, random.Random(self._rng.random()))

    def _start_queue(self) -> Process:
        port = int(self.settings.queue.url.rpartition(":")[2])
        return start_nats(self.folder / "queue", port=port, token=self.settings.queue.token)

    @property
    def _receiver_ports(self) -> Sequence[int]:
        """Where notifications are taken."""
        return (self.settings.receiver.port,)

    def _start_receiver(self) -> Process:
        """Returns when it listens, so that it is killed at work, not while it is loaded."""
        process = self._start_module("receiver", "headrace.events")
        process.wait_until(lambda: answers(self.settings.receiver.port), seconds=60)
        return process

    def _start_proxy(self) -> Process:
        port, seed = str(self._proxy_port), str(self.options.seed)
        targets = [f"http://127.0.0.1:{each}" for each in self._receiver_ports]
        process = self._start_module("proxy", "tests.e2e.proxy", port, seed, *targets, settings=False)
        process.wait_until(lambda: answers(self._proxy_port), seconds=20)
        return process

    def _start_worker(self, function: str, number: int) -> Process:
        return self._start_module(
            f"worker-{function}-{number}", self.options.worker_module, "--function", function
        )

    def _start_module(
        self,
        name: str,
        module: str,
        *arguments: str,
        settings: bool = True,
    ) -> Process:
        told = ["--settings", str(self.settings_file)] if settings else []
        return Process.start(
            name, [sys.executable, "-m", module, *told, *arguments],
            log=self.folder / "logs" / f"{name}.log", directory=ROOT,
        )  # fmt: skip

    def _free_ports(self) -> Iterator[int]:
        own = _share_of_this_process(PORTS)
        while True:
            port = self._rng.choice(own)
            with socket.socket() as trial:
                try:
                    trial.bind(("127.0.0.1", port))
                except OSError:
                    continue
            yield port

    # What is looked at

    @cached_property
    def client(self) -> Any:
        """A plain S3 client of the store."""
        storage = self.settings.storage
        return plain_client(storage.endpoint, storage.access_key, storage.secret_key)

    def get(self, url: str) -> bytes | None:
        """What an address answers; None where it answers no success."""
        try:
            with urllib.request.urlopen(url, timeout=3) as answer:
                return answer.read()
        except OSError:
            return None

    def proxy_counts(self) -> dict[str, int]:
        """What the lossy webhook did."""
        return json.loads(self.get(f"http://127.0.0.1:{self._proxy_port}/counts") or b"{}")

    def said(self, action: str) -> bool:
        """Whether some service has logged that."""
        return any(f'"{action}"' in log.read_text() for log in (self.folder / "logs").glob("*.log"))

    def backlogs(self) -> dict[str, Backlog] | None:
        """The queue by function; None while the queue is away."""
        try:
            return asyncio.run(self._backlogs())
        except HeadraceError:
            return None

    async def _backlogs(self) -> dict[str, Backlog]:
        queue = JetStreamQueue.of(self.settings.queue)
        try:
            return {name: await queue.backlog(name) for name in self.options.functions}
        finally:
            await queue.close()

    def at_rest(self) -> bool:
        """Whether nothing is in the queue."""
        backlogs = self.backlogs()
        return backlogs is not None and all(backlog.tasks == 0 for backlog in backlogs.values())

    @cached_property
    def _collector(self) -> Collector:
        return Collector(
            self.client, platform=PLATFORM, result_buckets=(RESULTS, OTHER_RESULTS), journal=self.work.journal
        )

    def evidence(self, uploads: tuple[Upload, ...]) -> Evidence:
        """What the run left, for the oracle."""
        return self._collector.gather(uploads)

    def stuck(self) -> str:
        """Where things stand, for a test that waited in vain."""
        keepers = [keeper for kept in self.keepers.values() for keeper in kept]
        logs = [f"--- {keeper.process_name}\n{keeper.log_tail()}" for keeper in keepers]
        return "\n".join([f"queue: {self.backlogs()}", f"proxy: {self.proxy_counts()}", *logs])


def _share_of_this_process(ports: range) -> range:
    """What runs beside it, told by pytest-xdist, takes others, also while a server of this one is down."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return ports[number % count :: count]


def _stop(keeper: Keeper) -> None:
    if keeper.is_alive():
        keeper.stop(seconds=0.0 if keeper.process_name in KILLED else STOP_SECONDS)


def wait_until(condition: Callable[[], bool], seconds: float, dump: Callable[[], str]) -> None:
    """Poll until the condition holds; the failure says where things stand."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached within {seconds:g} s\n{dump()}")
        time.sleep(0.2)
