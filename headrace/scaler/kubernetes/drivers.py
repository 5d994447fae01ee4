"""Which driver switches a pool's nodes, behind the fence of leadership."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from headrace.kube.mirror import Mirror
from headrace.kube.port import Kube
from headrace.model.errors import TransientError
from headrace.model.pool import Driver, NodePool, Provides
from headrace.model.settings import HostsSettings
from headrace.nodes.kwok import KwokNodes
from headrace.nodes.port import NodeDriver, Sighting
from headrace.nodes.power.nodes import PowerNodes
from headrace.nodes.power.plays import PlayBoard
from headrace.nodes.power.servers import PowerServers, ServerMirrors
from headrace.nodes.static import StaticNodes


@dataclass(frozen=True, slots=True)
class Sights:
    """Mirrors of all nodes and of the pods of every namespace; of GPU servers where the stack has such."""

    nodes: Mirror
    pods: Mirror
    servers: ServerMirrors | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What drivers switch nodes by. `now`: seconds since the epoch; `closing` ends what they have begun."""

    kube: Kube
    sights: Sights
    hosts: HostsSettings | None
    now: Callable[[], float]
    closing: AsyncExitStack


def driver_of(pool: NodePool, means: Means) -> NodeDriver | None:
    """The pool's driver; None where it can't be used on Kubernetes."""
    kube, sights, now = means.kube, means.sights, means.now
    match pool.spec.driver:
        case Driver.POWER if means.hosts is not None:
            return _of_hosts(pool, means, PlayBoard.of(pool, means.hosts))
        case Driver.KWOK:
            return KwokNodes(pool, kube, sights.nodes, sights.pods, now=now)
        case Driver.STATIC:
            return StaticNodes(pool, sights.nodes, sights.pods)
        case _:
            return None


def _of_hosts(pool: NodePool, means: Means, board: PlayBoard) -> NodeDriver | None:
    """Of hosts that are nodes, or that serve GPUs."""
    sights = means.sights
    if pool.spec.provides is Provides.NODES:
        driver = PowerNodes(pool, means.kube, sights.nodes, sights.pods, board, now=means.now)
        means.closing.push_async_callback(driver.close)
        return driver
    if sights.servers is None:
        return None
    servers = PowerServers(pool, means.kube, sights.servers, board, now=means.now)
    means.closing.push_async_callback(servers.close)
    return servers


@dataclass(frozen=True, slots=True)
class Fenced:
    """A driver that takes orders only while `leading` says that this process may act."""

    driver: NodeDriver
    leading: Callable[[], bool]

    async def nodes(self) -> Sequence[Sighting]:
        """See the port. To look may move along what was ordered, so that is the leader's alone as well."""
        self._check("of the pool")
        return await self.driver.nodes()

    async def start(self, name: str) -> None:
        """See the port."""
        self._check(name)
        await self.driver.start(name)

    async def stop(self, name: str) -> None:
        """See the port."""
        self._check(name)
        await self.driver.stop(name)

    def _check(self, name: str) -> None:
        if not self.leading():
            raise TransientError(f"node {name} is left as it is: another scaler leads by now")
