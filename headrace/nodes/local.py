"""This machine as a pool of one node. It is always on: nothing here can switch it off."""

from collections.abc import Sequence

from headrace.model.errors import NotFoundError
from headrace.model.resources import ResourceList
from headrace.nodes.port import Power, Sighting

NAME = "local"


class LocalNode:
    """See the port. `allocatable` is what workers may use of this machine together."""

    def __init__(self, allocatable: ResourceList) -> None:
        self._seen = Sighting(NAME, Power.ON, joined=True, allocatable=allocatable, address="localhost")

    async def nodes(self) -> Sequence[Sighting]:
        """See the port."""
        return (self._seen,)

    async def start(self, name: str) -> None:
        """See the port. It is on."""
        _check(name)

    async def stop(self, name: str) -> None:
        """See the port. It stays on."""
        _check(name)


def _check(name: str) -> None:
    if name != NAME:
        raise NotFoundError(f"node {name} is not on this machine, whose only one is {NAME!r}; name that")
