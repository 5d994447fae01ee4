"""Workers of tenants: each in its tenant's namespace, told apart from others of the same own name."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from headrace.kube.kinds import FUNCTIONS, NAMESPACES, PODS
from headrace.kube.naming import key_of
from headrace.manifests.worker_pod import worker_pod
from headrace.model.function import digest_of
from headrace.model.images import ImageRule, Pinned
from headrace.model.labels import short_digest
from headrace.model.observation import Standing
from headrace.model.tenant import Tenant
from headrace.placement.ways import NO_GPU
from headrace.scaler.kubernetes.pods import worker_pod_of
from headrace.scaler.kubernetes.watching import Watching
from headrace.scaler.kubernetes.workers import PodHost
from headrace.scaler.ports import Wanted
from tests.unit.scaler_cluster import PLACE as OWN
from tests.unit.scaler_cluster import SPACE, Cluster, function_object, the_function
from tests.unit.test_scaler_gpus import REMOTE
from tests.unit.test_scaler_gpus import Scene as GpuScene

RULE = ImageRule(repository="localhost/", digest=Pinned.OPTIONAL)
LAB = Tenant(name="lab", buckets={"uploads": "lab-uploads"}, images=(RULE,))
PLACE = OWN.model_copy(update={"tenants": (LAB,)})


class Scene:
    """A host of two namespaces with functions."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.watching = Watching(self.cluster.kube, PLACE)
        self.host = PodHost(
            self.cluster.kube, PLACE, self.watching.seen, self.cluster.queue,
            leading=lambda: True, now=self.cluster.clock.now,
        )  # fmt: skip

    async def deploy(self, namespace: str, **spec: Any) -> str:
        """A function that is ready; the short digest of it."""
        manifest = function_object(**spec)
        manifest["metadata"]["namespace"] = namespace
        before = self.watching.revision
        digest = digest_of(await self.cluster.deploy(manifest), {})
        await self.watching.changed(5.0, since=before)
        return short_digest(digest)

    async def forget(self, function: str) -> None:
        """Until it is not seen any more."""
        while function in self.watching.functions.by_name:
            await self.watching.changed(5.0, since=self.watching.revision)

    async def settle(self) -> None:
        wanted = {key_of(each): each for each in (await self.cluster.kube.list(PODS)).items}
        while dict(self.watching.pods.items) != wanted:
            await self.watching.pods.changed(5.0, since=self.watching.pods.revision)

    async def reconcile(self, wanted: Mapping[str, int]) -> None:
        functions = self.watching.functions.by_name
        requests = {name: self.host.request(functions[name].function, NO_GPU) for name in wanted}
        await self.host.reconcile({name: Wanted({"n1": n}, requests[name]) for name, n in wanted.items()})
        await self.settle()

    def living(self) -> list[tuple[str, str]]:
        items = self.watching.pods.items.items()
        return sorted(key for key, pod in items if "deletionTimestamp" not in pod["metadata"])


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    found = Scene()
    await found.cluster.kube.create(NAMESPACES, {"metadata": {"name": "lab"}})
    async with found.watching.following():
        await found.cluster.add_node("n1", cpu="8")
        while not found.watching.nodes.items:
            await found.watching.nodes.changed(5.0)
        yield found


async def test_workers_begin_in_their_functions_namespace_and_end_there(scene: Scene) -> None:
    digest = await scene.deploy(SPACE)
    await scene.deploy("lab")
    await scene.reconcile({"echo": 1, "lab.echo": 2})
    names = [(SPACE, f"echo-{digest}-0"), ("lab", f"echo-{digest}-0"), ("lab", f"echo-{digest}-1")]
    assert scene.living() == names
    assert [(each.name, each.function) for each in await scene.host.present()] == [
        (f"echo-{digest}-0", "echo"),
        (f"lab.echo-{digest}-0", "lab.echo"),
        (f"lab.echo-{digest}-1", "lab.echo"),
    ]
    await scene.reconcile({"echo": 1, "lab.echo": 0})
    assert scene.living() == names[:1]


async def test_workers_of_a_function_that_is_gone_are_charged_to_its_tenant_until_they_are_gone(
    scene: Scene,
) -> None:
    digest = await scene.deploy("lab")
    await scene.reconcile({"lab.echo": 1})
    scene.cluster.kube.bind(f"echo-{digest}-0", "n1", namespace="lab")
    await scene.cluster.kube.delete(FUNCTIONS, "echo", namespace="lab")
    await scene.forget("lab.echo")
    for _ in range(2):  # also once it was told to end
        (left,) = await scene.host.present()
        assert (left.leaving, left.tenant) == (True, "lab")
        assert (left.charge["workers"], left.charge["cpu"]) == (1, 1000)
        await scene.reconcile({})


async def test_workers_are_charged_by_what_they_were_made_with_and_not_as_they_would_be_now(
    scene: Scene,
) -> None:
    await scene.deploy("lab")
    await scene.reconcile({"lab.echo": 1})
    assert [each.leaving for each in await scene.host.present()] == [False]
    await scene.deploy("lab", resources={"cpu": "100m", "memory": "256Mi"})
    (left,) = await scene.host.present()
    assert (left.leaving, left.charge["cpu"]) == (True, 1000)


