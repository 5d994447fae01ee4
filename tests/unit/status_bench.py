"""The status service on adapters in memory, and plans as a scaler tells them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from headrace.model.labels import API_VERSION
from headrace.model.node import NodeState
from headrace.model.pool import NodePool
from headrace.model.status_page import Names, StatusSettings
from headrace.queue.memory import MemoryQueue
from headrace.scaler.explaining import Explanation, FunctionStory, NodeStory, PoolStory, Shortfall
from headrace.scaler.plan import Reason, ReasonCode
from headrace.scaler.snapshot import BootEstimate, ServiceEstimate
from headrace.status.access import login_of
from headrace.status.acting import Acts
from headrace.status.app import application
from headrace.status.calls import Desk
from headrace.status.gathering import Gathering, Readers
from headrace.status.installed import seen
from headrace.status.service import Newsroom
from headrace.status.service import World as StatusWorld
from headrace.status.sight import FunctionSeen
from headrace.status.sources import Answer
from headrace.status.streaming import Seats
from headrace.status.writing import Head
from headrace.storage.memory import MemoryStorage
from tests.fixtures.world import NOW, World, installed
from tests.unit.api_bench import settings_of

TOKEN = "token-of-sixteen-or-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
STATUS = StatusSettings(port=1, token=TOKEN)
WAITS = Reason(ReasonCode.FILES_WAIT, "files wait")
IDLE = Reason(ReasonCode.NOTHING_WAITS, "no file needs it")


def node(name: str, state: NodeState, *, since: float = NOW, pool: str = "gpu", **more: Any) -> NodeStory:
    return NodeStory(name, pool, state, since, more.pop("reason", WAITS), **more)


def story(name: str = "echo", *, wanted: int = 0, workers: int = 0, **more: Any) -> FunctionStory:
    unmet: Sequence[Shortfall] = more.pop("unmet", ())
    return FunctionStory(
        name,
        more.pop("reason", WAITS),
        waiting=0,
        working=workers,
        workers=workers,
        wanted={"gpu-0": wanted} if wanted else {},
        request={"cpu": 1000},
        service=ServiceEstimate(4.0, 2.0),
        unmet=tuple(unmet),
        **more,
    )


def pool_story(name: str, nodes: Mapping[NodeState, int], *, most: int = 3) -> PoolStory:
    return PoolStory(name, {"cpu": 8000}, dict(nodes), 0, most, BootEstimate(150.0, 180.0))


def plan(
    *parts: FunctionStory | NodeStory | PoolStory, at: float = NOW, pools: Sequence[PoolStory] = ()
) -> Explanation:
    return Explanation(
        at=at,
        functions=tuple(each for each in parts if isinstance(each, FunctionStory)),
        nodes=tuple(each for each in parts if isinstance(each, NodeStory)),
        pools=(*pools, *(each for each in parts if isinstance(each, PoolStory))),
    )


def node_pool(name: str, *, price: float | None = None, most: int = 3) -> NodePool:
    spec: dict[str, Any] = {"driver": "kwok", "capacity": {"cpu": "8", "memory": "32Gi"}, "maxNodes": most}
    head = {"apiVersion": API_VERSION, "kind": "NodePool", "metadata": {"name": name}}
    priced = {} if price is None else {"pricePerHour": price}
    return NodePool.from_json(json.dumps({**head, "spec": {**spec, **priced}}))


class Bench:
    """The service; a test says what the sources give, and lets it look."""

    def __init__(self, *, settings: StatusSettings = STATUS, world: World | None = None) -> None:
        self.world = world or World(installed("echo"))
        self.storage, self.queue = self.world.storage, self.world.queue
        assert isinstance(self.storage, MemoryStorage)
        assert isinstance(self.queue, MemoryQueue)
        self.settings = settings
        self.stack_settings = settings_of()
        self.plan: Explanation | Exception = plan(story(), pools=[pool_story("gpu", {NodeState.OFF: 3})])
        self.pools: dict[str, NodePool] = {}
        self.unsound: tuple[FunctionSeen, ...] = ()
        self.wishes: dict[str, tuple[str, bool]] = {}
        self.gathering = self._gathering(self.queue)
        self.newsroom = Newsroom(self._status_world())
        self.desk = self._desk()

    def _gathering(self, queue: Any) -> Gathering:
        readers = Readers(self._functions, self._plan, self._pools, places=lambda: {"": "gpu-0"})
        return Gathering(self.stack_settings, readers, self.storage, queue, now=self.world.now)

    def through(self, queue: Any) -> None:
        """Ask this queue from now on."""
        self.gathering = self._gathering(queue)
        self.newsroom = Newsroom(self._status_world())
        self.desk = self._desk()

    def begun_anew(self) -> Newsroom:
        """Another process on the same store."""
        return Newsroom(self._status_world("second"))

    def _status_world(self, instance: str = "first") -> StatusWorld:
        return StatusWorld(
            gathering=self.gathering,
            storage=self.storage,
            platform_bucket=self.world.platform_bucket,
            head=Head(instance, "lab", "0.1.0", "host", login_of(self.settings), 1.0),
            hides=self.settings.names is Names.HIDDEN,
            now=self.world.now,
        )

    def _desk(self) -> Desk:
        acts = Acts(self.gathering, self._set_enabled)
        return Desk(self.settings, self.newsroom, acts, Seats(), lambda: self.gathering.unready)

    async def _functions(self) -> Answer[tuple[FunctionSeen, ...]]:
        sound = (seen(each.function, each.digest, self.stack_settings) for each in self.world.functions)
        return Answer((*sound, *self.unsound))

    async def _plan(self) -> Answer[Explanation]:
        if isinstance(self.plan, Exception):
            raise self.plan
        return Answer(self.plan)

    async def _pools(self) -> Answer[Mapping[str, NodePool]]:
        return Answer(self.pools)

    async def _set_enabled(self, name: str, pool: str, enabled: bool) -> None:
        self.wishes[name] = (pool, enabled)

    async def look(self, seconds: float = 1.0) -> dict[str, Any]:
        """Time passes, all sources are asked, an edition comes out: its document, with all names."""
        self.world.time += seconds
        await self.gathering.look()
        self.newsroom.bring_out()
        return self.document()

    def document(self, *, with_names: bool = True) -> dict[str, Any]:
        edition = self.newsroom.edition(with_names=with_names)
        assert edition is not None
        found: dict[str, Any] = httpx2.Response(200, content=edition.body).json()
        return found

    def client(self, *, address: str = "127.0.0.1", **headers: str) -> httpx2.AsyncClient:
        """A client of the service, connected from an address."""
        transport = httpx2.ASGITransport(application(self.desk), client=(address, 1))
        return httpx2.AsyncClient(transport=transport, base_url="http://localhost:1", headers=headers)
