"""Tenants that have more than their share make room for those that have less and whose files wait. Pure.

A worker whose queue is long never lacks a file, so that room would not come free by itself. A tenant cedes a
worker while it has no less than the other even without it: nobody gets it back for the same reason. Workers
are told to end and finish what they compute; so one that has longer to do than it may take then stays.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from headrace.placement.packing import RemoteRooms
from headrace.scaler.deciding.budgets import Wish
from headrace.scaler.deciding.members import Member
from headrace.scaler.deciding.parties import Standing
from headrace.scaler.deciding.workers import given_by_share
from headrace.scaler.plan import ReasonCode
from headrace.scaler.snapshot import FunctionView, Snapshot, WorkerView

CEDED_AT_ONCE = 20  # workers in one step: what each of them costs is a start elsewhere

_SHORT = (ReasonCode.NO_ROOM, ReasonCode.NO_GPU_ROOM)
Turn = tuple[Standing, tuple[int, int, float], str]


def ceded(snapshot: Snapshot) -> set[str]:
    """The busy workers that are to end for another tenant's sake."""
    members = given_by_share(snapshot)
    claims = [member for member in members if member.refused in _SHORT]
    return _Ceding(snapshot, members).workers(claims) if claims else set()


def file_seconds(function: FunctionView) -> float:
    """What a file takes that a function has in work, as far as is known."""
    return function.service.seconds(1, function.running[0].bytes if function.running else 0)


def finishes(function: FunctionView) -> bool:
    """Whether a worker of it may be told to end, and has the time then for what it has in hand."""
    return not function.left_alone and file_seconds(function) <= function.leaving_seconds


@dataclass(slots=True)
class _Trial:
    """Workers taken away so far, to see whether that is enough; it can be taken back."""

    rooms: RemoteRooms
    taken: list[tuple[Member, WorkerView]] = field(default_factory=list)

    def take(self, owner: Member, worker: WorkerView) -> None:
        self._change(owner, worker, -1)
        self.taken.append((owner, worker))

    def undo(self) -> None:
        for owner, worker in self.taken:
            self._change(owner, worker, 1)
        self.taken.clear()

    def _change(self, owner: Member, worker: WorkerView, workers: int) -> None:
        owner.put(worker.node, workers)
        claim = owner.function.way.claim
        if claim is not None:
            self.rooms.hold(worker.places, claim, times=workers)