async def test_what_one_holds_says_nothing_of_one_of_the_same_own_name(scene: Scene) -> None:
    digest = await scene.deploy(SPACE)
    await scene.deploy("lab")
    await scene.host.present()
    await scene.reconcile({"echo": 1, "lab.echo": 1})
    told = Standing(function="lab.echo", worker=f"lab.echo-{digest}-0", held=3, since=0.0)
    await scene.cluster.queue.tell(told)
    held = {each.name: each.standing.held for each in await scene.host.present() if each.standing}
    assert held == {f"echo-{digest}-0": 0, f"lab.echo-{digest}-0": 3}


@pytest.mark.parametrize("spec", [{"image": "evil.example/x:1"}, {"input": [{"bucket": "salaries"}]}])
async def test_a_function_that_its_tenant_may_not_have_gets_no_workers_and_loses_those_it_has(
    scene: Scene, spec: dict[str, Any]
) -> None:
    await scene.deploy("lab")
    await scene.reconcile({"lab.echo": 1})
    assert len(scene.living()) == 1
    await scene.deploy("lab", **spec)
    assert "lab.echo" not in scene.watching.functions.by_name
    await scene.reconcile({})
    assert scene.living() == []


async def test_workers_of_a_namespace_that_can_not_be_seen_stay_and_count(scene: Scene) -> None:
    """Also for a scaler that began meanwhile, and so knows none of their functions."""
    await scene.deploy(SPACE)
    await scene.deploy("lab", scale={"maxWorkers": 4})
    await scene.reconcile({"echo": 1, "lab.echo": 2})
    before = scene.living()
    scene.cluster.kube.hidden.add("lab")
    async with Watching(scene.cluster.kube, PLACE).following() as again:
        scene.watching = again
        scene.host = PodHost(
            scene.cluster.kube, PLACE, again.seen, scene.cluster.queue,
            leading=lambda: True, now=scene.cluster.clock.now,
        )  # fmt: skip
        assert (again.silent_seconds, list(again.functions.by_name)) == (0.0, ["echo"])
        assert list(again.left_out) == ["lab"]
        await scene.settle()
        assert {each.function: each.leaving for each in await scene.host.present()} == {
            "echo": False, "lab.echo": True,
        }  # fmt: skip
        await scene.reconcile({"echo": 0})
        assert scene.living() == [each for each in before if each[0] == "lab"]
        scene.cluster.kube.hidden.clear()
        while again.left_out:
            before_revision = again.revision
            await again.changed(15.0, since=before_revision)
        await scene.reconcile({"echo": 0, "lab.echo": 1})
        assert [space for space, _ in scene.living()] == ["lab"]


async def test_functions_that_were_seen_in_a_namespace_that_is_refused_now_are_told(scene: Scene) -> None:
    for space in (SPACE, "lab"):
        await scene.deploy(space)
    assert scene.watching.out_of_reach == {}
    scene.cluster.kube.hidden.add("lab")
    scene.cluster.kube.cut()
    while not scene.watching.left_out:
        await scene.watching.changed(15.0, since=scene.watching.revision)
    ((name, why),) = scene.watching.out_of_reach.items()
    assert (name, why.startswith("namespace lab can't be seen: functions is forbidden")) == ("lab.echo", True)
    assert scene.watching.silent_seconds == 0.0


async def test_functions_of_a_namespace_that_is_no_tenants_are_not_seen(scene: Scene) -> None:
    await scene.cluster.kube.create(NAMESPACES, {"metadata": {"name": "stranger"}})
    manifest = function_object()
    manifest["metadata"]["namespace"] = "stranger"
    await scene.cluster.kube.create(FUNCTIONS, manifest)
    await scene.deploy("lab")
    assert list(scene.watching.functions.by_name) == ["lab.echo"]


@pytest.mark.parametrize(
    ("name", "function"), [("other.echo-0123456789-0", "echo"), ("echo-0123456789-0", "other.echo")]
)
def test_no_pod_passes_for_another_tenants_by_a_name_with_a_dot(name: str, function: str) -> None:
    made = worker_pod(the_function(function_object()), "0123456789", ordinal=0, node="n", settings=OWN)
    made["metadata"] |= {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "u"}
    made["metadata"]["labels"]["headrace.dev/function"] = function
    assert worker_pod_of(made) is None
    assert worker_pod_of(made, "lab") is None


async def test_gpus_of_servers_are_held_by_workers_of_each_namespace_with_functions() -> None:
    made = GpuScene()
    made.watching = Watching(made.cluster.kube, REMOTE.model_copy(update={"tenants": (LAB,)}))
    await made.build()
    await made.cluster.kube.create(NAMESPACES, {"metadata": {"name": "lab"}})
    async with made.watching.following():
        await made.claim("own", "gpu1", 0, "echo-d-0")
        await made.claim("labs", "gpu1", 1, "echo-d-0", namespace="lab")
        await made.claim("others", "gpu2", 0, "echo-d-0", namespace="default")
        await made.settle()
        gpus = made.watching.seen.gpus
        places = {name: [(each.server, each.number) for each in held] for name, held in gpus.grants().items()}
        assert places == {"echo-d-0": [("gpu1", 0)], "lab.echo-d-0": [("gpu1", 1)]}
        free = {(each.server, each.number): each.free_bytes for each in gpus.remote({"lab.echo-d-0"}).rooms}
        assert free["gpu1", 1] > free["gpu1", 0] == free["gpu2", 0], "only what is its own counts as free"
