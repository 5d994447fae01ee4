"""How things went until now: kept in memory, bounded, and written down to outlive a restart. Pure."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field, ValidationError

from headrace.model.node import NodeState
from headrace.model.record import Ending
from headrace.model.value import StoredValue
from headrace.operations.rates import Rates
from headrace.scaler.explaining import Explanation
from headrace.status.decisions import decided
from headrace.status.document import MOST_DECISIONS, MOST_POINTS, Course, DecisionShown
from headrace.status.forecast import WINDOW_SECONDS
from headrace.status.ledger import Ledger, PoolSight, looked, unseen
from headrace.status.runs import Runs, all_followed
from headrace.status.sight import Counts, Sight

POINT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Point:
    """How much there was of everything at a moment; `pools`: nodes by pool and state, without those off."""

    at: int
    waiting: int | None = None
    running: int | None = None
    done: int | None = None
    failed: int | None = None
    workers: int | None = None
    pools: Mapping[str, Mapping[NodeState, int]] = field(default_factory=dict)


class History(StoredValue):
    """All of it. Decisions and points: the newest last."""

    points: tuple[Point, ...] = ()
    runs: Mapping[str, Runs] = Field(default_factory=dict)
    decisions: tuple[DecisionShown, ...] = ()
    decisions_total: int = 0
    ledger: Ledger = Field(default_factory=Ledger)

    def kept(self) -> bytes:
        """As it is written down."""
        return gzip.compress(self.to_json(), mtime=0)

    @classmethod
    def of_kept(cls, data: bytes) -> "History | None":
        """What `kept` wrote; None for what it did not. What happened meanwhile is not known."""
        try:
            found = cls.from_json(gzip.decompress(data))
        except (OSError, EOFError, zlib.error, ValidationError):
            return None
        return found.model_copy(update={"ledger": unseen(found.ledger)})


@dataclass(frozen=True, slots=True)
class Followed:
    """The history, and what is known only since this process began: rates, the last plan."""

    history: History
    rates: Rates = field(default_factory=lambda: Rates(window_seconds=WINDOW_SECONDS))
    plan: Explanation | None = None


def after(known: Followed, sight: Sight, now: float) -> Followed:
    """After one more look."""
    history = known.history
    changes: dict[str, object] = {"ledger": _ledger(history.ledger, sight, now)}
    if sight.plan is not None and sight.plan is not known.plan:
        changes["runs"] = all_followed(history.runs, sight.plan.nodes, now)
        if known.plan is not None and (new := decided(known.plan, sight.plan)):
            changes["decisions"] = (*history.decisions, *new)[-MOST_DECISIONS:]
            changes["decisions_total"] = history.decisions_total + len(new)
    slot = int(now) - int(now) % POINT_SECONDS
    knows = sight.backlogs is not None or sight.plan is not None
    if knows and (not history.points or history.points[-1].at < slot):
        changes["points"] = (*history.points, point_of(sight, slot))[-MOST_POINTS:]
    return Followed(
        history.model_copy(update=changes), _rates(known.rates, sight.counts), sight.plan or known.plan
    )


def _ledger(ledger: Ledger, sight: Sight, now: float) -> Ledger:
    if sight.plan is None or not sight.plan_is_fresh:
        return unseen(ledger)
    return looked(ledger, pool_sights(sight), now)


def pool_sights(sight: Sight) -> tuple[PoolSight, ...]:
    """What pools have now, by the scaler's plan; prices by their objects."""
    return tuple(
        PoolSight(
            pool.name,
            sum(number for state, number in pool.nodes.items() if state is not NodeState.OFF),
            pool.max_nodes,
            price_of(sight, pool.name),
        )
        for pool in (sight.plan.pools if sight.plan else ())
    )


def price_of(sight: Sight, pool: str) -> float | None:
    """Of one node an hour; None where nobody wrote one: the model's own default is no price."""
    found = (sight.pools or {}).get(pool)
    if found is None or "price_per_hour" not in found.spec.model_fields_set:
        return None
    return found.spec.price_per_hour


def _rates(rates: Rates, counts: Counts | None) -> Rates:
    """Takes counts with the time of the newest of them; the same counts again are none."""
    if counts is None or not counts.functions:
        return rates
    at = max(each.at for each in counts.functions.values())
    if rates.looks and at <= rates.looks[-1][0]:
        return rates
    return rates.after(at, {name: each.endings.get(None, 0) for name, each in counts.functions.items()})


def point_of(sight: Sight, at: int) -> Point:
    """How things stand."""
    backlogs, counts = sight.backlogs, sight.counts
    known = [each for each in (backlogs or {}).values() if each is not None]
    ended = counts.functions.values() if counts is not None else ()
    pools = {pool.name: _on(pool.nodes) for pool in (sight.plan.pools if sight.plan else ())}
    return Point(
        at=at,
        waiting=None if backlogs is None else sum(each.waiting for each in known),
        running=None if backlogs is None else sum(each.tasks - each.waiting for each in known),
        done=None if counts is None else sum(each.endings.get(None, 0) for each in ended),
        failed=None if counts is None else sum(each.endings.get(Ending.FAILED, 0) for each in ended),
        workers=None if sight.plan is None else sum(each.workers for each in sight.plan.functions),
        pools={name: states for name, states in pools.items() if states},
    )


def _on(nodes: Mapping[NodeState, int]) -> Mapping[NodeState, int]:
    return {state: number for state, number in nodes.items() if number and state is not NodeState.OFF}


def course_of(points: tuple[Point, ...]) -> Course:
    """As columns."""
    states = sorted(
        {(name, state) for point in points for name, each in point.pools.items() for state in each}
    )
    pools: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, state in states:
        column = tuple(point.pools.get(name, {}).get(state, 0) for point in points)
        pools.setdefault(name, {})[state.value] = column
    return Course(
        seconds=POINT_SECONDS,
        times=tuple(each.at for each in points),
        waiting=tuple(each.waiting for each in points),
        running=tuple(each.running for each in points),
        done=tuple(each.done for each in points),
        failed=tuple(each.failed for each in points),
        workers=tuple(each.workers for each in points),
        pools=pools,
    )
