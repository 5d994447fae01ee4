"""A NodePool object: whether it is sound and its driver works here, and how many nodes it has.

The pool's nodes are the scaler's to switch; here nothing is changed but the status.
"""

from headrace.catalog.deployed import pool_of
from headrace.controller import statuses
from headrace.controller.seen import Seen
from headrace.controller.statuses import Verdict, pool_status
from headrace.controller.telling import Teller
from headrace.controller.world import World
from headrace.kube.kinds import NODE_POOLS
from headrace.kube.naming import is_ending
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError
from headrace.model.settings import KubernetesSettings
from headrace.model.switching import unswitched

LOOK_SECONDS = 10.0  # between two looks while nothing is heard: a status that others changed is put right


class Pools:
    """Tells how pools stand."""

    def __init__(self, world: World, seen: Seen) -> None:
        self._world = world
        self._seen = seen
        self._teller = Teller(world)
        self._last: dict[str, Manifest] = {}

    async def reconcile(self, name: str) -> float | None:
        """One look; after how many seconds the next is due, None: it is gone. Raises what the port raises."""
        found = self._seen.pool(name)
        if found is None:
            if last := self._last.pop(name, None):
                self._teller.forget(last)
            return None
        self._last[name] = found
        status = pool_status(
            found, judged(found, self._world.kubernetes), self._seen.tally.figures(name), self._world.now()
        )
        return await self._teller.tell(NODE_POOLS, found, status) or LOOK_SECONDS


def judged(found: Manifest, place: KubernetesSettings) -> Verdict:
    """Whether the scaler uses a pool, by its object and what the stack has."""
    if is_ending(found):
        return Verdict.no(statuses.ENDING, "it is being deleted, and used no more")
    try:
        pool = pool_of(found)
    except ConfigurationError as error:
        return Verdict.no(statuses.INVALID, str(error))
    if hindrance := unswitched(pool, place):
        return Verdict.no(statuses.DRIVER_UNSUPPORTED, hindrance)
    return Verdict.yes("it is sound, and its driver works on Kubernetes")
