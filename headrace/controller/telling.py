"""Writing a status: only when it changed, and figures that move on not too often."""

import orjson

from headrace.controller.statuses import is_urgent
from headrace.controller.world import World
from headrace.kube.kinds import Kind
from headrace.kube.naming import uid_of
from headrace.kube.port import Manifest
from headrace.model.value import StoredValue

BETWEEN_SECONDS = 2.0  # two writings of one object's status


class Teller:
    """Remembers when it wrote the status of which object."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._written: dict[str, float] = {}  # by uid

    async def tell(self, kind: Kind, found: Manifest, status: StoredValue) -> float:
        """Write a status if it is another; in how many seconds it is to be tried again, 0: no need."""
        wanted, before = orjson.loads(status.to_json()), found.get("status") or {}
        if wanted == before:
            return 0.0
        uid, now = uid_of(found), self._world.monotonic()
        wait = self._written.get(uid, now - BETWEEN_SECONDS) + BETWEEN_SECONDS - now
        if wait > 0 and not is_urgent(before, wanted):
            return wait
        self._written[uid] = now
        await self._world.hands.tell(kind, found, status)
        return 0.0

    def forget(self, found: Manifest) -> None:
        """It is gone."""
        self._written.pop(uid_of(found), None)
