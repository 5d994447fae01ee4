"""Looks on as the scaler decides: counts what happens from one decision to the next, and knows the newest."""

from collections.abc import Callable, Sequence

from headrace.metrics import catalogue
from headrace.metrics.family import Figure
from headrace.metrics.port import SILENT, Meter
from headrace.scaler.bill import Bill
from headrace.scaler.booted import BootEnd, booted
from headrace.scaler.figures import figures, of_bill
from headrace.scaler.plan import Plan
from headrace.scaler.service import Decision


class Monitor:
    """Of one process; `now` gives seconds since the epoch. Only while it leads does it tell of decisions."""

    def __init__(self, now: Callable[[], float], meter: Meter = SILENT) -> None:
        self._now = now
        self._meter = meter
        self._bill = Bill()
        self._newest: Decision | None = None
        self._led_since: float | None = None

    def begin(self) -> None:
        """This process leads, since now if it did not before."""
        if self._led_since is None:
            self._led_since = self._now()

    def end(self) -> None:
        """It leads no more."""
        self._led_since = self._newest = None

    def tell(self, decision: Decision) -> None:
        """A decision was made and carried out."""
        self._meter.observe(catalogue.DECIDE_SECONDS, decision.seconds)
        self._count_actions(decision.plan)
        for pool in decision.snapshot.pools:
            for end in BootEnd:  # from 0 on, so that the first of them is seen to be one more
                self._meter.count(catalogue.BOOTS, pool.name, end.value, by=0.0)
        before, self._newest = self._newest, decision
        if before is None:
            return
        self._bill = self._bill.after(before.snapshot, max(0.0, decision.moment - before.moment))
        for boot in booted(before.snapshot, decision.snapshot, decision.moment):
            self._meter.count(catalogue.BOOTS, boot.pool, boot.end.value)
            if boot.end is BootEnd.READY:
                self._meter.observe(catalogue.BOOT_SECONDS, boot.seconds, boot.pool)

    def failed(self) -> None:
        """Nothing could be decided in a round."""
        self._meter.count(catalogue.STEPS_FAILED)

    def figures(self) -> Sequence[Figure]:
        """What is known now."""
        bill = tuple(of_bill(self._bill))
        if self._led_since is None:
            return bill
        now, newest = self._now(), self._newest
        seen_at = newest.moment if newest is not None else self._led_since
        age = Figure(catalogue.OBSERVED, max(0.0, now - seen_at))
        return (*bill, age, *(figures(newest.snapshot, newest.plan, now) if newest is not None else ()))

    def _count_actions(self, plan: Plan) -> None:
        for action, orders in (("start", plan.start), ("stop", plan.stop)):
            for each in orders:
                self._meter.count(catalogue.ACTIONS, each.pool, action, each.reason.code.value)
