"""Nodes that are ordered to stop are emptied, a pass at each look, and handed on once they are empty."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from headrace.kube.naming import uid_of
from headrace.kube.port import Kube, Manifest
from headrace.model.errors import ChangedError, HeadraceError
from headrace.nodes.cluster import is_stopping
from headrace.nodes.draining import DRAIN_SECONDS, drain_of, evict

AT_ONCE = 16  # nodes that are emptied together

_log = logging.getLogger(__name__)


class Emptying:
    """`then` is what is done with an empty node; `now` gives seconds since the epoch.

    `drain_seconds` bound how long a pod that was told to end holds its node.
    """

    def __init__(
        self,
        kube: Kube,
        then: Callable[[Manifest], Awaitable[None]],
        *,
        now: Callable[[], float],
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._kube = kube
        self._then = then
        self._now = now
        self._drain_seconds = drain_seconds
        self._overdue: set[str] = set()  # uids of nodes of which it was told that they don't empty

    async def move_along(self, nodes: Sequence[Manifest], pods: Mapping[str, Sequence[Manifest]]) -> None:
        """Do for all that stop what can be done now; `pods` are those of each node."""
        room = asyncio.Semaphore(AT_ONCE)

        async def move(node: Manifest) -> None:
            async with room:
                await self._pass(node, pods.get(node["metadata"]["name"], ()))

        going = [node for node in nodes if is_stopping(node)]
        self._overdue &= {uid_of(node) for node in going}
        await asyncio.gather(*(move(node) for node in going))

    async def _pass(self, node: Manifest, pods: Sequence[Manifest]) -> None:
        """What goes wrong is told, and comes again."""
        name = node["metadata"]["name"]
        drain = drain_of(node, pods, now=self._now(), bound=self._drain_seconds)
        try:
            refused = await evict(self._kube, drain)
            if drain.overdue and (drain.asked or drain.ending):
                self._tell_overdue(node, f"{drain.told} did not leave in time. {refused}".rstrip())
            if drain.done:
                await self._then(node)
        except ChangedError:
            return  # another bears the name by now: that one was not meant
        except HeadraceError as error:
            _log.warning("node %s: %s", name, error, extra={"action": "node-not-emptied", "node": name})

    def _tell_overdue(self, node: Manifest, reason: str) -> None:
        if uid_of(node) not in self._overdue:
            self._overdue.add(uid_of(node))
            name = node["metadata"]["name"]
            _log.warning("node %s: %s", name, reason, extra={"action": "node-drain-overdue", "node": name})
