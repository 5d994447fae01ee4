"""The hosts of a pool as they were seen last, and the orders that are under way.

An order is in force from the moment it is given. It is repeated, with pauses, until it was carried out or
another one took its place; who gives it does not wait. Orders that come together are told together.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from headrace.model.errors import HeadraceError, NotFoundError, TransientError
from headrace.model.pool import PowerSpec
from headrace.nodes.clock import CLOCK, Clock
from headrace.nodes.port import Power
from headrace.nodes.power.board import Report, Switchboard, Word

GATHER_SECONDS = 0.2  # orders of one decision come within
FIRST_PAUSE_SECONDS = 5.0  # before an order that failed is given anew; doubles
MOST_PAUSE_SECONDS = 120.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """One host. `order` is in force and not yet carried out; `power` is how it was seen last."""

    name: str
    power: Power = Power.UNKNOWN
    address: str = ""
    order: Word | None = None

    @property
    def may_be_on(self) -> bool:
        """Whether it was not seen off, or is about to be switched on."""
        return self.power is not Power.OFF or self.order is Word.ON


@dataclass(slots=True)
class _Errand:
    """An order in force. Not told before `due`, by the clock of Hosts."""

    word: Word
    due: float
    failures: int = 0
    under_way: bool = False


class Hosts:
    """Those of one pool, on one event loop."""

    def __init__(self, pool: str, board: Switchboard, power: PowerSpec, *, clock: Clock = CLOCK) -> None:
        self._pool = pool
        self._board = board
        self._power = power
        self._clock = clock
        self._known: dict[str, Report] = {}
        self._errands: dict[str, _Errand] = {}
        self._looked: float | None = None  # when all were asked last
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.Task[None] | None = None

    async def seen(self) -> Mapping[str, Host]:
        """All hosts by name; waits only for the first look. Raises TransientError where that fails."""
        if self._look is None and self._is_due():
            self._look = asyncio.create_task(self._ask())
        if self._looked is None and self._look is not None:
            await asyncio.wait({self._look})
        self._reap()
        if self._looked is None:  # it failed, and another has been told why
            raise TransientError(f"the hosts of pool {self._pool} could not be asked yet; try again later")
        self._send()
        return {name: self._host(report) for name, report in sorted(self._known.items())}

    def get(self, name: str) -> Host | None:
        """One host; None: there is none, or no look was had yet."""
        report = self._known.get(name)
        return None if report is None else self._host(report)

    def unknown(self, name: str, pattern: str) -> NotFoundError:
        """That a name is none of these."""
        found = ", ".join(list(self._known)[:5]) or "none"
        return NotFoundError(
            f"node {name} is none of the {len(self._known)} hosts that {pattern} names in the inventory "
            f"({found}); add it there, or name one of these"
        )

    def order(self, name: str, word: Word) -> None:
        """Have a host switched; one that has this order already goes on with it."""
        known = self._errands.get(name)
        if known is None or known.word is not word:
            busy = known is not None and known.under_way
            self._errands[name] = _Errand(word, self._clock.monotonic(), under_way=busy)
            self._spawn(self._send_soon())

    async def close(self) -> None:
        """Let go of what is under way; what was told stays so."""
        tasks = [*self._tasks, *([self._look] if self._look else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Looking

    def _is_due(self) -> bool:
        return self._looked is None or self._clock.monotonic() - self._looked >= self._power.state_seconds

    async def _ask(self) -> None:
        """Ask all; those that are not reported any more are none of the inventory's."""
        async with aclosing(self._board.tell(Word.STATE)) as telling:
            reports = [report async for report in telling]
        for report in reports:
            self._note(report)
        gone = self._known.keys() - {report.name for report in reports} - self._errands.keys()
        self._known = {name: report for name, report in self._known.items() if name not in gone}
        self._looked = self._clock.monotonic()

    def _reap(self) -> None:
        """Take note of a look that is over; one that failed is repeated when the next is due."""
        if self._look is None or not self._look.done():
            return
        look, self._look = self._look, None
        try:
            look.result()
        except HeadraceError as error:
            if self._looked is None:
                raise
            self._looked = self._clock.monotonic()
            extra = {"action": "nodes.hosts_unseen"}
            _log.warning("pool %s: its hosts are not seen: %s", self._pool, error, extra=extra)

    def _note(self, report: Report) -> None:
        """How a host is now. While it is being told something, that comes with the order's own report."""
        before = self._known.get(report.name)
        if report.fault and (before is None or before.fault != report.fault):
            extra = {"action": "nodes.host_unseen", "node": report.name}
            _log.warning("host %s: %s", report.name, report.fault, extra=extra)
        address = report.address or (before.address if before else "")
        errand = self._errands.get(report.name)
        power = before.power if before and errand and errand.under_way else report.power
        self._known[report.name] = replace(report, address=address, power=power)

    def _host(self, report: Report) -> Host:
        errand = self._errands.get(report.name)
        return Host(report.name, report.power, report.address, errand.word if errand else None)

    # Switching

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_soon(self) -> None:
        await self._clock.sleep(GATHER_SECONDS)
        self._send()

    def _send(self) -> None:
        """Tell what is due, as many hosts at once as the pool allows; the others once these are done."""
        now = self._clock.monotonic()
        free = self._power.at_once - sum(each.under_way for each in self._errands.values())
        for word in (Word.ON, Word.OFF):  # files wait for the one, only money is lost with the other
            due = [name for name, each in self._errands.items() if each.word is word and _may_go(each, now)]
            names = sorted(due)[: max(0, free)]
            free -= len(names)
            if names:
                for name in names:
                    self._errands[name].under_way = True
                self._spawn(self._tell(word, names))

    async def _tell(self, word: Word, names: Sequence[str]) -> None:
        left, fault = set(names), "it was not reported"
        try:
            async with aclosing(self._board.tell(word, names)) as telling:
                async for report in telling:
                    left.discard(report.name)
                    self._told(word, report)
                    self._send()
        except HeadraceError as error:
            fault = str(error)
        for name in left:
            self._told(word, Report(name, fault=fault))

    def _told(self, word: Word, report: Report) -> None:
        errand = self._errands.get(report.name)
        if errand is None:
            return
        errand.under_way = False
        if errand.word is not word:  # another order took its place
            self._note(report)
        elif report.fault:
            self._put_off(report.name, errand, report.fault)
        else:
            del self._errands[report.name]
            self._note(report)

    def _put_off(self, name: str, errand: _Errand, fault: str) -> None:
        pause = min(MOST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(errand.failures, 16))
        errand.failures += 1
        errand.due = self._clock.monotonic() + pause
        extra = {"action": "nodes.host_order_failed", "node": name}
        _log.warning(
            "host %s: order %s failed, again in %.0f s: %s", name, errand.word, pause, fault, extra=extra
        )


def _may_go(errand: _Errand, now: float) -> bool:
    return not errand.under_way and errand.due <= now
