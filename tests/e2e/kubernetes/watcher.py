"""Watches nodes and worker pods for as long as a run lasts, in a thread of its own."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from headrace.kube.kinds import NODES, PODS
from headrace.kube.lightkube import LightKube
from headrace.kube.mirror import Mirror
from headrace.kube.naming import is_ending, uid_of
from headrace.kube.port import Change, Event, Selection
from headrace.model import labels
from headrace.model.settings import KubernetesSettings

SYNC_SECONDS = 60.0


@dataclass
class Seen:
    """What there was. Nodes by uid; `used` are those to which a worker was bound at some time."""

    nodes: dict[str, str] = field(default_factory=dict)  # uid -> name
    used: set[str] = field(default_factory=set)  # uids
    workers: set[str] = field(default_factory=set)  # uids of pods
    most_nodes: int = 0
    most_working: int = 0
    last_change: float = 0.0  # seconds since the epoch

    @property
    def surplus(self) -> list[str]:
        """Nodes that were started and never had a worker."""
        return sorted(name for uid, name in self.nodes.items() if uid not in self.used)


class Watcher:
    """Started by `with`; figures are those of the last event."""

    def __init__(self, place: KubernetesSettings, pool: str) -> None:
        self.seen = Seen()
        self.nodes: dict[str, str] = {}  # name -> uid, of those that are there
        self.pods: dict[str, str] = {}  # name -> the node that it is bound to
        self.working: dict[str, str] = {}  # those of them that run and were not told to end
        self._kube = LightKube.of(place)
        self._pool = Mirror(self._kube, NODES, Selection(labels={labels.POOL: pool}))
        self._workers = Mirror(self._kube, PODS, Selection(place.namespace, {labels.COMPONENT: "worker"}))
        self._pool.listen(self._note_node)
        self._workers.listen(self._note_pod)
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="watcher")

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(SYNC_SECONDS):
            self.__exit__()
            raise TimeoutError("the API server listed nothing")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def empty(self) -> bool:
        """Whether there is neither node nor worker."""
        return not self.nodes and not self.pods

    def busiest(self, count: int) -> list[str]:
        """Names of nodes with workers that run."""
        return sorted({node for node in list(self.working.values()) if node in self.nodes})[:count]

    async def _watch(self) -> None:
        async with self._pool, self._workers:
            if all([await each.sync(SYNC_SECONDS) for each in (self._pool, self._workers)]):
                self._ready.set()
            while not self._over.is_set():
                await asyncio.sleep(0.1)
        await self._kube.close()

    def _note_node(self, event: Event) -> None:
        self.seen.last_change = time.time()
        name, uid = event.manifest["metadata"]["name"], uid_of(event.manifest)
        self.seen.nodes[uid] = name
        if event.change is Change.GONE:
            self.nodes.pop(name, None)
        else:
            self.nodes[name] = uid
        self.seen.most_nodes = max(self.seen.most_nodes, len(self.nodes))

    def _note_pod(self, event: Event) -> None:
        self.seen.last_change = time.time()
        pod = event.manifest
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName", "")
        self.seen.workers.add(uid_of(pod))
        self.pods.pop(name, None)
        self.working.pop(name, None)
        if event.change is Change.GONE:
            return
        self.pods[name] = node
        if pod.get("status", {}).get("phase") == "Running" and not is_ending(pod):
            self.working[name] = node
        if node in self.nodes:
            self.seen.used.add(self.nodes[node])
        self.seen.most_working = max(self.seen.most_working, len(self.working))
