"""How many claims fit into the GPUs of servers: the first that has room, as Kubernetes allocates. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from headrace.placement.ways import GpuClaim

Place = tuple[str, int]  # a server, and the number of its GPU


@dataclass(frozen=True, slots=True)
class RemoteRoom:
    """One GPU of a server: what it has, and what of it workers may take together."""

    server: str
    number: int
    memory_bytes: int
    free_bytes: int
    free_sessions: int


class RemoteRooms:
    """What is left of them as claims are placed; give each decision its own."""

    def __init__(self, rooms: Sequence[RemoteRoom]) -> None:
        self._rooms = {(room.server, room.number): room for room in rooms}
        self._bytes = {place: room.free_bytes for place, room in self._rooms.items()}
        self._sessions = {place: room.free_sessions for place, room in self._rooms.items()}

    def hold(self, places: Iterable[Place], claim: GpuClaim) -> None:
        """A claim that is allocated has these; some may have gone since."""
        for place in places:
            if place in self._rooms:
                self._put(place, claim, 1)

    def fitting(self, claim: GpuClaim, servers: Collection[str], most: int) -> int:
        """How many such claims find room on these servers, `most` at most; nothing is taken."""
        taken: list[Sequence[Place]] = []
        while len(taken) < most and (places := self._first(claim, servers)):
            for place in places:
                self._put(place, claim, 1)
            taken.append(places)
        for places in taken:
            for place in places:
                self._put(place, claim, -1)
        return len(taken)

    def take(self, claim: GpuClaim, servers: Collection[str], claims: int) -> None:
        """Place so many; those that find no room are left out."""
        for _ in range(claims):
            for place in self._first(claim, servers):
                self._put(place, claim, 1)

    def _first(self, claim: GpuClaim, servers: Collection[str]) -> Sequence[Place]:
        """The GPUs of one claim, each another; none where they do not suffice."""
        found: list[Place] = []
        for place, room in self._rooms.items():
            if room.server in servers and self._has(place, _needed(claim, room)):
                found.append(place)
                if len(found) == claim.count:
                    return found
        return ()

    def _has(self, place: Place, needed: int) -> bool:
        return self._sessions[place] > 0 and 0 < needed <= self._bytes[place]

    def _put(self, place: Place, claim: GpuClaim, times: int) -> None:
        self._bytes[place] -= times * _needed(claim, self._rooms[place])
        self._sessions[place] -= times


def _needed(claim: GpuClaim, room: RemoteRoom) -> int:
    return room.memory_bytes if claim.memory_bytes is None else claim.memory_bytes
