"""The document's functions and their sums, from what was gathered. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace.model.record import Ending
from headrace.operations.rates import Rates
from headrace.operations.status import FunctionStatus, function_status
from headrace.scaler.explaining import FunctionStory
from headrace.status.decisions import why
from headrace.status.document import MOST_FUNCTIONS, Functions, FunctionShown, Short, Totals
from headrace.status.forecast import Outlook, Pace, forecast, pace_of, together
from headrace.status.sight import Counted, FunctionSeen, Sight
from headrace.status.words import bounded

NO_QUEUE = "it has no queue yet: the receiver has not seen it"


def functions_shown(sight: Sight, rates: Rates, now: float) -> tuple[FunctionShown, ...]:
    """All that there are, by name; those first that have a fault."""
    stories = {each.name: each for each in (sight.plan.functions if sight.plan else ())}
    seen = sight.functions or ()
    shown = [_shown(each, sight, stories.get(each.name), rates, now) for each in seen]
    return tuple(sorted(shown, key=_order))


def listed(functions: Sequence[FunctionShown], *, known: bool) -> Functions:
    """As many as there is room for; those that have nothing to do and nothing failed are left out first."""
    chosen = sorted(functions, key=lambda each: each.fault is None and not _stirs(each))[:MOST_FUNCTIONS]
    items = tuple(sorted(chosen, key=_order))
    return Functions(total=len(functions) if known else None, items=items)


def _stirs(function: FunctionShown) -> bool:
    return bool(function.waiting or function.running or function.failed)


def _order(function: FunctionShown) -> tuple[bool, str]:
    return function.fault is None, function.name


def _shown(
    seen: FunctionSeen, sight: Sight, story: FunctionStory | None, rates: Rates, now: float
) -> FunctionShown:
    asked = sight.backlogs is not None and seen.name in sight.backlogs
    backlog = sight.backlogs[seen.name] if asked and sight.backlogs is not None else None
    counted = sight.counts.functions.get(seen.name) if sight.counts is not None else None
    status = function_status(
        seen.name,
        backlog,
        counted.endings if counted else {},
        now=now,
        workers=story.workers if story else None,
    )
    pace = pace_of(rates, seen.name)
    return FunctionShown(
        name=seen.name,
        tenant=seen.tenant,
        fault=bounded(seen.fault) or None,
        remark=bounded(seen.remark or (NO_QUEUE if asked and backlog is None and not seen.fault else ""))
        or None,
        inputs=seen.inputs,
        outputs=seen.outputs,
        rate=round(pace.rate, 3) if pace is not None else None,
        forecast=forecast(_outlook(seen, status if asked else None, story, pace), now),
        **_queued(status if asked else None, backlog.oldest_received if backlog else None),
        **_ended(status if counted else None, counted),
        **_bounds(seen),
        **_planned(story),
    )


def _queued(status: FunctionStatus | None, oldest: float | None) -> dict[str, Any]:
    if status is None:
        return dict.fromkeys(("waiting", "running", "oldest_at", "paused"))
    return {
        "waiting": status.waiting,
        "running": status.running,
        "oldest_at": None if oldest is None else round(oldest),
        "paused": status.paused,
    }


def _ended(status: FunctionStatus | None, counted: Counted | None) -> dict[str, Any]:
    names = ("done", "failed", "superseded", "gone", "purged")
    if status is None or counted is None:
        return dict.fromkeys((*names, "counted_at"))
    return {name: getattr(status, name) for name in names} | {"counted_at": round(counted.at)}


def _bounds(seen: FunctionSeen) -> dict[str, Any]:
    scale = seen.function.spec.scale if seen.function is not None else None
    return {
        "max_workers": scale.max_workers if scale else 0,
        "max_wait_seconds": scale.max_wait_seconds if scale else 0.0,
    }


def _planned(story: FunctionStory | None) -> dict[str, Any]:
    if story is None:
        names = ("workers", "working", "wanted", "file_seconds", "start_seconds", "why", "gpu")
        return dict.fromkeys(names) | {"unmet": ()}
    return {
        "workers": story.workers,
        "working": story.working,
        "wanted": sum(story.wanted.values()),
        "file_seconds": round(story.service.file_seconds, 3),
        "start_seconds": round(story.service.start_seconds, 3),
        "why": why(story.reason),
        "gpu": bounded(story.gpu),
        "unmet": tuple(
            Short(
                files=each.files,
                why=why(each.reason),
                until=None if each.until is None else round(each.until),
            )
            for each in story.unmet
        ),
    }


def _outlook(
    seen: FunctionSeen, status: FunctionStatus | None, story: FunctionStory | None, pace: Pace | None
) -> Outlook:
    workers = story.workers if story else 0
    return Outlook(
        waiting=None if status is None else status.waiting,
        running=None if status is None else status.running,
        pace=pace,
        paused=status is not None and status.paused,
        workers=max(workers, sum(story.wanted.values()) if story else 0),
        has_worker=workers > 0,
        file_seconds=story.service.file_seconds if story else None,
        start_seconds=story.service.start_seconds if story else 0.0,
        trouble=f"it can't be worked: {bounded(seen.fault)}" if seen.fault else "",
    )


def totals_of(functions: Sequence[FunctionShown], sight: Sight) -> Totals:
    """Sums over what is known; null where nothing of it is."""
    waiting, running = _sum(each.waiting for each in functions), _sum(each.running for each in functions)
    left = None if waiting is None or running is None else waiting + running
    busy = [each.forecast for each in functions if (each.waiting or 0) + (each.running or 0)]
    oldest = [each.oldest_at for each in functions if each.oldest_at is not None]
    pools = [each.nodes for each in sight.plan.pools] if sight.plan else None
    counts = sight.counts.functions.values() if sight.counts else ()
    other = (Ending.SUPERSEDED, Ending.GONE, Ending.PURGED)
    rates = [each.rate for each in functions if each.rate is not None]
    return Totals(
        waiting=waiting,
        running=running,
        done=_sum(each.done for each in functions),
        failed=_sum(each.failed for each in functions),
        other=sum(each.endings.get(kind, 0) for each in counts for kind in other) if sight.counts else None,
        oldest_at=min(oldest, default=None),
        rate=round(sum(rates), 3) if rates else None,
        workers=_sum(each.workers for each in functions),
        wanted_workers=_sum(each.wanted for each in functions),
        nodes=None if pools is None else sum(sum(each.values()) for each in pools),
        nodes_on=None if pools is None else sum(_on(each) for each in pools),
        forecast=together(busy, left=left),
    )


def _on(states: Mapping[Any, int]) -> int:
    return sum(number for state, number in states.items() if state not in {"off", "unknown"})


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [each for each in numbers if each is not None]
    return sum(known) if known else None
