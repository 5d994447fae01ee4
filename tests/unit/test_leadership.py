"""Who leads, on a virtual clock: several candidates, a server that is away, clocks that are wrong."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kube.election import CLIENT_GO, Terms, holder_of
from headrace.kube.kinds import LEASES, Kind
from headrace.kube.leadership import Elector, Leadership, Seat
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError, FatalError, TransientError
from tests.fixtures.clock import VirtualClock

NAME, SPACE = "headrace-scaler", "headrace"


class Flaky(MemoryKube):
    """Writes of which some are done and not confirmed."""

    unconfirmed = 0

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        done = await super().replace(kind, manifest)
        if self.unconfirmed:
            self.unconfirmed -= 1
            raise TransientError("nobody knows whether it was done")
        return done


@dataclass
class World:
    """Candidates on one clock; each may have a wall clock of its own."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    kube: Flaky = field(default_factory=Flaky)
    electors: list[Elector] = field(default_factory=list)

    def candidate(self, name: str, *, wall_off: float = 0.0) -> Elector:
        elector = Elector(
            self.kube,
            Seat(SPACE, NAME, name),
            monotonic=self.clock.now,
            now=lambda: self.clock.now() + wall_off,
            sleep=self.clock.sleep,
            chance=Random(name),
        )
        self.electors.append(elector)
        return elector

    async def lease(self) -> Manifest:
        return await self.kube.get(LEASES, NAME, namespace=SPACE)

    async def holder(self) -> str:
        return holder_of(await self.lease())


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_candidate_leads_and_the_second_waits(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    await a.once()
    await b.once()
    assert (a.leading(), b.leading(), b.holder) == (True, False, "a")
    spec = (await world.lease())["spec"]
    assert (spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (15, 0)


async def test_who_renews_leads_for_ever(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    for _ in range(50):
        await a.once()
        await b.once()
        assert (a.leading(), b.leading()) == (True, False)
        world.clock.advance(CLIENT_GO.retry_seconds)
    assert a.claim.term == 1


async def test_a_renewal_costs_one_call(world: World) -> None:
    a = world.candidate("a")
    await a.once()
    before = world.kube.requests.total()
    for _ in range(10):
        await a.once()
    assert world.kube.requests.total() - before == 10


async def test_the_fence_falls_at_the_deadline_before_another_may_lead(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    await a.once()
    await b.once()
    world.clock.advance(9.9)
    await b.once()
    assert (a.leading(), b.leading()) == (True, False)
    world.clock.advance(0.1)
    await b.once()
    assert (a.leading(), b.leading()) == (False, False)
    world.clock.advance(5.0)
    await b.once()
    assert (a.leading(), b.leading()) == (False, True)
    assert (await world.lease())["spec"]["leaseTransitions"] == 1


async def test_a_lease_counts_from_when_its_change_was_seen(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    await a.once()
    world.clock.advance(100.0)
    await b.once()  # the lease looks old, but b has not seen how old
    assert not b.leading()
    world.clock.advance(14.9)
    await b.once()
    assert not b.leading()
    world.clock.advance(0.1)
    await b.once()
    assert b.leading()


@pytest.mark.parametrize("off", [-1e6, -60.0, 60.0, 1e6])
async def test_wrong_wall_clocks_change_nothing(world: World, off: float) -> None:
    a, b = world.candidate("a"), world.candidate("b", wall_off=off)
    for _ in range(20):
        await a.once()
        await b.once()
        world.clock.advance(2.0)
        assert (a.leading(), b.leading()) == (True, False)


async def test_a_process_that_slept_finds_its_fence_down_at_once(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    await a.once()
    await b.once()
    world.clock.advance(3600.0)  # SIGSTOP, or a machine suspended
    assert not a.leading()
    await b.once()
    await a.once()
    assert (a.leading(), b.leading(), a.holder) == (False, True, "b")


async def test_a_holder_that_sees_another_in_its_place_stops_before_its_deadline(world: World) -> None:
    a = world.candidate("a")
    await a.once()
    lease = await world.lease()
    await world.kube.replace(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "thief"}})
    assert a.leading()
    await a.once()
    assert not a.leading()


async def test_a_server_that_is_away_ends_leading_in_time_and_its_return_begins_another_term(
    world: World,
) -> None:
    a = world.candidate("a")
    await a.once()
    world.kube.unreachable = True
    led = []
    for _ in range(6):
        world.clock.advance(2.0)
        await a.once()
        led.append(a.leading())
    assert led == [True, True, True, True, False, False]
    world.kube.unreachable = False
    await a.once()
    assert (a.leading(), a.claim.term) == (True, 2)


async def test_a_short_absence_of_the_server_changes_nothing(world: World) -> None:
    a = world.candidate("a")
    await a.once()
    world.kube.unreachable = True
    world.clock.advance(8.0)
    await a.once()
    world.kube.unreachable = False
    await a.once()
    assert (a.leading(), a.claim.term) == (True, 1)


async def test_a_renewal_that_nobody_confirmed_does_not_count(world: World) -> None:
    a = world.candidate("a")
    await a.once()
    start = world.clock.now()
    world.kube.unconfirmed = 1
    world.clock.advance(5.0)
    await a.once()
    assert a.claim.renewed_at == start
    await a.once()
    assert a.claim.renewed_at == start + 5.0


async def test_a_renewal_counts_from_when_it_was_sent(world: World) -> None:
    a = world.candidate("a")
    await a.once()

    class Slow(Flaky):
        async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
            world.clock.advance(4.0)
            return await world.kube.replace(kind, manifest)

    a._kube = Slow()
    sent = world.clock.now()
    await a.once()
    assert a.claim.renewed_at == sent


async def test_what_is_released_is_taken_at_once(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    await a.once()
    await b.once()
    await a.release()
    assert (a.leading(), await world.holder()) == (False, "")
    await b.once()
    assert (b.leading(), await world.holder()) == (True, "b")


async def test_who_does_not_hold_the_lease_does_not_give_it_back(world: World) -> None:
    a, b = world.candidate("a"), world.candidate("b")
    await a.once()
    await b.release()
    assert await world.holder() == "a"


async def test_a_lease_that_was_deleted_is_made_again(world: World) -> None:
    a = world.candidate("a")
    await a.once()
    await world.kube.delete(LEASES, NAME, namespace=SPACE)
    await a.once()
    assert (a.leading(), await world.holder(), a.claim.term) == (True, "a", 1)


async def test_a_server_that_refuses_us_is_asked_again(world: World) -> None:
    a = world.candidate("a")
    world.kube.admit = lambda *_: "no role allows it"
    await a.once()
    assert not a.leading()
    world.kube.admit = lambda *_: None
    await a.once()
    assert a.leading()


async def test_three_that_run_together_have_one_leader_at_any_time(world: World) -> None:
    tasks = [asyncio.create_task(world.candidate(name).run()) for name in ("a", "b", "c")]
    for _ in range(60):
        await world.clock.sleep(1.0)
        assert sum(each.leading() for each in world.electors) == 1 or world.clock.now() < 1_700_000_005
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("once"), st.integers(0, 2)),
        st.tuples(st.just("release"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.floats(0.1, 20.0)),
        st.tuples(st.just("away"), st.booleans()),
        st.tuples(st.just("unconfirmed"), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(STEPS)
def test_never_do_two_lead_at_once(steps: list[tuple[str, Any]]) -> None:
    async def run() -> None:
        world = World()
        for name in ("a", "b", "c"):
            world.candidate(name, wall_off=len(world.electors) * 1000.0)
        for action, value in steps:
            if action in ("once", "release"):
                await getattr(world.electors[value], action)()
            elif action == "pass":
                world.clock.advance(value)
            elif action == "away":
                world.kube.unreachable = value
            else:
                world.kube.unconfirmed = value
            assert sum(each.leading() for each in world.electors) <= 1

    asyncio.run(run())


@pytest.mark.parametrize("terms", [(15.0, 15.0, 2.0), (15.0, 16.0, 2.0), (15.0, 10.0, 5.0)])
def test_terms_that_can_not_hold_are_refused(terms: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigurationError, match="twice the try < the renewal < the lease"):
        Terms(*terms)


# With a thread of its own

SHORT = Terms(duration_seconds=3.0, deadline_seconds=2.0, retry_seconds=0.05)


@pytest.fixture
def leadership() -> Iterator[Leadership]:
    made = Leadership(MemoryKube, Seat(SPACE, NAME, "a"), terms=SHORT)
    made.start()
    yield made
    asyncio.run(made.stop())


async def test_a_thread_leads_and_stops(leadership: Leadership) -> None:
    async with asyncio.timeout(10):
        await leadership.elected()
        assert (leadership.leading(), leadership.term, leadership.holder) == (True, 1, "a")
        await leadership.stop()
    assert not leadership.leading()


async def test_a_blocked_event_loop_keeps_no_lease_from_being_renewed(leadership: Leadership) -> None:
    async with asyncio.timeout(10):
        await leadership.elected()
    before = leadership._elector.claim.renewed_at
    until = time.monotonic() + 0.5
    while time.monotonic() < until and leadership._elector.claim.renewed_at == before:
        sum(range(10_000))  # a decision that takes its time and lets no task in
    assert leadership._elector.claim.renewed_at > before
    assert leadership.term == 1


async def test_who_can_not_connect_says_so() -> None:
    def refuse() -> MemoryKube:
        raise ConfigurationError("no kubeconfig")

    made = Leadership(refuse, Seat(SPACE, NAME, "a"))
    made.start()
    async with asyncio.timeout(10):
        with pytest.raises(FatalError, match=NAME):
            await made.elected()
    await made.stop()
    assert not made.leading()
