"""How many workers each function gets on the nodes that are on. Pure.

A worker with a file is never taken away. What is free goes to functions whose files wait: to the tenant
whose share is least, and of its functions by priority, then to the one that has fewest, then to the one whose
oldest file is due first. A further worker is worth its start only while those that are there would not have
emptied the queue by then. Idle ones stay warm where nobody else needs the room. minWorkers come after files
that wait; but where there are several tenants they are a part of each one's share.
"""

from collections.abc import Sequence

from headrace.scaler.deciding.charges import Charges
from headrace.scaler.deciding.giving import give
from headrace.scaler.deciding.ground import Ground
from headrace.scaler.deciding.members import Member
from headrace.scaler.deciding.parties import Parties
from headrace.scaler.plan import Workers
from headrace.scaler.snapshot import Snapshot, WorkerView


def share_out(snapshot: Snapshot, now: float) -> tuple[Workers, ...]:
    """One entry a function, in the order of the snapshot."""
    return tuple(member.told() for member in shared_out(snapshot, now))


def shared_out(snapshot: Snapshot, now: float) -> Sequence[Member]:
    """The same, with all that was reckoned."""
    members = given_by_share(snapshot)
    give(members, wish=Member.wants_at_least)
    give(members, wish=lambda member: member.stays_warm(now))
    return members


def given_by_share(snapshot: Snapshot) -> Sequence[Member]:
    """Every function with the workers that it has or gets for files, or within its tenant's share."""
    members = members_of(snapshot)
    contested = len({member.party.tenant.name for member in members}) > 1
    give(members, wish=Member.wants_within_share if contested else Member.wants_for_files)
    return members


def members_of(snapshot: Snapshot) -> Sequence[Member]:
    """Every function with its workers that have files, before anything is given out."""
    charges = Charges(snapshot)
    ground, parties = Ground(snapshot, charges), Parties(snapshot, charges)
    workers: dict[str, list[WorkerView]] = {}
    for worker in snapshot.workers:
        workers.setdefault(worker.function, []).append(worker)
    members = []
    for function in snapshot.functions:
        claim = ground.claim(function)
        own = workers.get(function.name, ())
        members.append(Member(function, own, claim, party=parties.of(function), cost=parties.cost(function)))
    return members
