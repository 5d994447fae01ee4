"""Which driver switches a pool's nodes, behind the fence of leadership."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property

from headrace.kube.mirror import Mirror
from headrace.kube.port import Kube
from headrace.model.errors import TransientError
from headrace.model.pool import Driver, EksSpec, NodePool, Provides
from headrace.model.settings import KubernetesSettings
from headrace.nodes.eks.aws import Aws, AwsGroup
from headrace.nodes.eks.group import Group
from headrace.nodes.eks.keeping import KeptRegister
from headrace.nodes.eks.nodes import EksNodes
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


@dataclass(frozen=True)
class Means:
    """What drivers switch nodes by. `now`: seconds since the epoch; `closing` ends what they have begun."""

    kube: Kube
    sights: Sights
    place: KubernetesSettings
    now: Callable[[], float]
    closing: AsyncExitStack

    @cached_property
    def aws(self) -> Aws | None:
        """One set of clients for all node groups; None: the stack has none."""
        return Aws(self.place.eks) if self.place.eks else None


def driver_of(pool: NodePool, means: Means) -> NodeDriver | None:
    """The pool's driver; None where it can't be used on Kubernetes."""
    kube, sights, now = means.kube, means.sights, means.now
    match pool.spec.driver:
        case Driver.POWER if means.place.hosts is not None:
            return _of_hosts(pool, means, PlayBoard.of(pool, means.place.hosts))
        case Driver.EKS if means.aws is not None and pool.spec.eks is not None:
            return _of_group(pool, means, AwsGroup(means.aws, pool.spec.eks.node_group), pool.spec.eks)
        case Driver.KWOK:
            return KwokNodes(pool, kube, sights.nodes, sights.pods, now=now)
        case Driver.STATIC:
            return StaticNodes(pool, sights.nodes, sights.pods)
        case _:
            return None


def _of_group(pool: NodePool, means: Means, group: Group, eks: EksSpec) -> NodeDriver:
    """Of instances of a node group."""
    kube, sights, namespace = means.kube, means.sights, means.place.platform_namespace
    slots = KeptRegister(kube, namespace, group=eks.node_group, pool=pool.name)
    driver = EksNodes(pool, kube, sights.nodes, sights.pods, group, slots=slots, now=means.now)
    means.closing.push_async_callback(driver.close)
    return driver


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
