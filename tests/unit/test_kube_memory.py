"""What the API server in memory does beyond the port: faults, policies, counts; and how documents merge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS, NODES, PODS
from headrace.kube.memory import MemoryKube
from headrace.kube.merging import laid_over, leaves, patched, value_at, without
from headrace.kube.naming import uid_of, version_of
from headrace.kube.port import EVERYTHING, Manifest
from headrace.model.errors import ChangedError, ConfigurationError, NotFoundError, TransientError
from tests.fixtures.clock import VirtualClock

SPACE = "headrace"


def made(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": SPACE, **metadata}}


async def test_out_of_reach_nothing_is_done_or_counted() -> None:
    kube = MemoryKube()
    kube.unreachable = True
    for call in (
        kube.create(CONFIG_MAPS, made("a")),
        kube.list(CONFIG_MAPS),
        kube.delete(CONFIG_MAPS, "a", namespace=SPACE),
        anext(kube.watch(CONFIG_MAPS, EVERYTHING, "1")),
    ):
        with pytest.raises(TransientError, match="unreachable"):
            await call
    kube.unreachable = False
    assert (await kube.list(CONFIG_MAPS)).items == []
    assert dict(kube.requests) == {("list", "configmaps"): 1}


async def test_an_admission_policy_sees_both_states_and_may_refuse() -> None:
    asked: list[tuple[str, bool, bool]] = []
    kube = MemoryKube()
    kube.admit = lambda verb, kind, before, after: asked.append((verb, bool(before), bool(after)))
    await kube.create(CONFIG_MAPS, made("a"))
    await kube.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}}, namespace=SPACE)
    await kube.delete(CONFIG_MAPS, "a", namespace=SPACE)
    assert asked == [("create", False, True), ("update", True, True), ("delete", True, False)]
    await kube.create(CONFIG_MAPS, made("a"))
    kube.admit = lambda verb, *_: "it holds data" if verb == "delete" else None
    with pytest.raises(ConfigurationError, match="ConfigMap headrace/a: it holds data"):
        await kube.delete(CONFIG_MAPS, "a", namespace=SPACE)
    assert await kube.get(CONFIG_MAPS, "a", namespace=SPACE)


async def test_a_refused_apply_leaves_no_trace() -> None:
    kube = MemoryKube()
    before = await kube.apply(FUNCTIONS, {**made("a"), "spec": {"x": 1, "y": 1}}, manager="m")
    kube.admit = lambda *_: "no"
    with pytest.raises(ConfigurationError):
        await kube.apply(FUNCTIONS, {**made("a"), "spec": {"x": 1}}, manager="m")
    kube.admit = lambda *_: None
    assert await kube.get(FUNCTIONS, "a", namespace=SPACE) == before
    after = await kube.apply(FUNCTIONS, {**made("a"), "spec": {"x": 1}}, manager="m")
    assert after["spec"] == {"x": 1}


async def test_the_time_of_its_clock_stands_in_objects() -> None:
    clock = VirtualClock()
    kube = MemoryKube(now=clock.now)
    metadata = (await kube.create(CONFIG_MAPS, made("a")))["metadata"]
    assert metadata["creationTimestamp"] == "2023-11-14T22:13:20Z"


async def test_what_has_two_owners_goes_after_the_second() -> None:
    kube = MemoryKube()
    owners = [await kube.create(CONFIG_MAPS, made(name)) for name in ("one", "two")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": each["metadata"]["name"], "uid": uid_of(each)}
        for each in owners
    ]
    await kube.create(CONFIG_MAPS, made("owned", ownerReferences=references))
    await kube.delete(CONFIG_MAPS, "one", namespace=SPACE)
    left = await kube.get(CONFIG_MAPS, "owned", namespace=SPACE)
    assert left["metadata"]["ownerReferences"] == references[1:]
    await kube.delete(CONFIG_MAPS, "two", namespace=SPACE)
    with pytest.raises(NotFoundError):
        await kube.get(CONFIG_MAPS, "owned", namespace=SPACE)


async def test_a_pod_is_bound_as_the_scheduler_does_it() -> None:
    kube = MemoryKube()
    await kube.create(PODS, {**made("a"), "spec": {"containers": []}})
    assert kube.bind("a", "n1", namespace=SPACE)["spec"]["nodeName"] == "n1"


async def test_a_node_brings_its_status() -> None:
    made_node = await MemoryKube().create(
        NODES, {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "1"}}}
    )
    assert made_node["status"] == {"capacity": {"cpu": "1"}}


async def test_what_is_sent_may_be_changed_afterwards() -> None:
    kube, sent = MemoryKube(), {**made("a"), "data": {"x": "1"}}
    await kube.create(CONFIG_MAPS, sent)
    sent["data"]["x"] = "2"
    assert (await kube.get(CONFIG_MAPS, "a", namespace=SPACE))["data"] == {"x": "1"}


async def test_an_old_history_is_forgotten() -> None:
    kube = MemoryKube(remembered=3)
    version = (await kube.list(CONFIG_MAPS)).version
    for number in range(10):
        await kube.create(CONFIG_MAPS, made(f"a{number}"))
    with pytest.raises(ChangedError, match="forgotten"):
        await anext(kube.watch(CONFIG_MAPS, EVERYTHING, version))
    recent = version_of(await kube.get(CONFIG_MAPS, "a8", namespace=SPACE))
    watch = kube.watch(CONFIG_MAPS, EVERYTHING, recent)
    await anext(watch)
    assert (await anext(watch)).manifest["metadata"]["name"] == "a9"
    await watch.aclose()


# Merging

LEAF = st.one_of(st.integers(0, 3), st.text("ab", max_size=2), st.lists(st.integers(0, 2), max_size=2))
NAMES = st.sampled_from(("a", "b", "conditions", "finalizers"))


def _documents(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    conditions = st.lists(
        st.fixed_dictionaries({"type": st.sampled_from("xyz"), "v": st.integers(0, 2)}),
        max_size=3,
        unique_by=lambda each: each["type"],
    )
    finalizers = st.lists(st.sampled_from("pqr"), max_size=3, unique=True)
    return st.fixed_dictionaries(
        {}, optional={"a": inner, "b": inner, "conditions": conditions, "finalizers": finalizers}
    )


DOCUMENTS = st.recursive(LEAF, _documents, max_leaves=8).flatmap(lambda each: _documents(st.just(each)))


@given(DOCUMENTS, DOCUMENTS)
def test_what_is_laid_over_stands_there_and_nothing_else_is_lost(live: Manifest, applied: Manifest) -> None:
    merged = laid_over(live, applied)
    said = leaves(applied)
    assert laid_over(merged, applied) == merged
    for path in said:
        assert value_at(merged, path) == value_at(applied, path) or value_at(applied, path) in ({}, [])
    for path in leaves(live):
        touched = any(path[: len(each)] == each or each[: len(path)] == path for each in said)
        assert touched or value_at(merged, path) == value_at(live, path)


@given(DOCUMENTS)
def test_to_take_away_all_that_was_said_leaves_nothing(document: Manifest) -> None:
    assert without(document, leaves(document)) == {}


@given(DOCUMENTS)
def test_to_take_away_nothing_changes_nothing(document: Manifest) -> None:
    assert without(document, frozenset()) == document


@pytest.mark.parametrize(
    ("document", "change", "expected"),  # from RFC 7396, appendix A, and our own
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_a_merge_patch(document: Manifest, change: Manifest, expected: Manifest) -> None:
    assert patched(document, change) == expected
