"""What a node group does for the driver: the same tests in memory and on an emulator of AWS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from headrace.model.errors import ConfigurationError
from headrace.nodes.eks.aws import Aws, AwsGroup
from headrace.nodes.eks.group import Group, GroupView, Phase
from headrace.nodes.eks.memory import MemoryGroup
from tests.fixtures.moto_groups import Moto


@dataclass
class Bench:
    """A group of at most four instances, and how AWS does what it was told."""

    group: Group
    work: Callable[[], object]

    async def grown(self, size: int) -> Sequence[str]:
        """Guarded, with so many instances; their ids."""
        await self.group.guard(())
        await self.group.set_desired(size)
        return sorted((await self.seen()).instances)

    async def seen(self) -> GroupView:
        self.work()
        return await self.group.look()


@pytest.fixture(params=["in memory", "on moto"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "in memory":
        group = MemoryGroup(lambda: 1000.0, most=4)
        return Bench(group, group.work)
    moto: Moto = request.getfixturevalue("moto")
    return Bench(moto.group(most=4).driven, lambda: None)


async def test_an_empty_group_is_seen_with_its_bounds(bench: Bench) -> None:
    assert await bench.seen() == GroupView(desired=0, most=4, least=0, guarded=False)


async def test_instances_come_as_many_as_are_desired_and_protected(bench: Bench) -> None:
    instances = await bench.grown(3)
    view = await bench.seen()
    assert (view.desired, view.alive, view.guarded, view.unsafe) == (3, 3, True, [])
    assert len(instances) == 3
    assert all(each.phase is Phase.IN_SERVICE and each.is_safe for each in view.instances.values())


async def test_what_was_launched_before_is_protected_too(bench: Bench) -> None:
    await bench.group.set_desired(2)
    unsafe = (await bench.seen()).unsafe
    assert len(unsafe) == 2
    await bench.group.guard(unsafe)
    assert ((await bench.seen()).unsafe, (await bench.seen()).guarded) == ([], True)


async def test_a_guard_that_is_set_again_changes_nothing(bench: Bench) -> None:
    await bench.grown(2)
    before = await bench.seen()
    await bench.group.guard(())
    assert await bench.seen() == before


async def test_a_lower_size_ends_nothing_that_is_protected(bench: Bench) -> None:
    instances = await bench.grown(3)
    await bench.group.set_desired(1)
    view = await bench.seen()
    assert (view.desired, sorted(view.instances)) == (1, instances)


async def test_a_size_that_is_set_again_launches_no_more(bench: Bench) -> None:
    instances = await bench.grown(3)
    await bench.group.set_desired(3)
    assert sorted((await bench.seen()).instances) == instances


async def test_that_very_instance_ends_and_nothing_takes_its_place(bench: Bench) -> None:
    first, chosen, last = await bench.grown(3)
    await bench.group.terminate(chosen, lower=True)
    view = await bench.seen()
    assert (view.desired, sorted(view.instances)) == (2, [first, last])


async def test_without_a_lower_size_another_takes_its_place(bench: Bench) -> None:
    first, chosen = await bench.grown(2)
    await bench.group.terminate(chosen, lower=False)
    view = await bench.seen()
    assert (view.desired, view.alive, first in view.instances, chosen in view.instances) == (
        2,
        2,
        True,
        False,
    )


async def test_what_has_ended_is_told_with_a_reason_and_what_has_not_is_not(bench: Bench) -> None:
    first, chosen = await bench.grown(2)
    await bench.group.terminate(chosen, lower=True)
    await bench.seen()
    ended = await bench.group.ended([first, chosen, "i-00000000000000000"])
    assert sorted(ended) == sorted([chosen, "i-00000000000000000"])
    assert all(ended.values())


async def test_launches_that_go_well_are_no_failures(bench: Bench) -> None:
    await bench.grown(1)
    assert [launch.failure for launch in await bench.group.launches() if launch.failure] == []


async def test_a_group_that_is_not_there_is_told(moto: Moto) -> None:
    group = AwsGroup(Aws(moto.settings), "nowhere")
    with pytest.raises(ConfigurationError, match="node group nowhere of cluster headrace"):
        await group.look()
    settings = moto.settings.model_copy(update={"cluster": "elsewhere"})
    with pytest.raises(ConfigurationError, match="of cluster elsewhere"):
        await AwsGroup(Aws(settings), "nowhere").look()
