"""What everybody who keeps functions for the API does: the same tests on memory, folders and objects.

Objects lie in memory and on a real API server, there with the rights that a stack grants.
"""

import base64
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.api.deployments import MANAGER, Deployments
from headrace.api.folders import FolderDeployments
from headrace.api.memory import MemoryDeployments
from headrace.api.objects import ObjectDeployments
from headrace.catalog.folder import examine, function_folders
from headrace.kube.kinds import FUNCTIONS, SECRETS
from headrace.kube.lightkube import LightKube
from headrace.kube.memory import MemoryKube
from headrace.manifests.definitions import definitions
from headrace.model.errors import ChangedError, ConfigurationError, ExistsError, NotFoundError, RejectedError
from headrace.model.function import Function
from headrace.model.labels import MANAGED_BY
from headrace.model.settings import KubernetesSettings
from headrace.model.tenant import Tenant
from headrace.worker.secrets import read_secrets
from infra.access import api as access
from tests.fixtures.accounts import granted
from tests.toolchain.cluster.box import Box

NAMESPACE = "functions"
PLACE = KubernetesSettings(
    namespace=NAMESPACE,
    platform_namespace="headrace",
    tenants=(Tenant(name="lab", buckets={"uploads": "lab-uploads"}),),
)


def function(name: str = "echo", source: str = "cat\n", **changes: object) -> Function:
    """A function with its script inline."""
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {
            "image": "registry.example/echo",
            "run": {"script": "script.sh", "source": source},
            "input": [{"bucket": "uploads", "prefix": f"{name}/"}],
            **changes,
        },
    }
    return Function.from_json(json.dumps(document))


@dataclass
class Bench:
    """Deployments, and a way to look at a function's secret and to make a function beside them."""

    deployments: Deployments
    secret: Callable[[str], Mapping[str, str]]
    beside: Callable[[Function], object]

    async def sources(self) -> dict[str, str | None]:
        return {each.name: each.spec.run.source for each in await self.deployments.listed()}


@dataclass(frozen=True)
class Site:
    """A namespace of a real API server, and a kubeconfig with the API's rights there and no more."""

    box: Box
    place: KubernetesSettings


@pytest.fixture(scope="module")
def site(control_plane: Box) -> Iterator[Site]:
    number = os.getpid()
    space, platform = f"deployed-{number}", f"deploying-{number}"
    for each in (space, platform):
        control_plane.kubectl("create", "namespace", each)
    control_plane.apply(*(dict(each) for each in definitions()))
    with granted(control_plane, "api", access(), platform=platform, functions=space) as user:
        place = KubernetesSettings(namespace=space, platform_namespace=platform, kubeconfig=str(user))
        yield Site(control_plane, place)


