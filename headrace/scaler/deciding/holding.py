"""Whether files may still wait for a node to be ordered, and until when. Pure."""

from dataclasses import dataclass

from headrace.scaler.deciding.classes import WorkClass
from headrace.scaler.deciding.rates import Load, chance_of_company, keeps, silence_of
from headrace.scaler.plan import Reason, ReasonCode

ROOM_FOR_ANOTHER = 1.5  # boots: when boots fail, the first is ordered so early that a second one is in time


@dataclass(frozen=True, slots=True)
class Moment:
    """What the question needs besides the class: prices are nodes' an hour, times seconds."""

    now: float
    period_seconds: float
    wait_worth: float
    nodes_on: float
    load: Load
    price_now: float  # of the nodes that would be ordered now
    price_later: float  # of those that would be one period later


def held(each: WorkClass, at: Moment) -> tuple[Reason, float] | None:
    """Why the class's files wait one more period, and until when they may at most; None: order now.

    Waiting is free while no more nodes are needed for it. It is worth the wait only while company that shares
    the boot is likely enough, and not when the node would be kept between uses anyway.
    """
    until = each.oldest + _hold_seconds(each)
    if at.price_later > at.price_now or at.now + at.period_seconds > until:
        return None
    if keeps(at.load, at.nodes_on + 1):
        return None
    chance, worth = _company(each, at, until - at.now)
    if chance * each.home.boot.safe_seconds < worth:
        return None
    figures = {"until": until, "chance": round(chance, 3), "files": each.files}
    code = ReasonCode.COMPANY if worth else ReasonCode.HELD
    text = f"{each.files} files wait: no further boot for it, {chance:.0%} chance of company"
    return Reason(code, text, figures), until


def _hold_seconds(each: WorkClass) -> float:
    boot = each.home.boot
    return (
        max(0.0, each.wait_seconds - ROOM_FOR_ANOTHER * boot.safe_seconds)
        if boot.failing
        else each.wait_seconds
    )


def _company(each: WorkClass, at: Moment, left: float) -> tuple[float, float]:
    """The chance that a file joins in the time left, and what waiting for it costs, both for any function."""
    apart = 1.0
    for function in each.functions:
        silent = silence_of(function.last_arrival, at.now)
        apart *= 1 - chance_of_company(function.silences, silent=silent, left=left)
    return 1 - apart, at.wait_worth * each.files * left
