"""What the scaler needs of the world besides queue and nodes: workers, wishes of people, a memory kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.model.function import Function
from headrace.model.observation import Standing
from headrace.model.resources import NOTHING, ResourceList
from headrace.placement.packing import Place, RemoteRoom
from headrace.placement.ways import NO_GPU, Choice, Way
from headrace.scaler.memory import Remembered


@dataclass(frozen=True, slots=True)
class Present:
    """One worker; `started` in seconds since the epoch. One that is leaving was told to end, and works on.

    `standing` is what it told last of what it holds; None where workers can't be told apart by name, and who
    holds what is inferred. `places` are the GPUs of servers that it has. Of one that leaves, as its function
    may be another by now, or gone: `tenant` is that function's namespace, `charge` what it holds of all that
    is counted of a tenant.
    """

    name: str
    function: str
    node: str
    started: float
    leaving: bool = False
    standing: Standing | None = None
    places: tuple[Place, ...] = ()
    tenant: str = ""
    charge: ResourceList = NOTHING


@dataclass(frozen=True, slots=True)
class RemoteGpus:
    """GPUs of servers: `rooms` of those that answer, without what others hold than the workers present.

    `standby` are those of servers that are off and can be switched on. `serving` are hosts of which somebody
    holds a GPU.
    """

    rooms: tuple[RemoteRoom, ...] = ()
    standby: tuple[RemoteRoom, ...] = ()
    serving: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many workers a function shall have on each node, what each needs there, its way to a GPU.

    `of` is the function that this was decided for: where it has changed since, none begins (None: not said).
    """

    on: Mapping[str, int]
    request: ResourceList
    way: Way = NO_GPU
    of: Function | None = None


class WorkerHost(Protocol):
    """Whoever starts and ends workers. Its calls raise TransientError when they are not confirmed."""

    def takes(self, function: Function) -> bool:
        """Whether workers of the function can run here at all."""
        ...

    def gpu(self, function: Function) -> Choice:
        """How its workers come to GPUs, as things are now."""
        ...

    def request(self, function: Function, way: Way) -> ResourceList:
        """What one worker of the function needs of its node by this way, the platform's part included."""
        ...

    def leaving_seconds(self, function: Function) -> float:
        """How long a worker that is told to end may go on with what it has in hand."""
        ...

    async def present(self) -> Sequence[Present]:
        """Every worker, the oldest first."""
        ...

    def remote(self) -> RemoteGpus:
        """GPUs of servers, at the moment of the last call of `present`."""
        ...

    async def reconcile(self, wanted: Mapping[str, Wanted]) -> None:
        """Have so many workers a function, none of functions that are not named; may be repeated.

        Surplus ones finish what they compute and end. No worker starts where one that is leaving still
        has the room.
        """
        ...


class Wishes(Protocol):
    """What people want of nodes."""

    def enabled(self) -> Mapping[str, bool]:
        """Node -> whether it may be used; a node without a wish is left as it is."""
        ...


class Keeper(Protocol):
    """Keeps what the scaler remembers over its restarts. Both calls may raise OSError."""

    def read(self) -> Remembered:
        """What was kept last; an empty memory when there is none that can be read."""
        ...

    def keep(self, remembered: Remembered) -> None:
        """Replace it in one step."""
        ...