@pytest.fixture(params=["memory", "folders", "objects", "server"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "server":
        async with _served(request.getfixturevalue("site")) as bench:
            yield bench
        return
    yield await _here(request.param, tmp_path)


async def _here(kind: str, tmp_path: Path) -> Bench:
    match kind:
        case "memory":
            memory = MemoryDeployments()
            return Bench(
                memory,
                lambda name: memory._secrets.get(name, {}),
                lambda each: memory._functions.update({each.name: each}),
            )
        case "folders":
            return _folders(tmp_path)
    return await _objects()


def _folders(tmp_path: Path) -> Bench:
    functions, secrets = tmp_path / "functions", tmp_path / "secrets"
    functions.mkdir()
    secrets.mkdir()

    def beside(each: Function) -> None:
        (functions / each.name).mkdir()
        run = each.spec.run.model_copy(update={"source": None})
        spec = each.spec.model_copy(update={"run": run})
        document = each.model_copy(update={"spec": spec})
        (functions / each.name / "function.yaml").write_bytes(document.to_json())
        (functions / each.name / "script.sh").write_text(each.spec.run.source or "")

    def secret(name: str) -> Mapping[str, str]:
        return read_secrets(secrets, [name]) if (secrets / f"{name}.env").exists() else {}

    return Bench(FolderDeployments(functions, secrets), secret, beside)


async def _objects() -> Bench:
    kube = MemoryKube(namespaces=(NAMESPACE, "lab", "headrace"))

    def beside(each: Function) -> None:
        document = json.loads(each.to_json())
        document["metadata"]["namespace"] = NAMESPACE
        kube._create(FUNCTIONS, document)

    def secret(name: str) -> Mapping[str, str]:
        found = kube._all(SECRETS).get((NAMESPACE, name))
        data = found.manifest["data"] if found else {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    return Bench(ObjectDeployments(kube, PLACE), secret, beside)


@asynccontextmanager
async def _served(site: Site) -> AsyncIterator[Bench]:
    """By the API's own rights; what a test looks at, and what others make, by the box's owner."""
    box, space = site.box, site.place.namespace

    def beside(each: Function) -> None:
        document = json.loads(each.to_json())
        document["metadata"]["namespace"] = space
        box.apply(document)

    def secret(name: str) -> Mapping[str, str]:
        found = box.get("secrets", f"--namespace={space}")["items"]
        data = {each["metadata"]["name"]: each.get("data", {}) for each in found}.get(name, {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    kube = LightKube.of(site.place)
    yield Bench(ObjectDeployments(kube, site.place), secret, beside)
    await kube.close()
    for kind in ("functions", "secrets"):
        box.kubectl("delete", kind, "--all", f"--namespace={space}")


async def test_what_is_made_is_listed_and_read(bench: Bench) -> None:
    assert await bench.sources() == {}
    await bench.deployments.create(function("zebra"))
    await bench.deployments.create(function("ape", "ls\n"))
    assert list((await bench.sources()).items()) == [("ape", "ls\n"), ("zebra", "cat\n")]
    found = await bench.deployments.read("ape")
    assert (found.spec, found.metadata.labels) == (function("ape", "ls\n").spec, {MANAGED_BY: MANAGER})


async def test_a_name_is_given_once(bench: Bench) -> None:
    await bench.deployments.create(function())
    bench.beside(function("other"))
    for name in ("echo", "other"):
        with pytest.raises(ExistsError, match=name):
            await bench.deployments.create(function(name, "ls\n"))
    assert await bench.sources() == {"echo": "cat\n", "other": "cat\n"}


async def test_a_change_replaces_all_that_was_said(bench: Bench) -> None:
    await bench.deployments.create(function(environment={"A": "1"}))
    await bench.deployments.update(function(source="ls\n", environment={"B": "2"}))
    found = await bench.deployments.read("echo")
    assert (found.spec.run.source, found.spec.environment) == ("ls\n", {"B": "2"})


async def test_what_is_not_there_is_not_read_changed_or_deleted(bench: Bench) -> None:
    for call in (
        bench.deployments.read("none"),
        bench.deployments.update(function("none")),
        bench.deployments.delete("none"),
    ):
        with pytest.raises(NotFoundError, match="none"):
            await call


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "", "a/../../b", "a/b"])
async def test_a_name_leads_nowhere_else(bench: Bench, name: str) -> None:
    with pytest.raises(NotFoundError):
        await bench.deployments.read(name)


async def test_what_is_deleted_is_gone_and_may_be_made_anew(bench: Bench) -> None:
    await bench.deployments.create(function())
    await bench.deployments.delete("echo")
    assert await bench.sources() == {}
    await bench.deployments.create(function(source="ls\n"))
    assert await bench.sources() == {"echo": "ls\n"}


async def test_what_another_keeps_is_left_alone(bench: Bench) -> None:
    bench.beside(function())
    with pytest.raises(ChangedError, match="not made through the API"):
        await bench.deployments.update(function(source="ls\n"))
    with pytest.raises(ChangedError, match="not made through the API"):
        await bench.deployments.delete("echo")
    assert await bench.sources() == {"echo": "cat\n"}


async def test_secrets_are_kept_beside_and_never_told(bench: Bench) -> None:
    wanted = function(secrets=["echo"])
    await bench.deployments.create(wanted, {"KEY": "a=b", "OTHER": "x"})
    assert bench.secret("echo") == {"KEY": "a=b", "OTHER": "x"}
    assert await bench.deployments.secret_names(wanted) == ["KEY", "OTHER"]
    await bench.deployments.update(wanted, {"KEY": "", "NEW": "y"})
    assert bench.secret("echo") == {"KEY": "a=b", "NEW": "y"}
    with pytest.raises(RejectedError, match="UNKNOWN"):
        await bench.deployments.update(wanted, {"UNKNOWN": ""})
    await bench.deployments.delete("echo")
    assert bench.secret("echo") == {}


async def test_nothing_is_made_of_a_secret_without_a_value(bench: Bench) -> None:
    with pytest.raises(RejectedError, match="KEY"):
        await bench.deployments.create(function(secrets=["echo"]), {"KEY": ""})
    assert await bench.sources() == {}


# What only one of them has


async def test_a_folder_holds_nothing_but_the_function_that_it_names(tmp_path: Path) -> None:
    bench = _folders(tmp_path)
    await bench.deployments.create(function())
    for source in ("ls\n", "cat\n", "ls -l\n"):
        await bench.deployments.update(function(source=source))
    folder = tmp_path / "functions"
    names = sorted(path.name for path in (folder / "echo").iterdir())
    assert len(names) == 2
    assert names[0] == "function.yaml"
    assert [path.name for path in folder.iterdir()] == ["echo"]
    (found,) = examine(function_folders(folder)).installed
    assert found.function.spec.run.script == names[1]


async def test_what_its_folder_does_not_bear_out_is_not_made(tmp_path: Path) -> None:
    bench = _folders(tmp_path)
    with pytest.raises(RejectedError, match=r"no module\.py"):
        await bench.deployments.create(function(run={"handler": "module:Class"}))
    assert list((tmp_path / "functions").iterdir()) == []


async def test_a_cluster_s_refusal_is_told_and_leaves_no_secret(tmp_path: Path) -> None:
    kube = MemoryKube(namespaces=(NAMESPACE, "lab", "headrace"))
    kube.admit = lambda verb, kind, before, after: "tags are refused" if kind == FUNCTIONS else None
    deployments = ObjectDeployments(kube, PLACE)
    with pytest.raises(RejectedError, match="tags are refused"):
        await deployments.create(function(secrets=["echo"]), {"KEY": "x"})
    assert (await kube.list(SECRETS)).items == []


async def test_a_tenant_s_function_lies_in_its_namespace(tmp_path: Path) -> None:
    kube = MemoryKube(namespaces=(NAMESPACE, "lab", "headrace"))
    deployments = ObjectDeployments(kube, PLACE)
    await deployments.create(function().owned_by("lab"))
    assert [each.name for each in await deployments.listed()] == ["lab.echo"]
    assert (await kube.get(FUNCTIONS, "echo", namespace="lab"))["metadata"]["name"] == "echo"
    with pytest.raises(RejectedError, match="not declared"):
        await deployments.create(function().owned_by("nobody"))
    foreign = function(output=[{"bucket": "theirs"}]).owned_by("lab")
    with pytest.raises(RejectedError, match="found theirs"):
        await deployments.update(foreign)


async def test_a_tenant_that_can_not_be_seen_hides_nobody_else(tmp_path: Path) -> None:
    kube = MemoryKube(namespaces=(NAMESPACE, "lab", "headrace"))
    deployments = ObjectDeployments(kube, PLACE)
    await deployments.create(function())
    kube.hidden.add("lab")
    assert [each.name for each in await deployments.listed()] == ["echo"]
    kube.hidden.add(NAMESPACE)
    with pytest.raises(ConfigurationError):
        await deployments.listed()


async def test_the_controller_s_finalizer_outlives_a_change(tmp_path: Path) -> None:
    kube = MemoryKube(namespaces=(NAMESPACE, "lab", "headrace"))
    deployments = ObjectDeployments(kube, PLACE)
    await deployments.create(function())
    change = {"metadata": {"finalizers": ["headrace.dev/controller"], "annotations": {"a": "b"}}}
    await kube.patch(FUNCTIONS, "echo", change, namespace=NAMESPACE)
    await deployments.update(function(source="ls\n"))
    metadata = (await kube.get(FUNCTIONS, "echo", namespace=NAMESPACE))["metadata"]
    assert metadata["finalizers"] == ["headrace.dev/controller"]
