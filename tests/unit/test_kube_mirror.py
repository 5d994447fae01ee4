"""A mirror against an API server in memory that is cut, forgets, is away; on a virtual clock."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kube.kinds import CONFIG_MAPS, PODS, Kind
from headrace.kube.memory import MemoryKube
from headrace.kube.mirror import Mirror, Pauses
from headrace.kube.naming import key_of
from headrace.kube.port import Change, Event, Selection
from tests.fixtures.clock import VirtualClock

SPACE = "headrace"


class Followed:
    """A mirror and all that it told."""

    def __init__(self, kube: MemoryKube | None = None, labels: dict[str, str] | None = None) -> None:
        self.clock = VirtualClock()
        self.kube = kube or MemoryKube()
        self.mirror = Mirror(
            self.kube,
            CONFIG_MAPS,
            Selection(SPACE, labels or {}),
            sleep=self.clock.sleep,
            monotonic=self.clock.now,
            chance=Random(1),
        )
        self.told: list[tuple[str, str]] = []
        self.mirror.listen(self._hear)

    def _hear(self, event: Event) -> None:
        self.told.append((event.change.value, event.manifest["metadata"]["name"]))

    async def put(self, name: str, value: int = 0, **metadata: Any) -> None:
        wanted = {"metadata": {"name": name, "namespace": SPACE, **metadata}, "data": {"x": str(value)}}
        await self.kube.apply(CONFIG_MAPS, wanted, manager="tests")

    async def drop(self, name: str) -> None:
        await self.kube.delete(CONFIG_MAPS, name, namespace=SPACE)

    async def settle(self) -> None:
        """Let the mirror come as far as it can."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def agrees(self) -> bool:
        listed = (await self.kube.list(CONFIG_MAPS, Selection(SPACE))).items
        return dict(self.mirror.items) == {key_of(each): each for each in listed}

    def names(self) -> dict[str, str]:
        return {name: each["data"]["x"] for (_, name), each in self.mirror.items.items()}


async def test_it_lists_once_and_follows() -> None:
    seen = Followed()
    await seen.put("a")
    async with seen.mirror:
        assert await seen.mirror.sync(1)
        await seen.put("b", 1)
        await seen.drop("a")
        await seen.settle()
        assert seen.names() == {"b": "1"}
        assert seen.told == [("put", "a"), ("put", "b"), ("gone", "a")]
        assert (seen.mirror.contacts.lists, seen.mirror.contacts.watches) == (1, 1)


async def test_it_is_not_synced_before_its_first_list() -> None:
    seen = Followed()
    seen.kube.unreachable = True
    async with seen.mirror:
        assert not await seen.mirror.sync(0)
        assert not seen.mirror.synced
        seen.kube.unreachable = False
        assert await seen.mirror.sync(5)


@pytest.mark.parametrize("quietly", [True, False])
async def test_a_watch_that_was_cut_goes_on_without_a_list(quietly: bool) -> None:
    seen = Followed()
    async with seen.mirror:
        await seen.mirror.sync(1)
        for number in range(5):
            seen.kube.cut(quietly=quietly)
            await seen.put("a", number)
            await seen.put("b", number)
            await seen.clock.sleep(60.0)
            await seen.settle()
        assert seen.names() == {"a": "4", "b": "4"}
        assert seen.told == [("put", "a"), ("put", "b")] * 5
        assert seen.mirror.contacts.lists == 1
        assert seen.mirror.contacts.failures == (0 if quietly else 5)


async def test_a_bookmark_keeps_the_place_of_a_watch_that_sees_nothing() -> None:
    seen = Followed()
    async with seen.mirror:
        await seen.mirror.sync(1)
        await seen.settle()
        for number in range(3):  # of a kind that it does not watch
            await seen.kube.create(PODS, {"metadata": {"name": f"p{number}", "namespace": SPACE}, "spec": {}})
        seen.kube.bookmark()
        await seen.settle()
        seen.kube.forget()
        seen.kube.cut()
        await seen.put("a")
        await seen.clock.sleep(60.0)
        await seen.settle()
        assert (seen.mirror.contacts.lists, seen.names()) == (1, {"a": "0"})


async def test_what_happened_while_the_history_was_lost_is_told_as_changes() -> None:
    seen = Followed()
    for name in ("same", "changed", "dropped", "again"):
        await seen.put(name)
    async with seen.mirror:
        await seen.mirror.sync(1)
        await seen.settle()
        seen.told.clear()
        seen.kube.unreachable = True
        seen.kube.cut(quietly=False)
        await seen.settle()
        seen.kube.unreachable = False
        for name in ("dropped", "again"):
            await seen.drop(name)
        for name in ("changed", "again", "new"):
            await seen.put(name, 1)
        seen.kube.forget()
        await seen.clock.sleep(60.0)
        await seen.settle()
        assert seen.mirror.contacts.lists == 2
        assert sorted(seen.told[:2]) == [("gone", "again"), ("gone", "dropped")]
        assert sorted(seen.told[2:]) == [("put", "again"), ("put", "changed"), ("put", "new")]
        assert await seen.agrees()


