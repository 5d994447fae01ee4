"""Workers are given out by turns: to the tenant whose share is least, and among its functions. Pure.

Of tenants that have as much the one comes first that has a free worker, then the one that was served last
longest ago.
"""

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

from headrace.scaler.deciding.members import Member
from headrace.scaler.deciding.parties import Standing

Wish = Callable[[Member], int]  # how many workers more a function would have
Turn = tuple[tuple[int, int, float], int]  # of a function, and its number


def give(members: Sequence[Member], *, wish: Wish) -> None:
    """By turns until nobody who wants more finds room."""
    queues: dict[str, list[Turn]] = {}
    for index, member in enumerate(members):
        if not member.function.paused and wish(member) > 0:
            queues.setdefault(member.party.tenant.name, []).append((member.turn(), index))
    for queue in queues.values():
        heapify(queue)

    def standing(name: str) -> tuple[Standing, float, float, str]:
        (_, _, due), index = queues[name][0]
        party = members[index].party
        return party.standing, party.served, due, name

    asking = [standing(name) for name in queues]
    heapify(asking)
    while asking:
        *_, name = heappop(asking)
        _serve(queues[name], members, wish, asking[0][0] if asking else None)
        if queues[name]:
            heappush(asking, standing(name))


def _serve(queue: list[Turn], members: Sequence[Member], wish: Wish, other: Standing | None) -> None:
    """One tenant's functions, until another one's turn comes: a worker, or an eighth more to who has many."""
    while queue:
        _, index = heappop(queue)
        member = members[index]
        share = min(wish(member), max(1, member.count // 8))
        if other is not None:
            share = min(share, member.party.until(member.cost, other))
        if member.place(share) < share:
            member.refuse()
        elif wish(member) > 0:
            heappush(queue, (member.turn(), index))
        if other is not None and member.party.standing > other:
            return
