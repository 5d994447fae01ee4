"""Orders to hosts: in force at once, told together, repeated until they were carried out."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field

import pytest

from headrace.model.errors import TransientError
from headrace.model.pool import PowerSpec
from headrace.nodes.clock import Clock
from headrace.nodes.port import Power
from headrace.nodes.power.board import MemoryBoard, Report, Word
from headrace.nodes.power.hosts import Hosts
from tests.fixtures.clock import VirtualClock
from tests.fixtures.kube import let_events_through


@dataclass
class Desk:
    """A board that tells when it is let."""

    hosts: dict[str, Power]
    calls: list[tuple[Word, tuple[str, ...]]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    silent: set[str] = field(default_factory=set)  # hosts that are never reported
    error: Exception | None = None

    async def tell(self, word: Word, names: Collection[str] | None = None) -> AsyncGenerator[Report, None]:
        names = sorted(self.hosts if names is None else names)
        if word is not Word.STATE:
            self.calls.append((word, tuple(names)))
            await self.open.wait()
        if self.error:
            raise self.error
        for name in names:
            if name not in self.silent:
                if word is not Word.STATE:
                    self.hosts[name] = Power.ON if word is Word.ON else Power.OFF
                yield Report(name, self.hosts[name], f"{name}.lab")


@dataclass
class Scene:
    desk: Desk
    clock: VirtualClock
    hosts: Hosts

    async def after(self, seconds: float) -> dict[str, tuple[Power, Word | None]]:
        """How all are, and which order is in force, so many seconds later."""
        self.clock.advance(seconds)
        await self.hosts.seen()
        await let_events_through()
        return {name: (host.power, host.order) for name, host in (await self.hosts.seen()).items()}


def scene(*, at_once: int = 5, **hosts: Power) -> Scene:
    clock = VirtualClock()
    desk = Desk(hosts or {"a": Power.OFF, "b": Power.OFF, "c": Power.ON})
    steady = Clock(clock.now, lambda _: asyncio.sleep(0))
    spec = PowerSpec(at_once=at_once, state_seconds=30.0)
    return Scene(desk, clock, Hosts("pool", desk, spec, clock=steady))


async def test_all_hosts_are_seen_and_asked_again_after_a_while() -> None:
    made = scene()
    assert await made.after(0) == {"a": (Power.OFF, None), "b": (Power.OFF, None), "c": (Power.ON, None)}
    made.desk.hosts["a"] = Power.ON
    assert (await made.after(29))["a"] == (Power.OFF, None)
    assert (await made.after(1))["a"] == (Power.ON, None)


async def test_a_first_look_that_fails_is_told_and_the_next_is_had_at_once() -> None:
    made = scene()
    made.desk.error = TransientError("no inventory")
    with pytest.raises(TransientError, match="no inventory"):
        await made.hosts.seen()
    made.desk.error = None
    assert (await made.after(0))["a"] == (Power.OFF, None)


async def test_nobody_who_waits_for_a_first_look_that_fails_takes_it_for_no_hosts_at_all() -> None:
    made = scene()
    made.desk.error = TransientError("no inventory")
    found = await asyncio.gather(made.hosts.seen(), made.hosts.seen(), return_exceptions=True)
    assert [type(each) for each in found] == [TransientError] * 2


async def test_a_later_look_that_fails_leaves_what_is_known() -> None:
    made = scene()
    await made.after(0)
    made.desk.error = TransientError("no inventory")
    assert (await made.after(31))["c"] == (Power.ON, None)
    assert (await made.after(5))["c"] == (Power.ON, None)


async def test_orders_that_come_together_are_told_together() -> None:
    made = scene()
    await made.after(0)
    for name in ("b", "a"):
        made.hosts.order(name, Word.ON)
        made.hosts.order(name, Word.ON)
    made.hosts.order("c", Word.OFF)
    assert (await made.after(0))["a"] == (Power.OFF, Word.ON)
    assert made.desk.calls == [(Word.ON, ("a", "b")), (Word.OFF, ("c",))]
    made.desk.open.set()
    found = await made.after(0)
    assert found == {"a": (Power.ON, None), "b": (Power.ON, None), "c": (Power.OFF, None)}


async def test_no_more_hosts_are_switched_at_once_than_is_allowed_and_those_to_be_on_come_first() -> None:
    made = scene(at_once=1)
    await made.after(0)
    made.hosts.order("c", Word.OFF)
    made.hosts.order("a", Word.ON)
    made.hosts.order("b", Word.ON)
    await made.after(0)
    assert made.desk.calls == [(Word.ON, ("a",))]
    made.desk.open.set()
    await made.after(0)
    assert made.desk.calls == [(Word.ON, ("a",)), (Word.ON, ("b",)), (Word.OFF, ("c",))]


async def test_an_order_that_failed_is_given_anew_after_pauses_that_grow() -> None:
    made = scene(a=Power.OFF)
    await made.after(0)
    made.desk.open.set()
    made.desk.error = TransientError("ansible is not there")
    made.hosts.order("a", Word.ON)
    times = []
    for second in range(40):
        await made.after(1)
        times += [second] * (len(made.desk.calls) - len(times))
    assert times == [0, 5, 15, 35]
    made.desk.error = None
    assert (await made.after(60))["a"] == (Power.ON, None)


async def test_a_host_that_is_not_reported_has_failed() -> None:
    made = scene(a=Power.OFF, b=Power.OFF)
    await made.after(0)
    made.desk.open.set()
    made.desk.silent = {"a"}
    for name in ("a", "b"):
        made.hosts.order(name, Word.ON)
    assert await made.after(0) == {"a": (Power.OFF, Word.ON), "b": (Power.ON, None)}


async def test_another_order_takes_the_place_of_one_that_is_under_way() -> None:
    made = scene(a=Power.OFF)
    await made.after(0)
    made.hosts.order("a", Word.ON)
    await made.after(0)
    made.hosts.order("a", Word.OFF)
    assert (await made.after(0))["a"] == (Power.OFF, Word.OFF)
    assert made.desk.calls == [(Word.ON, ("a",))]
    made.desk.open.set()
    assert (await made.after(0))["a"] == (Power.OFF, None)
    assert made.desk.calls == [(Word.ON, ("a",)), (Word.OFF, ("a",))]


async def test_a_look_does_not_undo_what_an_order_under_way_is_about_to_change() -> None:
    made = scene(a=Power.ON)
    await made.after(0)
    made.hosts.order("a", Word.OFF)
    await made.after(0)
    made.desk.hosts["a"] = Power.OFF  # it went off, and the order's report is still to come
    assert (await made.after(31))["a"] == (Power.ON, Word.OFF)


async def test_a_host_that_is_no_more_in_the_inventory_is_forgotten() -> None:
    made = scene(a=Power.ON, b=Power.ON)
    await made.after(0)
    del made.desk.hosts["b"]
    assert (await made.after(31)).keys() == {"a"}


async def test_nothing_is_told_once_it_was_let_go() -> None:
    made = scene(a=Power.OFF)
    await made.after(0)
    made.hosts.order("a", Word.ON)
    await made.after(0)
    await made.hosts.close()
    made.desk.open.set()
    await let_events_through()
    assert made.desk.hosts == {"a": Power.OFF}


async def test_a_board_in_memory_tells_faults() -> None:
    board = MemoryBoard({"a": Power.OFF}, faults={"a": "its BMC is deaf"})
    assert [each async for each in board.tell(Word.ON)] == [Report("a", fault="its BMC is deaf")]
    assert board.hosts == {"a": Power.OFF}