async def test_it_is_silent_for_as_long_as_the_server_is_away() -> None:
    seen = Followed()
    async with seen.mirror:
        await seen.mirror.sync(1)
        await seen.settle()
        assert seen.mirror.silent_seconds == 0.0
        seen.kube.unreachable = True
        seen.kube.cut()
        await seen.settle()
        await seen.clock.sleep(100.0)
        assert 90.0 < seen.mirror.silent_seconds < 110.0
        seen.kube.unreachable = False
        await seen.clock.sleep(20.0)
        await seen.settle()
        assert seen.mirror.silent_seconds == 0.0


async def test_a_server_that_is_away_is_asked_ever_more_rarely() -> None:
    seen = Followed()
    seen.kube.unreachable = True
    async with seen.mirror:
        await seen.clock.sleep(600.0)
        asked = seen.mirror.contacts.lists
    assert 60 < asked < 140  # every 5 to 10 seconds in the end


async def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_tight_loop() -> None:
    class Hasty(MemoryKube):
        async def watch(self, kind: Kind, selection: Selection, version: str) -> AsyncGenerator[Event, None]:
            async with aclosing(super().watch(kind, selection, version)) as events:
                yield await anext(events)

    seen = Followed(Hasty())
    async with seen.mirror:
        await seen.clock.sleep(600.0)
        contacts = seen.mirror.contacts
    assert (contacts.lists, contacts.failures) == (1, 0)
    assert 60 < contacts.watches < 140


async def test_a_listener_with_a_defect_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    seen = Followed()

    def fail(event: Event) -> None:
        if event.manifest["data"]["x"] == "1":
            raise KeyError("a defect")

    async with seen.mirror:
        seen.mirror.listen(fail)
        await seen.mirror.sync(1)
        await seen.put("a", 1)
        await seen.clock.sleep(60.0)
        await seen.put("a", 2)
        await seen.clock.sleep(60.0)
        await seen.settle()
        assert seen.names() == {"a": "2"}
    assert "defect" in caplog.text


async def test_a_change_is_waited_for_once() -> None:
    seen = Followed()
    async with seen.mirror:
        await seen.mirror.sync(1)
        assert await seen.mirror.changed(1)  # the first list
        assert not await seen.mirror.changed(0)
        await seen.put("a")
        assert await seen.mirror.changed(1)
        assert not await seen.mirror.changed(0)


async def test_several_wait_for_changes_by_revision() -> None:
    seen = Followed()
    async with seen.mirror:
        await seen.mirror.sync(1)
        revision = seen.mirror.revision
        waits = [asyncio.create_task(seen.mirror.changed(1, since=revision)) for _ in range(3)]
        await seen.put("a")
        assert await asyncio.gather(*waits) == [True] * 3


async def test_what_it_has_stays_after_it_was_stopped() -> None:
    seen = Followed()
    await seen.put("a")
    async with seen.mirror:
        await seen.mirror.sync(1)
    await seen.put("b")
    assert seen.names() == {"a": "0"}
    assert seen.mirror.get("a", SPACE) is not None
    assert seen.mirror.get("b", SPACE) is None


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(0, 0.0, 0.0), (1, 0.1, 0.2), (3, 0.4, 0.8), (40, 5.0, 10.0)]
)
def test_a_pause_doubles_up_to_a_bound_and_is_drawn(failures: int, least: float, most: float) -> None:
    chance = Random(1)
    drawn = [Pauses().after(failures, chance) for _ in range(200)]
    assert least <= min(drawn)
    assert max(drawn) <= most
    assert len(set(drawn)) > 1 or failures == 0


NAMES = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.integers(0, 3)),
        st.tuples(st.just("drop"), NAMES, st.just(0)),
        st.tuples(st.sampled_from(("cut", "break", "forget", "bookmark", "away", "back", "pass")), NAMES,
                  st.just(0)),
    ),
    max_size=40,
)  # fmt: skip


@given(STEPS)
def test_after_any_faults_it_agrees_with_the_server_and_told_every_difference(
    steps: list[tuple[str, str, int]],
) -> None:
    async def run() -> None:
        seen = Followed()
        told: dict[str, str] = {}

        def keep(event: Event) -> None:
            name = event.manifest["metadata"]["name"]
            if event.change is Change.PUT:
                told[name] = event.manifest["data"]["x"]
            else:
                del told[name]

        seen.mirror.listen(keep)
        async with seen.mirror:
            for action, name, value in steps:
                await _act(seen, action, name, value)
                assert told == seen.names()
            seen.kube.unreachable = False
            await seen.clock.sleep(60.0)
            await seen.settle()
            assert await seen.agrees()
            assert told == seen.names()

    asyncio.run(run())


async def _act(seen: Followed, action: str, name: str, value: int) -> None:
    away, seen.kube.unreachable = seen.kube.unreachable, False  # for others it is there
    if action == "put":
        await seen.put(name, value)
    elif action == "drop":
        await seen.drop(name)
    seen.kube.unreachable = {"away": True, "back": False}.get(action, away)
    if action in ("cut", "break"):
        seen.kube.cut(quietly=action == "cut")
    elif action in ("forget", "bookmark"):
        getattr(seen.kube, action)()
    elif action == "pass":
        await seen.clock.sleep(30.0)
    await seen.settle()
