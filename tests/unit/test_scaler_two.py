"""Two scalers that act at once, on views of different ages: nobody's work is cut off, and all comes to rest.

On a cluster the fence of leadership keeps them apart; here it lets both pass.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kube.kinds import FUNCTIONS, NODE_POOLS, NODES, PODS, Kind
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Event, Kube, Selection
from headrace.model import labels
from headrace.model.function import Function, digest_of
from headrace.model.labels import short_digest
from headrace.model.task import Task
from headrace.queue.port import Lease
from headrace.scaler.kubernetes.drivers import Means, Sights, driver_of
from headrace.scaler.kubernetes.leading import SETTINGS
from headrace.scaler.kubernetes.pods import worker_pod_of
from headrace.scaler.kubernetes.watching import Watching
from headrace.scaler.kubernetes.wishes import NodeWishes
from headrace.scaler.kubernetes.workers import PodHost
from headrace.scaler.memory import Remembered
from headrace.scaler.service import Scaler, World
from tests.unit.scaler_cluster import PLACE, SPACE, Cluster, function_object, pool_object

MOST_WORKERS, MOST_NODES = 4, 2
ROUNDS_TO_REST = 120


class Late:
    """An API server whose watches of a kind stand still until it is open; deletions are told."""

    def __init__(self, kube: MemoryKube, deleting: Callable[..., Awaitable[None]]) -> None:
        self.open: dict[Kind, asyncio.Event] = defaultdict(asyncio.Event)
        self._kube = kube
        self._deleting = deleting
        self.free()

    def free(self) -> None:
        for kind in (PODS, NODES, FUNCTIONS, NODE_POOLS):
            self.open[kind].set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def watch(self, kind: Kind, selection: Selection, version: str) -> AsyncGenerator[Event, None]:
        async with aclosing(self._kube.watch(kind, selection, version)) as events:
            async for event in events:
                await self.open[kind].wait()
                yield event

    async def delete(self, kind: Kind, name: str, **conditions: Any) -> None:
        await self._deleting(kind, name, **conditions)
        await self._kube.delete(kind, name, **conditions)


class Memory:
    def read(self) -> Remembered:
        return Remembered()

    def keep(self, remembered: Remembered) -> None: ...


class Candidate:
    """One scaler with its own view."""

    def __init__(self, cluster: Cluster, late: Late) -> None:
        self.late = late
        kube: Kube = late  # type: ignore[assignment]  # it hands on what it does not say
        self.watching = Watching(kube, PLACE)
        now = cluster.clock.now
        host = PodHost(kube, PLACE, self.watching.seen, cluster.queue, leading=lambda: True, now=now)
        self._parts = (cluster, kube, host)

    def start(self) -> None:
        cluster, kube, host = self._parts
        pools = self.watching.pools.values
        sights = Sights(self.watching.nodes, self.watching.pods)
        means = Means(kube, sights, PLACE, cluster.clock.now, AsyncExitStack())
        found = {pool.name: driver_of(pool, means) for pool in pools}
        drivers = {name: driver for name, driver in found.items() if driver is not None}
        world = World(
            cluster.queue,
            host,
            drivers,
            NodeWishes(self.watching.nodes, self.watching.pool_objects),
            Memory(),
            cluster.clock.now,
        )
        self.scaler = Scaler(world, pools, settings=SETTINGS, tell=lambda _: None)

    async def step(self) -> None:
        await self.scaler.step([each.function for each in self.watching.functions.by_name.values()])


class Scene:
    """The cluster, two scalers, and all that works there."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.tasks = 0
        self.done: list[str] = []
        self.faults: list[str] = []
        self.hands: dict[str, Lease] = {}  # by worker
        self.candidates = [Candidate(self.cluster, Late(self.cluster.kube, self._deleting)) for _ in range(2)]
        self.function: Function

    async def _deleting(self, kind: Kind, name: str, **conditions: Any) -> None:
        """Note what a scaler must not do; what is raised here it would outlive."""
        kube = self.cluster.kube
        if kind == NODES:
            working = [w for w in self.hands if await self._node_of(w) == name]
            self.faults += [f"node {name} is deleted under {each}" for each in working]
        elif conditions.get("grace_seconds") == 0 and name in self.hands:
            nodes = {each["metadata"]["name"] for each in (await kube.list(NODES)).items}
            if await self._node_of(name) in nodes:
                self.faults.append(f"{name} is cut off")

    async def _node_of(self, worker: str) -> str:
        pod = worker_pod_of(await self.cluster.kube.get(PODS, worker, namespace=SPACE))
        assert pod is not None
        return pod.node

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        scale = {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": MOST_WORKERS}
        self.function = await self.cluster.deploy(function_object(scale=scale))
        await self.cluster.kube.create(NODE_POOLS, pool_object(nodes=MOST_NODES))
        await self.cluster.queue.ensure("echo", lease_seconds=1e9, max_leased=100)
        async with AsyncExitStack() as closing:
            for each in self.candidates:
                await closing.enter_async_context(each.watching.following())
                each.start()
            yield

    # Moves

    async def step(self, who: int) -> None:
        await self.candidates[who].step()
        await settle()

    async def hold_nodes(self, who: int) -> None:
        """What it sees of nodes stays as it is from now on."""
        self.candidates[who].late.open[NODES].clear()

    async def hold_pods(self, who: int) -> None:
        self.candidates[who].late.open[PODS].clear()

    async def free(self, who: int) -> None:
        self.candidates[who].late.free()
        await settle()

    async def change(self, who: int) -> None:
        """A person changes the function: workers of the former digest leave."""
        scale = {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": MOST_WORKERS}
        self.function = await self.cluster.deploy(function_object(scale=scale, priority=who))
        await settle()

    async def put(self, _: int) -> None:
        for _ in range(3):
            self.tasks += 1
            task = Task(
                id=f"{self.tasks:032x}", function="echo", bucket="uploads", key=f"{self.tasks}", etag="e",
                size=1, received=self.cluster.clock.now(),
            )  # fmt: skip
            await self.cluster.queue.put(task)

    async def kubelets(self, _: int = 0) -> None:
        """Nodes become ready, pods run or come to their end, once what they have in hand is done."""
        kube, ready = self.cluster.kube, set()
        for node in (await kube.list(NODES)).items:
            condition = {"type": "Ready", "status": "True"}
            told = {"metadata": {"name": node["metadata"]["name"]}, "status": {"conditions": [condition]}}
            await kube.apply_status(NODES, told, manager="kubelet")
            if not node["spec"].get("unschedulable"):
                ready.add(node["metadata"]["name"])
        for manifest in await self.cluster.pods():
            pod = worker_pod_of(manifest)
            assert pod is not None
            if pod.leaving:
                await self._finish(pod.name)
                await kube.delete(PODS, pod.name, namespace=SPACE, grace_seconds=0)
            elif pod.node in ready and not pod.running:
                kube.bind(pod.name, pod.node, namespace=SPACE)
                await self.cluster.tell_status(pod.name, phase="Running")
        await settle()

    async def work(self, _: int = 0) -> None:
        """Workers take files, and tell."""
        for manifest in await self.cluster.pods():
            pod = worker_pod_of(manifest)
            assert pod is not None
            if pod.running and not pod.leaving:
                if pod.name not in self.hands:
                    for lease in await self.cluster.queue.pull("echo", 1, wait_seconds=0):
                        self.hands[pod.name] = lease
                await self.cluster.stand("echo", pod.name, int(pod.name in self.hands))

    async def finish(self, _: int = 0) -> None:
        for worker in list(self.hands):
            await self._finish(worker)
            await self.cluster.stand("echo", worker, 0)

    async def _finish(self, worker: str) -> None:
        lease = self.hands.pop(worker, None)
        if lease is not None:
            await lease.done()
            self.done.append(lease.task.id)

    async def wait(self, _: int) -> None:
        self.cluster.clock.advance(3.0)
        await self.work()  # which tells anew

    async def begin(self) -> None:
        """The first files are worked on."""
        await self.put(0)
        for _ in range(4):
            await self.step(0)
            await self.kubelets()
            await self.work()
            self.cluster.clock.advance(1.0)

    async def rest(self) -> None:
        """Everybody sees everything from now on, until nothing is left to do."""
        for who in range(2):
            await self.free(who)
        for _ in range(ROUNDS_TO_REST):
            for move in (self.kubelets, self.work, self.finish):
                await move()
            for who in range(2):
                await self.step(who)
            self.cluster.clock.advance(3.0)

    async def check(self) -> None:
        nodes = (await self.cluster.kube.list(NODES)).items
        assert (self.faults, len(nodes) <= MOST_NODES) == ([], True)
        places = await self.cluster.places()
        digest = short_digest(digest_of(self.function, {}))
        assert sum(digest in name for name, _ in places) <= MOST_WORKERS


async def settle() -> None:
    """Let watches that may go on bring what has happened."""
    for _ in range(30):
        await asyncio.sleep(0)


MOVES = (
    "step", "step", "step", "hold_nodes", "hold_pods", "free", "put", "kubelets", "work", "finish", "wait",
    "change",
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 1)), max_size=40))
def test_no_work_is_cut_off_and_all_comes_to_rest(moves: list[tuple[str, int]]) -> None:
    async def play() -> None:
        scene = Scene()
        async with scene.running():
            await scene.begin()
            for name, who in moves:
                await getattr(scene, name)(who)
                await scene.check()
            await scene.rest()
            await scene.check()
            assert len(scene.done) == len(set(scene.done)) == scene.tasks
            assert await scene.cluster.pods() == []
            assert list((await scene.cluster.kube.list(NODES)).items) == []

    asyncio.run(play())


async def test_from_zero_nodes_to_work_and_back_to_zero() -> None:
    scene = Scene()
    async with scene.running():
        await scene.begin()
        assert len(scene.hands) == 3
        places = await scene.cluster.places()
        assert {node for _, node in places} == {"sim-0", "sim-1"}
        assert all(name.startswith("echo-") for name, _ in places)
        assert labels.POOL in (await scene.cluster.pods())[0]["metadata"]["labels"]
        await scene.rest()
        assert await scene.cluster.pods() == []
        assert scene.cluster.asked("create", NODES) == MOST_NODES
