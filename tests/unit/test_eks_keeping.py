"""The register in a config map: conditional writes, others that come before, what can't be read."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.memory import MemoryKube
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.labels import NODE_SLOTS
from headrace.nodes.eks.keeping import TRIES, KeptRegister
from headrace.nodes.eks.register import Register, Slot, started, stopped


class Watched(MemoryKube):
    """An API server on which something happens before each write."""

    before: Callable[[], Awaitable[object]] | None = None

    async def patch(self, *given: Any, **more: Any) -> Any:
        if self.before is not None:
            await self.before()
        return await super().patch(*given, **more)


def kept(kube: MemoryKube, *, group: str = "g", pool: str = "p") -> KeptRegister:
    return KeptRegister(kube, "headrace", group=group, pool=pool)


async def data(kube: MemoryKube) -> dict[str, str]:
    found: dict[str, str] = (await kube.get(CONFIG_MAPS, NODE_SLOTS, namespace="headrace"))["data"]
    return found


async def test_nothing_is_written_where_nothing_changes() -> None:
    kube = MemoryKube()
    register = await kept(kube).change(lambda found: found)
    assert register == Register(pool="p")
    assert kube.requests["create", "configmaps"] == 0


async def test_each_group_has_its_own_entry_and_leaves_the_others_alone() -> None:
    kube = MemoryKube()
    for group, pool in (("g", "p"), ("h", "q")):
        await kept(kube, group=group, pool=pool).change(partial(started, name=f"{pool}-0", now=1.0))
    entries = await data(kube)
    assert {key: list(Register.from_json(text).slots) for key, text in entries.items()} == {
        "g.json": ["p-0"],
        "h.json": ["q-0"],
    }


async def test_who_comes_second_builds_on_what_the_first_has_written() -> None:
    kube = MemoryKube()
    one, other = kept(kube), kept(kube)
    await one.change(partial(started, name="p-0", now=1.0))
    await other.change(partial(started, name="p-1", now=2.0))
    written = await one.change(partial(stopped, name="p-1", now=3.0))
    assert written.slots == {"p-0": Slot(1.0), "p-1": Slot(2.0, ending=3.0)}
    assert await other.read() == one.newest == written


async def test_a_change_is_made_anew_on_what_another_has_written_meanwhile() -> None:
    kube = Watched()
    one, other = kept(kube), kept(kube)
    await one.change(partial(started, name="p-0", now=1.0))

    async def comes_before() -> None:
        kube.before = None
        await other.change(partial(started, name="p-2", now=5.0))

    kube.before = comes_before
    written = await one.change(partial(started, name="p-1", now=2.0))
    assert list(written.slots) == ["p-0", "p-1", "p-2"]


async def test_where_others_keep_coming_before_that_is_told() -> None:
    kube = Watched()
    one = kept(kube)
    await one.change(partial(started, name="p-0", now=1.0))
    tries = 0

    async def comes_before() -> None:
        nonlocal tries
        tries += 1
        change = {"data": {"other.json": str(tries)}}
        await MemoryKube.patch(kube, CONFIG_MAPS, NODE_SLOTS, change, namespace="headrace")

    kube.before = comes_before
    with pytest.raises(TransientError, match=f"others changed it {TRIES} times in a row"):
        await one.change(partial(started, name="p-1", now=2.0))
    assert tries == TRIES


async def test_two_that_make_the_config_map_at_once_both_have_their_slot() -> None:
    kube = MemoryKube()
    changes = (kept(kube).change(partial(started, name=f"p-{n}", now=1.0)) for n in range(2))
    await asyncio.gather(*changes)
    assert list((await kept(kube).read()).slots) == ["p-0", "p-1"]


async def test_changes_that_come_together_fail_together_and_the_next_is_tried() -> None:
    kube = MemoryKube()
    one = kept(kube)
    kube.unreachable = True
    names = ("p-0", "p-1")
    ends = await asyncio.gather(
        *(one.change(partial(started, name=name, now=1.0)) for name in names), return_exceptions=True
    )
    assert [type(end) for end in ends] == [TransientError, TransientError]
    kube.unreachable = False
    assert list((await one.change(partial(started, name="p-2", now=1.0))).slots) == ["p-2"]


async def test_a_change_that_is_called_off_leaves_nobody_waiting() -> None:
    kube = Watched()
    one = kept(kube)
    await one.change(partial(started, name="p-0", now=1.0))
    ever = asyncio.get_running_loop().create_future()
    kube.before = lambda: ever
    tasks = [asyncio.create_task(one.change(partial(started, name=name, now=1.0))) for name in ("p-1", "p-2")]
    for _ in range(10):
        await asyncio.sleep(0)
    tasks[0].cancel()
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(second, TransientError)


async def test_another_pools_group_is_not_touched_while_it_has_nodes() -> None:
    kube = MemoryKube()
    await kept(kube).change(partial(started, name="p-0", now=1.0))
    other = kept(kube, pool="q")
    for call in (other.read, lambda: other.change(partial(started, name="q-0", now=1.0))):
        with pytest.raises(ConfigurationError, match="node group g: found pool p on it"):
            await call()
    await kept(kube).change(lambda found: found.with_slots({}))
    assert (await other.change(partial(started, name="q-0", now=1.0))).pool == "q"


async def test_what_can_not_be_read_is_empty_and_said(caplog: pytest.LogCaptureFixture) -> None:
    kube = MemoryKube()
    one = kept(kube)
    await one.change(partial(started, name="p-0", now=1.0))
    for text in ("", "{", '{"slots": {}}', '{"pool": "p", "slots": {"p-0": {"ordered": "now"}}}'):
        await kube.patch(CONFIG_MAPS, NODE_SLOTS, {"data": {"g.json": text}}, namespace="headrace")
        assert await one.read() == Register(pool="p")
    assert caplog.text.count("g.json can't be read") == 4


async def test_what_a_newer_version_has_added_is_read_over() -> None:
    kube = MemoryKube()
    one = kept(kube)
    await one.change(partial(started, name="p-0", now=1.0))
    text = '{"pool": "p", "zones": [], "slots": {"p-0": {"ordered": 1.0, "instance": "i-1", "zone": "a"}}}'
    await kube.patch(CONFIG_MAPS, NODE_SLOTS, {"data": {"g.json": text}}, namespace="headrace")
    assert (await one.read()).slots == {"p-0": replace(Slot(1.0), instance="i-1")}
