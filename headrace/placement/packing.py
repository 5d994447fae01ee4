"""How many claims fit into the GPUs of servers: the first that has room, as Kubernetes allocates. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from headrace.placement.ways import GpuClaim

Place = tuple[str, int]  # a server, and the number of its GPU


@dataclass(frozen=True, slots=True)
class RemoteRoom:
    """One GPU of a server: what it has, and what of it workers may take together.

    `host` is the server's node in a pool that switches it; empty: nobody does.
    """

    server: str
    number: int
    memory_bytes: int
    free_bytes: int
    free_sessions: int
    host: str = ""


class RemoteRooms:
    """What is left of them as claims are placed; give each decision its own."""

    def __init__(self, rooms: Sequence[RemoteRoom]) -> None:
        self._rooms = {(room.server, room.number): room for room in rooms}
        self._bytes = {place: room.free_bytes for place, room in self._rooms.items()}
        self._sessions = {place: room.free_sessions for place, room in self._rooms.items()}
        self._hosts: set[str] = set()

    def hold(self, places: Iterable[Place], claim: GpuClaim, *, times: int = 1) -> None:
        """A claim that is allocated has these, or -1 times: gives them back; some may have gone since."""
        for place in places:
            if place in self._rooms:
                self._put(place, claim, times)

    def fitting(self, claim: GpuClaim, servers: Collection[str], most: int) -> int:
        """How many such claims find room on these servers, `most` at most; nothing is taken."""
        return len(self.hosts(claim, servers, most))

    def hosts(self, claim: GpuClaim, servers: Collection[str], most: int) -> Sequence[Collection[str]]:
        """By each claim that finds room, in turn: the hosts of its GPUs; nothing is taken."""
        placed = self._place(claim, servers, most)
        for places in placed:
            for place in places:
                self._put(place, claim, -1)
        return [{self._rooms[place].host for place in places} for places in placed]

    def take(self, claim: GpuClaim, servers: Collection[str], claims: int) -> None:
        """Place so many; those that find no room are left out."""
        taken = self._place(claim, servers, claims)
        self._hosts.update(self._rooms[place].host for places in taken for place in places)

    @property
    def taken(self) -> Collection[str]:
        """Hosts of servers on which something was taken."""
        return self._hosts - {""}

    def _place(self, claim: GpuClaim, servers: Collection[str], most: int) -> Sequence[Sequence[Place]]:
        """The GPUs of each claim that finds room, each another.

        A GPU without room has none for a later claim of the same kind either: each is passed over once.
        """
        allowed, placed = frozenset(servers), list[Sequence[Place]]()
        open_places = [place for place in reversed(self._rooms) if place[0] in allowed]
        while len(placed) < most:
            found: list[Place] = []
            while open_places and len(found) < claim.count:
                place = open_places.pop()
                if self._has(place, _needed(claim, self._rooms[place])):
                    found.append(place)
            if len(found) < claim.count:
                break
            for place in found:
                self._put(place, claim, 1)
            placed.append(found)
            open_places.extend(reversed(found))
        return placed

    def _has(self, place: Place, needed: int) -> bool:
        return self._sessions[place] > 0 and 0 < needed <= self._bytes[place]

    def _put(self, place: Place, claim: GpuClaim, times: int) -> None:
        self._bytes[place] -= times * _needed(claim, self._rooms[place])
        self._sessions[place] -= times


def _needed(claim: GpuClaim, room: RemoteRoom) -> int:
    return room.memory_bytes if claim.memory_bytes is None else claim.memory_bytes
