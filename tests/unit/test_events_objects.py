"""Functions that are objects: what the receiver makes of what the API server shows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace.events.objects import ObjectSource
from headrace.kube.kinds import FUNCTIONS
from headrace.kube.memory import MemoryKube
from headrace.kube.mirror import Mirror
from headrace.kube.port import Selection
from headrace.model.errors import TransientError
from headrace.model.labels import FINALIZER

NAMESPACE = "headrace-functions"


def an_object(name: str, **spec: Any) -> dict[str, Any]:
    told = {"image": "localhost/echo:1", "run": {"handler": "echo:run"}, "input": [{"bucket": "uploads"}]}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {
        "apiVersion": FUNCTIONS.api_version,
        "kind": "Function",
        "metadata": metadata,
        "spec": told | spec,
    }


class Scene:
    """An API server in memory, and what the receiver sees of it."""

    def __init__(self) -> None:
        self.kube = MemoryKube()
        self.mirror = Mirror(self.kube, FUNCTIONS, Selection(NAMESPACE))
        self.source = ObjectSource(self.mirror)

    async def apply(self, manifest: dict[str, Any]) -> None:
        before = self.mirror.revision
        await self.kube.apply(FUNCTIONS, manifest, manager="kubectl")
        await self.mirror.changed(5.0, since=before)

    async def tell(self, name: str, **status: Any) -> None:
        before = self.mirror.revision
        told = {"metadata": {"name": name, "namespace": NAMESPACE}, "status": status}
        await self.kube.apply_status(FUNCTIONS, told, manager="headrace-controller")
        await self.mirror.changed(5.0, since=before)

    async def delete(self, name: str) -> None:
        before = self.mirror.revision
        await self.kube.delete(FUNCTIONS, name, namespace=NAMESPACE)
        await self.mirror.changed(5.0, since=before)

    async def buckets(self) -> dict[str, str]:
        """The bucket that each function reads."""
        return {each.name: each.spec.input[0].bucket for each in await self.source.functions()}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    found = Scene()
    async with found.mirror:
        await found.mirror.sync(5.0)
        yield found


async def test_before_the_first_list_nothing_is_known_and_nothing_is_believed_gone() -> None:
    with pytest.raises(TransientError, match="not listed"):
        await Scene().source.functions()


async def test_functions_come_change_and_go_in_the_order_of_their_names(scene: Scene) -> None:
    assert await scene.source.functions() == ()
    await scene.apply(an_object("b"))
    await scene.apply(an_object("a"))
    assert list(await scene.buckets()) == ["a", "b"]
    await scene.apply(an_object("a", input=[{"bucket": "others"}]))
    assert await scene.buckets() == {"a": "others", "b": "uploads"}
    await scene.delete("a")
    assert list(await scene.buckets()) == ["b"]


async def test_a_status_is_no_change_of_a_function(scene: Scene) -> None:
    await scene.apply(an_object("a"))
    before = await scene.source.functions()
    await scene.tell("a", waiting=3)
    assert await scene.source.functions() is before


async def test_a_function_that_is_coming_to_its_end_gets_no_more_files(scene: Scene) -> None:
    held = an_object("a")
    held["metadata"]["finalizers"] = [FINALIZER]
    await scene.apply(held)
    assert list(await scene.buckets()) == ["a"]
    await scene.delete("a")
    assert ("headrace-functions", "a") in scene.mirror.items
    assert await scene.buckets() == {}


async def test_an_object_with_faults_stays_as_it_was_and_is_logged_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.apply(an_object("a"))
    assert await scene.buckets() == {"a": "uploads"}
    await scene.apply(an_object("a", input=[{"bucket": "others"}], run={"handler": "no handler"}))
    assert await scene.buckets() == {"a": "uploads"}
    await scene.tell("a", waiting=1)
    assert await scene.buckets() == {"a": "uploads"}
    assert caplog.text.count("spec.run.handler") == 1


async def test_an_object_that_came_with_faults_is_no_function_until_they_are_mended(scene: Scene) -> None:
    await scene.apply(an_object("a"))
    await scene.delete("a")
    await scene.apply(an_object("a", run={"handler": "no handler"}))
    assert await scene.buckets() == {}, "another object of that name was sound"
    await scene.apply(an_object("a"))
    assert await scene.buckets() == {"a": "uploads"}


async def test_what_changes_wakes_the_receiver(scene: Scene) -> None:
    await scene.source.changed(0.0)
    await scene.kube.apply(FUNCTIONS, an_object("a"), manager="kubectl")
    await scene.source.changed(60.0)
    assert list(await scene.buckets()) == ["a"]
