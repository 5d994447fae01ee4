"""What every API server does: the same tests on the one in memory and on a real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, nullcontext
from typing import Any

import pytest

from headrace.kube.kinds import CONFIG_MAPS, LEASES, PODS, Kind
from headrace.kube.mirror import Mirror
from headrace.kube.naming import key_of, uid_of, version_of
from headrace.kube.port import Change, Event, Manifest, Selection
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    NotFoundError,
    TransientError,
)
from tests.fixtures.kube import GADGETS, Bench, memory_bench, real_bench, until

ONE, OTHER = "one-manager", "other-manager"


@pytest.fixture(params=["memory", "lightkube"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield await memory_bench()
    else:
        async with real_bench(request.getfixturevalue("control_plane")) as made:
            yield made


def bare(manifest: Manifest) -> dict[str, Any]:
    """Without what each server gives in its own way."""
    return {name: each for name, each in manifest.items() if name not in ("metadata", "status")}


async def got(bench: Bench, kind: Kind, name: str) -> Manifest:
    return await bench.kube.get(kind, name, namespace=bench.namespace)


# Objects


async def test_what_is_created_is_there_with_kind_uid_and_version(bench: Bench) -> None:
    made = await bench.kube.create(CONFIG_MAPS, bench.made("a", data={"x": "1"}))
    assert bare(made) == {"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "1"}}
    assert uid_of(made)
    assert version_of(made)
    assert await got(bench, CONFIG_MAPS, "a") == made


async def test_nothing_that_comes_out_carries_managers_fields(bench: Bench) -> None:
    made = await bench.kube.apply(CONFIG_MAPS, bench.made("a", data={"x": "1"}), manager=ONE)
    (listed,) = (await bench.kube.list(CONFIG_MAPS, Selection(bench.namespace, {}))).items[:1]
    for each in (made, listed, await got(bench, CONFIG_MAPS, "a")):
        assert "managedFields" not in each["metadata"]


async def test_a_name_can_be_taken_once(bench: Bench) -> None:
    await bench.kube.create(CONFIG_MAPS, bench.made("a"))
    with pytest.raises(ExistsError, match="ConfigMap"):
        await bench.kube.create(CONFIG_MAPS, bench.made("a"))


async def test_an_object_can_not_be_created_at_a_version(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="resourceVersion"):
        await bench.kube.create(CONFIG_MAPS, bench.made("a", metadata={"resourceVersion": "1"}))


@pytest.mark.parametrize("name", ["", ".", "..", "a/status", "../secrets", "a%2Fstatus"])
async def test_a_name_leads_to_no_other_path(bench: Bench, name: str) -> None:
    await bench.kube.create(CONFIG_MAPS, bench.made("a"))
    with pytest.raises(NotFoundError):
        await got(bench, CONFIG_MAPS, name)


async def test_what_is_not_there_is_told_by_name(bench: Bench) -> None:
    calls = (
        got(bench, CONFIG_MAPS, "nothing"),
        bench.kube.patch(CONFIG_MAPS, "nothing", {"data": {}}, namespace=bench.namespace),
        bench.kube.replace(CONFIG_MAPS, bench.made("nothing", metadata={"resourceVersion": "1"})),
        bench.kube.apply_status(GADGETS, bench.made("nothing", status={"x": 1}), manager=ONE),
    )
    for call in calls:
        with pytest.raises((NotFoundError, ChangedError), match="nothing"):
            await call


async def test_nothing_is_created_in_a_namespace_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        await bench.kube.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "nowhere"}})


async def test_a_list_holds_what_is_selected_in_the_order_of_names(bench: Bench) -> None:
    for name, colour in (("c", "red"), ("a", "red"), ("b", "blue")):
        await bench.kube.create(GADGETS, bench.made(name, metadata={"labels": {"colour": colour, "x": "y"}}))
    red = await bench.kube.list(GADGETS, Selection(bench.namespace, {"colour": "red", "x": "y"}))
    assert [each["metadata"]["name"] for each in red.items] == ["a", "c"]
    assert {each["kind"] for each in red.items} == {"Gadget"}
    everywhere = await bench.kube.list(GADGETS)
    assert {(bench.namespace, name) for name in "abc"} <= {key_of(each) for each in everywhere.items}
    assert [key_of(each) for each in everywhere.items] == sorted(key_of(each) for each in everywhere.items)


# Conditional writes


async def test_a_replacement_holds_for_one_version_only(bench: Bench) -> None:
    made = await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}))
    replaced = await bench.kube.replace(GADGETS, {**made, "spec": {"y": 2}})
    assert replaced["spec"] == {"y": 2}
    with pytest.raises(ChangedError, match="a"):
        await bench.kube.replace(GADGETS, {**made, "spec": {"z": 3}})
    assert await got(bench, GADGETS, "a") == replaced


@pytest.mark.parametrize("kind", [GADGETS, LEASES], ids=lambda kind: kind.plural)
async def test_a_replacement_needs_a_version(bench: Bench, kind: Kind) -> None:
    await bench.kube.create(kind, bench.made("a", spec={}))
    with pytest.raises(ConfigurationError, match="must be specified for an update"):
        await bench.kube.replace(kind, bench.made("a", spec={}))


async def test_a_patch_changes_what_it_names_and_removes_nulls(bench: Bench) -> None:
    await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1, "y": {"z": 2, "u": [1, 2]}}))
    change = {"spec": {"x": None, "y": {"u": [3]}}, "metadata": {"annotations": {"n": "1"}}}
    changed = await bench.kube.patch(GADGETS, "a", change, namespace=bench.namespace)
    assert changed["spec"] == {"y": {"z": 2, "u": [3]}}
    assert changed["metadata"]["annotations"] == {"n": "1"}


async def test_a_patch_can_demand_a_version(bench: Bench) -> None:
    made = await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}))
    condition = {"metadata": {"resourceVersion": version_of(made)}}
    await bench.kube.patch(GADGETS, "a", {**condition, "spec": {"x": 2}}, namespace=bench.namespace)
    with pytest.raises(ChangedError, match="a"):
        await bench.kube.patch(GADGETS, "a", {**condition, "spec": {"x": 3}}, namespace=bench.namespace)


async def test_a_patch_can_mean_one_very_object(bench: Bench) -> None:
    made = await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}))
    for uid, error in ((uid_of(made), None), ("00000000-aaaa-4000-8000-000000000000", ChangedError)):
        change = {"metadata": {"uid": uid}, "spec": {"x": 2}}
        with pytest.raises(error) if error else nullcontext():
            await bench.kube.patch(GADGETS, "a", change, namespace=bench.namespace)


async def test_a_write_that_changes_nothing_makes_no_version(bench: Bench) -> None:
    made = await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}))
    same = await bench.kube.patch(GADGETS, "a", {"spec": {"x": 1}}, namespace=bench.namespace)
    assert version_of(same) == version_of(made)


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (CONFIG_MAPS, {"immutable": True, "data": {"x": "1"}}, {"data": {"x": "2"}}),
        (PODS, {}, {"spec": {"nodeName": "elsewhere"}}),
    ],
    ids=["immutable config map", "pod"],
)
async def test_what_can_not_be_changed_is_refused(
    bench: Bench, kind: Kind, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await bench.kube.create(kind, {**(bench.pod("a") if kind == PODS else bench.made("a")), **before})
    with pytest.raises(ConfigurationError, match="a"):
        await bench.kube.patch(kind, "a", after, namespace=bench.namespace)


# Server-side apply


async def test_an_apply_creates_and_the_same_again_changes_nothing(bench: Bench) -> None:
    wanted = bench.made("a", spec={"x": 1})
    made = await bench.kube.apply(GADGETS, wanted, manager=ONE)
    again = await bench.kube.apply(GADGETS, wanted, manager=ONE)
    assert (made["spec"], version_of(again)) == ({"x": 1}, version_of(made))


async def test_what_a_manager_no_longer_applies_goes_and_nothing_else(bench: Bench) -> None:
    await bench.kube.apply(GADGETS, bench.made("a", spec={"x": 1, "y": {"z": 2}}), manager=ONE)
    await bench.kube.apply(GADGETS, bench.made("a", spec={"u": 3}), manager=OTHER)
    left = await bench.kube.apply(GADGETS, bench.made("a", spec={"y": {"w": 4}}), manager=ONE)
    assert left["spec"] == {"y": {"w": 4}, "u": 3}


async def test_what_two_apply_stays_until_neither_does(bench: Bench) -> None:
    for manager in (ONE, OTHER):
        await bench.kube.apply(GADGETS, bench.made("a", spec={"x": 1, "y": 2}), manager=manager)
    left = await bench.kube.apply(GADGETS, bench.made("a", spec={"y": 2}), manager=ONE)
    assert left["spec"] == {"x": 1, "y": 2}
    left = await bench.kube.apply(GADGETS, bench.made("a", spec={"y": 2}), manager=OTHER)
    assert left["spec"] == {"y": 2}


async def test_an_apply_takes_over_what_others_hold(bench: Bench) -> None:
    await bench.kube.apply(GADGETS, bench.made("a", spec={"x": 1, "y": 1}), manager=ONE)
    await bench.kube.apply(GADGETS, bench.made("a", spec={"x": 2}), manager=OTHER)
    left = await bench.kube.apply(GADGETS, bench.made("a", spec={"y": 1}), manager=ONE)
    assert left["spec"] == {"x": 2, "y": 1}


async def test_a_patched_field_belongs_to_who_patched_it(bench: Bench) -> None:
    await bench.kube.apply(GADGETS, bench.made("a", spec={"x": 1, "y": 1}), manager=ONE)
    await bench.kube.patch(GADGETS, "a", {"spec": {"x": 2}}, namespace=bench.namespace)
    left = await bench.kube.apply(GADGETS, bench.made("a", spec={"y": 1}), manager=ONE)
    assert left["spec"] == {"x": 2, "y": 1}


async def test_an_apply_can_demand_a_version(bench: Bench) -> None:
    made = await bench.kube.apply(GADGETS, bench.made("a", spec={"x": 1}), manager=ONE)
    at = {"resourceVersion": version_of(made)}
    await bench.kube.apply(GADGETS, bench.made("a", metadata=at, spec={"x": 2}), manager=ONE)
    with pytest.raises(ChangedError, match="a"):
        await bench.kube.apply(GADGETS, bench.made("a", metadata=at, spec={"x": 3}), manager=ONE)


async def test_an_apply_to_one_very_object_creates_no_other(bench: Bench) -> None:
    made = await bench.kube.apply(GADGETS, bench.made("a"), manager=ONE)
    await bench.kube.delete(GADGETS, "a", namespace=bench.namespace)
    with pytest.raises(ChangedError, match="a"):
        await bench.kube.apply(GADGETS, bench.made("a", metadata={"uid": uid_of(made)}), manager=ONE)
    assert await bench.is_gone(GADGETS, "a")


# Status and generation


async def test_the_status_is_written_apart(bench: Bench) -> None:
    await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}, status={"never": 1}))
    told = await bench.kube.apply_status(
        GADGETS, bench.made("a", spec={"x": 9}, status={"s": 1}), manager=ONE
    )
    assert (told["spec"], told["status"]) == ({"x": 1}, {"s": 1})
    change = {"spec": {"x": 2}, "status": {"s": 2}}
    wanted = await bench.kube.patch(GADGETS, "a", change, namespace=bench.namespace)
    assert (wanted["spec"], wanted["status"]) == ({"x": 2}, {"s": 1})
    applied = await bench.kube.apply(GADGETS, bench.made("a", **change), manager=ONE)
    assert applied["status"] == {"s": 1}


async def test_what_a_manager_no_longer_says_goes_from_the_status(bench: Bench) -> None:
    await bench.kube.create(GADGETS, bench.made("a"))
    await bench.kube.apply_status(GADGETS, bench.made("a", status={"s": 1, "t": 2}), manager=ONE)
    left = await bench.kube.apply_status(GADGETS, bench.made("a", status={"t": 3}), manager=ONE)
    assert left["status"] == {"t": 3}


async def test_conditions_of_several_managers_stand_side_by_side(bench: Bench) -> None:
    await bench.kube.create(GADGETS, bench.made("a"))
    for manager, name in ((ONE, "Ready"), (OTHER, "Failing"), (ONE, "Ready")):
        status = {"conditions": [{"type": name, "by": manager}]}
        left = await bench.kube.apply_status(GADGETS, bench.made("a", status=status), manager=manager)
    assert {(each["type"], each["by"]) for each in left["status"]["conditions"]} == {
        ("Ready", ONE),
        ("Failing", OTHER),
    }


async def test_a_kind_without_status_has_none_to_write(bench: Bench) -> None:
    await bench.kube.create(CONFIG_MAPS, bench.made("a"))
    with pytest.raises(NotFoundError):
        await bench.kube.apply_status(CONFIG_MAPS, bench.made("a", status={"s": 1}), manager=ONE)


async def test_the_generation_counts_what_is_wanted_and_not_what_is_said_of_it(bench: Bench) -> None:
    made = await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}))
    told = await bench.kube.apply_status(GADGETS, bench.made("a", status={"s": 1}), manager=ONE)
    annotated = await bench.kube.patch(
        GADGETS, "a", {"metadata": {"annotations": {"n": "1"}}}, namespace=bench.namespace
    )
    changed = await bench.kube.patch(GADGETS, "a", {"spec": {"x": 2}}, namespace=bench.namespace)
    assert [each["metadata"]["generation"] for each in (made, told, annotated, changed)] == [1, 1, 1, 2]


# Deletion


async def test_a_deletion_of_what_is_not_there_is_quiet(bench: Bench) -> None:
    await bench.kube.delete(CONFIG_MAPS, "nothing", namespace=bench.namespace)
    await bench.kube.evict("nothing", namespace=bench.namespace)


async def test_a_deletion_can_mean_one_very_object(bench: Bench) -> None:
    first = await bench.kube.create(CONFIG_MAPS, bench.made("a"))
    await bench.kube.delete(CONFIG_MAPS, "a", namespace=bench.namespace, uid=uid_of(first))
    second = await bench.kube.create(CONFIG_MAPS, bench.made("a"))
    with pytest.raises(ChangedError, match="a"):
        await bench.kube.delete(CONFIG_MAPS, "a", namespace=bench.namespace, uid=uid_of(first))
    assert await got(bench, CONFIG_MAPS, "a") == second


async def test_a_deletion_can_mean_one_version(bench: Bench) -> None:
    made = await bench.kube.create(CONFIG_MAPS, bench.made("a"))
    change = {"data": {"x": "1"}}
    changed = await bench.kube.patch(CONFIG_MAPS, "a", change, namespace=bench.namespace)
    with pytest.raises(ChangedError, match="a"):
        await bench.kube.delete(CONFIG_MAPS, "a", namespace=bench.namespace, version=version_of(made))
    await bench.kube.delete(CONFIG_MAPS, "a", namespace=bench.namespace, version=version_of(changed))
    assert await bench.is_gone(CONFIG_MAPS, "a")


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(bench: Bench) -> None:
    await bench.kube.create(GADGETS, bench.made("a", metadata={"finalizers": ["tests.headrace.example/x"]}))
    for _ in range(2):
        await bench.kube.delete(GADGETS, "a", namespace=bench.namespace)
    assert "deletionTimestamp" in (await got(bench, GADGETS, "a"))["metadata"]
    await bench.kube.patch(GADGETS, "a", {"metadata": {"finalizers": None}}, namespace=bench.namespace)
    assert await bench.is_gone(GADGETS, "a")


async def test_who_belongs_to_an_object_goes_after_it(bench: Bench) -> None:
    owner = await bench.kube.create(CONFIG_MAPS, bench.made("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid_of(owner)}
    await bench.kube.create(CONFIG_MAPS, bench.made("owned", metadata={"ownerReferences": [reference]}))
    await bench.kube.create(CONFIG_MAPS, bench.made("free"))
    await bench.kube.delete(CONFIG_MAPS, "owner", namespace=bench.namespace)
    await until(lambda: bench.is_gone(CONFIG_MAPS, "owned"))
    assert not await bench.is_gone(CONFIG_MAPS, "free")


async def test_a_pod_that_waits_for_a_node_goes_at_once(bench: Bench) -> None:
    await bench.kube.create(PODS, bench.pod("a"))
    await bench.kube.delete(PODS, "a", namespace=bench.namespace)
    assert await bench.is_gone(PODS, "a")


async def test_a_pod_on_a_node_has_its_time_to_end_unless_there_is_none(bench: Bench) -> None:
    await bench.kube.create(PODS, bench.pod("a", node="nowhere"))
    await bench.kube.delete(PODS, "a", namespace=bench.namespace)
    metadata = (await got(bench, PODS, "a"))["metadata"]
    assert (metadata["deletionGracePeriodSeconds"], "deletionTimestamp" in metadata) == (30, True)
    await bench.kube.delete(PODS, "a", namespace=bench.namespace, grace_seconds=0)
    assert await bench.is_gone(PODS, "a")


async def test_a_pod_that_has_ended_goes_at_once(bench: Bench) -> None:
    await bench.kube.create(PODS, bench.pod("a", node="nowhere"))
    await bench.kube.apply_status(PODS, bench.made("a", status={"phase": "Failed"}), manager=ONE)
    await bench.kube.delete(PODS, "a", namespace=bench.namespace)
    assert await bench.is_gone(PODS, "a")


async def test_an_eviction_orders_the_deletion_of_that_very_pod(bench: Bench) -> None:
    pod = await bench.kube.create(PODS, bench.pod("a", node="nowhere"))
    with pytest.raises(ChangedError):
        await bench.kube.evict("a", namespace=bench.namespace, uid="00000000-aaaa-4000-8000-000000000000")
    await bench.kube.evict("a", namespace=bench.namespace, uid=uid_of(pod))
    assert "deletionTimestamp" in (await got(bench, PODS, "a"))["metadata"]


async def test_a_disruption_budget_forbids_an_eviction(bench: Bench) -> None:
    await bench.kube.create(PODS, bench.pod("a", node="nowhere", labels={"kept": "yes"}))
    await bench.kube.apply_status(PODS, bench.made("a", status={"phase": "Running"}), manager=ONE)
    await bench.protect("a", {"kept": "yes"})
    with pytest.raises(TransientError, match="disruption budget"):
        await bench.kube.evict("a", namespace=bench.namespace)
    assert "deletionTimestamp" not in (await got(bench, PODS, "a"))["metadata"]


# Watches


async def seen(bench: Bench, version: str, count: int, **labels: str) -> list[Event]:
    """The first events of a watch of Gadgets, bookmarks not counted but the opening one."""
    events: list[Event] = []
    selection = Selection(bench.namespace, labels)
    async with asyncio.timeout(30), aclosing(bench.kube.watch(GADGETS, selection, version)) as watch:
        opening = await anext(watch)
        assert (opening.change, version_of(opening.manifest)) == (Change.BOOKMARK, version)
        async for event in watch:
            events += [event] if event.change is not Change.BOOKMARK else []
            if len(events) == count:
                break
    return events


def told(events: list[Event]) -> list[tuple[Change, str]]:
    return [(event.change, event.manifest["metadata"]["name"]) for event in events]


async def lived(bench: Bench) -> str:
    """Let things happen to Gadgets; the version before."""
    before = (await bench.kube.list(GADGETS, Selection(bench.namespace))).version
    await bench.kube.create(GADGETS, bench.made("a", spec={"x": 1}))
    await bench.kube.create(CONFIG_MAPS, bench.made("other"))
    await bench.kube.create(GADGETS, bench.made("b"))
    await bench.kube.patch(GADGETS, "a", {"spec": {"x": 2}}, namespace=bench.namespace)
    await bench.kube.delete(GADGETS, "b", namespace=bench.namespace)
    return before


async def test_a_watch_tells_every_change_since_a_version_in_order(bench: Bench) -> None:
    events = await seen(bench, await lived(bench), 4)
    put, gone = Change.PUT, Change.GONE
    assert told(events) == [(put, "a"), (put, "b"), (put, "a"), (gone, "b")]
    assert [event.manifest.get("spec") for event in events] == [{"x": 1}, None, {"x": 2}, None]
    assert all(event.manifest["kind"] == "Gadget" for event in events)
    assert all("managedFields" not in event.manifest["metadata"] for event in events)


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_watch_goes_on_after_any_event(bench: Bench, cut: int) -> None:
    events = await seen(bench, await lived(bench), 4)
    rest = await seen(bench, version_of(events[cut - 1].manifest), 4 - cut)
    assert rest == events[cut:]


async def test_a_watch_tells_what_happens_while_it_stands(bench: Bench) -> None:
    version = (await bench.kube.list(GADGETS, Selection(bench.namespace))).version
    task = asyncio.create_task(seen(bench, version, 1))
    await asyncio.sleep(0)
    await bench.kube.create(GADGETS, bench.made("a"))
    assert told(await task) == [(Change.PUT, "a")]


async def test_what_is_no_longer_selected_is_gone_for_a_watch(bench: Bench) -> None:
    version = (await bench.kube.list(GADGETS, Selection(bench.namespace))).version
    for name, colour in (("a", "red"), ("b", "blue")):
        await bench.kube.create(GADGETS, bench.made(name, metadata={"labels": {"colour": colour}}))
    for name, colour in (("a", "blue"), ("b", "red")):
        change = {"metadata": {"labels": {"colour": colour}}}
        await bench.kube.patch(GADGETS, name, change, namespace=bench.namespace)
    events = await seen(bench, version, 3, colour="red")
    assert told(events) == [(Change.PUT, "a"), (Change.GONE, "a"), (Change.PUT, "b")]


async def test_a_watch_from_a_forgotten_version_says_so(bench: Bench) -> None:
    await bench.kube.create(GADGETS, bench.made("a"))
    if bench.memory is not None:
        bench.memory.forget()
    with pytest.raises(ChangedError):
        await seen(bench, "1", 1)


async def test_a_mirror_follows_what_happens(bench: Bench) -> None:
    heard: list[tuple[Change, str]] = []
    async with Mirror(bench.kube, GADGETS, Selection(bench.namespace)) as mirror:
        mirror.listen(lambda event: heard.append((event.change, event.manifest["metadata"]["name"])))
        assert await mirror.sync(30)
        await lived(bench)
        async with asyncio.timeout(30):
            while len(heard) < 4:
                await mirror.changed(30)
        assert dict(mirror.items) == {(bench.namespace, "a"): await got(bench, GADGETS, "a")}
        assert (mirror.contacts.lists, mirror.contacts.watches) == (1, 1)