class _Ceding:
    """One step of it; what members have changes on the way."""

    def __init__(self, snapshot: Snapshot, members: Sequence[Member]) -> None:
        self._by_name = {member.function.name: member for member in members}
        self._rooms = members[0].claim.remote.rooms
        busy = [w for w in snapshot.workers if w.busy and w.function in self._by_name]
        busy.sort(key=lambda worker: (-worker.since, worker.name))  # the youngest first
        self._busy: dict[str, list[WorkerView]] = defaultdict(list)  # by tenant
        self._costs: dict[str, set[Wish]] = defaultdict(set)  # of its workers that have files
        for worker in busy:
            owner = self._by_name[worker.function]
            self._busy[owner.party.tenant.name].append(worker)
            self._costs[owner.party.tenant.name].add(owner.cost)
        self._parties = {member.party.tenant.name: member.party for member in members}
        self._untried: dict[tuple[str, str], Iterator[WorkerView]] = {}  # by function and tenant
        self._gone: set[str] = set()

    def workers(self, claims: Sequence[Member]) -> set[str]:
        """Who ends; the tenant whose share is least is served first."""
        asking = [_turn(member) for member in claims]
        heapify(asking)
        while asking and len(self._gone) < CEDED_AT_ONCE:
            member = self._by_name[heappop(asking)[-1]]
            trial = self._single(member) or self._several(member)
            if trial is not None:
                self._gone |= {worker.name for _, worker in trial.taken}
                if member.wants_for_files() > 0:
                    heappush(asking, _turn(member))
        return self._gone

    def _single(self, member: Member) -> _Trial | None:
        """One worker that alone makes room, of the tenant that is richest now; each is tried once."""
        for tenant in self._richest(member):
            key = member.function.name, tenant
            for worker in self._untried.setdefault(key, iter(self._busy[tenant])):
                trial, owner = _Trial(self._rooms), self._by_name[worker.function]
                if self._may_suffice(owner, worker.node, member) and self._cedes(worker, member):
                    trial.take(owner, worker)
                    if self._settled(member, [worker.node]):
                        return trial
                    trial.undo()
        return None

    def _several(self, member: Member) -> _Trial | None:
        """The fewest workers of one node, or of the servers, that make room together; None where none do."""
        best: Sequence[WorkerView] = ()
        for group in self._groups(member):
            trial = self._trial(member, group)
            if trial is not None:
                if not best or len(trial.taken) < len(best):
                    best = [worker for _, worker in trial.taken]
                trial.undo()
        trial = self._trial(member, best) if best else None
        if trial is not None:
            self._settled(member, [worker.node for _, worker in trial.taken])
        return trial

    def _trial(self, member: Member, group: Sequence[WorkerView]) -> _Trial | None:
        """With as many of a group, from the first on, as make room; None where all do not."""
        trial = _Trial(self._rooms)
        for worker in group:
            if self._cedes(worker, member):
                trial.take(self._by_name[worker.function], worker)
                if self._place(member, [each.node for _, each in trial.taken]):
                    return trial
        trial.undo()
        return None

    def _groups(self, member: Member) -> Iterator[Sequence[WorkerView]]:
        there = [worker for tenant in self._richest(member) for worker in self._busy[tenant]]
        if member.refused is ReasonCode.NO_GPU_ROOM:
            yield there
            return
        by_node: dict[str, list[WorkerView]] = defaultdict(list)
        for worker in there:
            by_node[worker.node].append(worker)
        yield from (group for group in by_node.values() if len(group) > 1)  # each alone was tried

    def _richest(self, member: Member) -> Sequence[str]:
        """Tenants that stand behind the member's, the one first that has most with one worker less."""
        left = {
            name: (-party.tenant.priority, max(party.share_without(cost) for cost in self._costs[name]))
            for name, party in self._parties.items()
            if name in self._costs and party.standing > member.party.standing
        }
        return sorted(left, key=lambda name: left[name], reverse=True)

    def _may_suffice(self, owner: Member, node: str, to: Member) -> bool:
        """Whether one of the owner's workers less on the node could be enough, as far as its room goes."""
        return to.refused is ReasonCode.NO_GPU_ROOM or to.claim.fits_beside(node, owner.claim)

    def _cedes(self, worker: WorkerView, to: Member) -> bool:
        owner = self._by_name[worker.function]
        if worker.name in self._gone or owner.party is to.party or not _helps(worker, to):
            return False
        if not finishes(owner.function):
            return False  # its file would be cut off, and begin anew
        ours, theirs = to.party.tenant.priority, owner.party.tenant.priority
        return ours > theirs or (ours == theirs and to.party.share < owner.party.share_without(owner.cost))

    def _place(self, member: Member, nodes: Sequence[str]) -> str | None:
        """Where one worker more would fit now: on nodes that were made free; if it lacked a GPU, on any."""
        if not (member.claim.fresh(1) and member.claim.remote.allowed(1)):
            return None
        others = member.claim.nodes if member.refused is ReasonCode.NO_GPU_ROOM else ()
        return next((node for node in (*nodes, *others) if member.claim.room(node)), None)

    def _settled(self, member: Member, nodes: Sequence[str]) -> bool:
        """Give it one worker more, where that is possible."""
        node = self._place(member, nodes)
        if node is not None:
            member.put(node)
            member.claim.spend(1)
            member.claim.remote.take(1)
        return node is not None


def _helps(worker: WorkerView, to: Member) -> bool:
    """Whether its end could be of use: it holds a GPU of a server where one is lacking."""
    return bool(worker.places) or to.refused is not ReasonCode.NO_GPU_ROOM


def _turn(member: Member) -> Turn:
    return member.party.standing, member.turn(), member.function.name
