"""What a class of files would order if it were now: how many workers, and the nodes for them. Pure."""

from dataclasses import dataclass
from math import inf

import numpy as np

from headrace.scaler.deciding.classes import WorkClass
from headrace.scaler.deciding.holding import ROOM_FOR_ANOTHER
from headrace.scaler.deciding.need import Jobs, Times, need
from headrace.scaler.deciding.supply import Choice, Supplies, choose
from headrace.scaler.plan import ReasonCode


@dataclass(frozen=True, slots=True)
class Order:
    """Workers to add and the nodes for them; the jobs, slots and boot that were planned with.

    `choice` may have a node more, for one whose boot may fail: no worker is counted for it. `limited`: more
    workers would be needed than maxWorkers or a quota allows.
    """

    workers: int
    code: ReasonCode
    choice: Choice
    jobs: Jobs
    times: Times
    boot_seconds: float
    limited: bool


def order_now(each: WorkClass, times: Times, supplies: Supplies, *, allowed: int, now: float) -> Order:
    """The order of a class whose workers are free at `times`, at most `allowed` more of them.

    Counts with the slowest boot among the pools that are chosen.
    """
    boot = each.home.boot.safe_seconds
    if boot <= 0:
        return _order_at_once(each, times, supplies, allowed=allowed, now=now)
    order = _order(each, times, supplies, allowed=allowed, now=now, boot=boot)
    for _ in each.homes[1:]:
        slowest = max(
            (supplies.pools[name].pool.boot.safe_seconds for name in order.choice.nodes), default=boot
        )
        if slowest <= boot:
            break
        boot = slowest
        order = _order(each, times, supplies, allowed=allowed, now=now, boot=boot)
    return order


def orderable(each: WorkClass, supplies: Supplies) -> int:
    """Workers for which nodes may still be ordered; at least one, so that a need is found."""
    return max(1, room_to_order(each, supplies))


def room_to_order(each: WorkClass, supplies: Supplies) -> int:
    """Workers for which nodes may still be ordered."""
    return sum(supplies.of_pool(home.name) * each.request.count_in(home.capacity) for home in each.homes)


def _order(
    each: WorkClass, times: Times, supplies: Supplies, *, allowed: int, now: float, boot: float
) -> Order:
    jobs, code, enough = each.jobs, ReasonCode.PROMISE, orderable(each, supplies)
    ready = now + boot + each.start_seconds
    workers = need(jobs, times, ready, enough=enough)
    if workers == inf:
        jobs, code = jobs.postponed(before=ready, until=ready + each.wait_seconds), ReasonCode.OVERDUE
        workers = need(jobs, times, ready, enough=enough)
    wanted = int(max(0.0, min(workers, allowed)))
    spare = 0
    if wanted and each.home.boot.failing and _too_late(jobs, times, ready + ROOM_FOR_ANOTHER * boot):
        spare = each.workers_a_node  # another failure could not be made good
    choice = choose(wanted + spare, each.request, each.homes, supplies).without_spare(spare)
    return Order(wanted, code, choice, jobs, times, boot, workers > allowed)


def _order_at_once(each: WorkClass, times: Times, supplies: Supplies, *, allowed: int, now: float) -> Order:
    """Without a boot nothing is saved by holding back: a worker a file; slower pools help out by need."""
    ready = now + each.start_seconds
    missing = each.files - int((times <= ready).sum())
    wanted = max(0, min(missing, allowed))
    quick = tuple(home for home in each.homes if home.boot.safe_seconds <= 0)
    choice = choose(wanted, each.request, quick, supplies)
    slow = tuple(home for home in each.homes if home.boot.safe_seconds > 0)
    if choice.missing and slow:
        at_once = np.full(wanted - choice.missing, ready)
        slots = np.sort(np.concatenate([times, at_once]))
        boot = max(home.boot.safe_seconds for home in slow)
        more = need(each.jobs, slots, ready + boot, enough=choice.missing)
        wished = int(min(more, choice.missing))
        choice = choice.with_more(choose(wished, each.request, slow, supplies, beside=choice.count))
        wanted = wanted if more else int(at_once.size)
    return Order(wanted, ReasonCode.FILES_WAIT, choice, each.jobs, times, 0.0, missing > allowed)


def _too_late(jobs: Jobs, times: Times, ready: float) -> bool:
    """Whether some file starts too late, however many workers are added then."""
    return need(jobs, times, ready) == inf
