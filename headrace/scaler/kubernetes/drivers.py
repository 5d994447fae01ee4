"""Which driver switches a pool's nodes, behind the fence of leadership."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.kube.mirror import Mirror
from headrace.kube.port import Kube
from headrace.model.errors import TransientError
from headrace.model.pool import Driver, NodePool
from headrace.nodes.kwok import KwokNodes
from headrace.nodes.port import NodeDriver, Sighting
from headrace.nodes.static import StaticNodes


@dataclass(frozen=True, slots=True)
class Sights:
    """Mirrors of all nodes and of the pods of every namespace."""

    nodes: Mirror
    pods: Mirror


def driver_of(pool: NodePool, kube: Kube, sights: Sights, *, now: Callable[[], float]) -> NodeDriver | None:
    """The pool's driver; None where it can't be used on Kubernetes. `now`: seconds since the epoch."""
    match pool.spec.driver:
        case Driver.KWOK:
            return KwokNodes(pool, kube, sights.nodes, sights.pods, now=now)
        case Driver.STATIC:
            return StaticNodes(pool, sights.nodes, sights.pods)
        case _:
            return None


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
