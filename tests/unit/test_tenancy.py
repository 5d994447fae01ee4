"""Functions of tenants: one name where tenants meet, their own in their namespace, buckets and account."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.catalog.deployed import function_of, known_as
from headrace.connect.following import Follower, read_objects
from headrace.connect.operator import localized
from headrace.events.objects import ObjectSource
from headrace.kube.kinds import FUNCTIONS
from headrace.kube.memory import MemoryKube
from headrace.kube.mirrors import mirror_of
from headrace.local.state import StateDirectory
from headrace.manifests import function_objects as objects
from headrace.manifests.function_objects import Owner
from headrace.manifests.worker_pod import worker_pod
from headrace.model.function import Function, digest_of
from headrace.model.observation import Finished, Standing
from headrace.model.settings import KubernetesSettings, QueueLogin, QueueSettings, Settings, SidecarSettings
from headrace.model.tenancy import own_name, qualified, tenant_of
from headrace.model.tenant import Tenant
from headrace.operations.stack import Stack
from headrace.queue import jetstream_layout as layout
from headrace.queue import jetstream_told as telling
from headrace.queue.memory import MemoryQueue
from headrace.scaler.kubernetes.pods import worker_pod_of
from headrace.storage.memory import MemoryStorage
from headrace.worker.build import assembled, name_in_pod
from headrace.worker.deployed import load_deployed
from headrace.worker.identity import Identity
from tests.unit.intake_bench import settings_with

LAB = Tenant(name="lab", buckets={"uploads": "lab-uploads", "results": "heart-results"})
PLACE = KubernetesSettings(
    namespace="functions", platform_namespace="headrace", sidecar=SidecarSettings(image="i"), tenants=(LAB,)
)
SPACES = ("headrace", "functions", "lab", "stranger", "a", "b")
PARTS = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\Z")


def manifest(name: str = "echo", namespace: str = "lab", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"image": "i", "run": {"handler": "a:B"}, "input": [{"bucket": "uploads"}], **spec},
    }


def settings(**fields: Any) -> Settings:
    return settings_with(kubernetes=PLACE, **fields)


# Names


@given(PARTS, PARTS)
def test_a_name_says_whose_it_is_without_a_look_at_anything(tenant: str, name: str) -> None:
    assert (tenant_of(qualified(tenant, name)), own_name(qualified(tenant, name))) == (tenant, name)
    assert (qualified("", name), tenant_of(name), own_name(name)) == (name, "", name)


@pytest.mark.parametrize(("namespace", "name"), [("lab", "lab.echo"), ("functions", "echo")])
def test_a_function_bears_its_tenants_name_by_its_place(namespace: str, name: str) -> None:
    found = manifest(namespace=namespace)
    assert (function_of(found, PLACE).name, known_as(found, PLACE)) == (name, name)
    assert function_of(found, PLACE).metadata.name == "echo"


def test_whose_a_function_is_stands_in_no_document_and_no_digest() -> None:
    plain = function_of(manifest())
    owned = plain.owned_by("lab")
    assert owned != plain
    assert (owned.to_json(), digest_of(owned, {})) == (plain.to_json(), digest_of(plain, {}))
    assert Function.from_json(owned.to_json()) == plain
    with pytest.raises(ValidationError):
        Function.from_json(json.dumps({**manifest(), "tenant": "other"}))


def test_what_is_derived_of_a_tenants_function_stays_its_own() -> None:
    owned = function_of(manifest(), PLACE)
    assert owned.model_copy(update={"spec": owned.spec}).name == "lab.echo"


def test_objects_of_a_tenants_function_are_in_its_namespace_by_its_own_name() -> None:
    function = function_of(manifest(), PLACE)
    owner = Owner("echo", "lab", "uid")
    pod = worker_pod(function, "0123456789abcdef", ordinal=3, node="n", settings=PLACE)
    assert (pod["metadata"]["name"], pod["metadata"]["namespace"]) == ("echo-0123456789-3", "lab")
    plain = worker_pod(function.owned_by(""), "0123456789abcdef", ordinal=3, node="n", settings=PLACE)
    assert pod == {**plain, "metadata": pod["metadata"]}
    made = objects.config_map(function, "0123456789abcdef", owner)
    assert made == objects.config_map(function.owned_by(""), "0123456789abcdef", owner)
    assert made["metadata"]["name"] == "echo-0123456789"


def test_a_worker_in_a_pod_knows_its_function_by_the_same_name_as_everybody(tmp_path: Path) -> None:
    function = function_of(manifest(), PLACE)
    text = objects.config_map(function, digest_of(function, {}), Owner("echo", "lab", "u"))["data"]
    (tmp_path / "function.yaml").write_text(text["function.yaml"])
    assert load_deployed(tmp_path, "lab").function == function
    assert load_deployed(tmp_path).function.name == "echo"


def test_a_worker_in_a_pod_is_called_as_the_scaler_calls_its_pod() -> None:
    pod = worker_pod(function_of(manifest(), PLACE), "0123456789", ordinal=0, node="n", settings=PLACE)
    pod["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z", "uid": "u"}
    name = name_in_pod("lab", {"HEADRACE_WORKER": pod["metadata"]["name"]})
    seen = worker_pod_of(pod, "lab")
    assert seen is not None
    assert name == seen.name == "lab.echo-0123456789-0"
    assert name_in_pod("", {"HEADRACE_WORKER": "echo-0123456789-0"}) == "echo-0123456789-0"


async def test_a_tenants_worker_publishes_into_its_tenants_buckets(tmp_path: Path) -> None:
    function = function_of(manifest(), PLACE)
    identity = Identity(function, "d", "lab.echo-d-0", float, lambda: "a")
    worker = assembled(
        identity, settings(tenant="lab", buckets={"uploads": "given"}),
        MemoryStorage(now=float), MemoryQueue(now=float),
        folder=tmp_path, secrets={}, new_runner=lambda _: NotImplemented, grace_seconds=1.0,
    )  # fmt: skip
    assert worker._parts.finisher.buckets == LAB.buckets


# Places, buckets, logins


def test_functions_may_be_in_the_stacks_namespace_and_the_tenants() -> None:
    assert PLACE.namespaces == ("functions", "lab")
    assert [PLACE.tenant_in(each) for each in PLACE.namespaces] == ["", "lab"]
    assert [PLACE.namespace_of(each) for each in ("echo", "lab.echo")] == ["functions", "lab"]


@pytest.mark.parametrize(
    ("logical", "tenant", "real"),
    [
        ("uploads", "", "given"),
        ("results", "", "results"),
        ("uploads", "lab", "lab-uploads"),
        ("results", "lab", "heart-results"),
        ("other", "lab", "lab-other"),
    ],
)
def test_two_tenants_may_both_have_a_bucket_of_one_name(logical: str, tenant: str, real: str) -> None:
    found = settings(buckets={"uploads": "given"})
    stack = Stack(MemoryStorage(now=float), MemoryQueue(now=float), (), "headrace", found.buckets, PLACE)
    assert (found.real_bucket(logical, tenant), stack.real_bucket(logical, tenant)) == (real, real)


def test_a_tenants_own_worker_has_its_buckets_also_where_no_tenants_are_named() -> None:
    found = settings_with(tenant="lab", buckets={"uploads": "lab-uploads"})
    assert found.buckets_of(found.tenant) == {"uploads": "lab-uploads"}
    assert settings(tenant="lab").buckets_of("lab") == LAB.buckets


def test_a_service_logs_in_to_each_account_by_its_own_user() -> None:
    queue = QueueSettings(
        url="nats://q:1",
        user="events",
        password="p",
        ca_file="ca",
        accounts={"lab": QueueLogin(user="u", password="hush")},
    )
    lab = queue.of_account("lab")
    assert (lab.user, lab.password, lab.ca_file, lab.accounts) == ("u", "hush", "ca", {})
    assert queue.of_account("") == queue.model_copy(update={"accounts": {}})
    assert "hush" not in repr(queue)
    assert "hush" in settings_with(queue=queue).secrets


def test_the_account_says_whose_a_stream_is_and_the_subject_does_not() -> None:
    assert layout.stream_name("lab.echo") == layout.stream_name("echo") == "tasks-echo"
    assert layout.subject("lab.echo", "*") == "tasks.echo.*"
    assert telling.subject(Finished, "lab.echo") == "finished.echo"
    assert telling.subject(Standing, "*") == "standing.*"


# Who sees them


async def test_the_receiver_knows_functions_of_all_namespaces_by_name() -> None:
    kube = MemoryKube(namespaces=SPACES)
    for each in (
        manifest(),
        manifest(namespace="functions"),
        manifest("blur"),
        manifest(namespace="stranger"),
    ):
        await kube.create(FUNCTIONS, each)
    async with mirror_of(kube, FUNCTIONS, PLACE.namespaces) as view:
        assert await view.sync(5.0)
        found = await ObjectSource(view, PLACE).functions()
    assert [each.name for each in found] == ["echo", "lab.blur", "lab.echo"]


async def test_several_namespaces_are_one_view_that_tells_of_changes_in_each() -> None:
    kube, heard = MemoryKube(namespaces=SPACES), []
    async with mirror_of(kube, FUNCTIONS, ("a", "b")) as view:
        assert await view.sync(5.0)
        assert view.synced
        view.listen(lambda event: heard.append(event.manifest["metadata"]["namespace"]))
        for space in ("a", "b"):
            before = view.revision
            await kube.create(FUNCTIONS, manifest(namespace=space))
            assert await view.changed(5.0, since=before)
        assert (heard, sorted(view.items)) == (["a", "b"], [("a", "echo"), ("b", "echo")])
        assert (view.get("echo", "b") or {})["metadata"]["namespace"] == "b"
        assert view.get("echo", "c") is None
        assert not await view.changed(0.0)
        assert view.silent_seconds == 0.0


async def test_a_namespace_that_is_refused_is_left_out_until_it_is_not_and_the_first_never() -> None:
    kube = MemoryKube(namespaces=SPACES)
    for space in ("functions", "lab"):
        await kube.create(FUNCTIONS, manifest(namespace=space))
    kube.hidden.add("lab")
    async with mirror_of(kube, FUNCTIONS, PLACE.namespaces) as view:
        assert await view.sync(5.0)
        assert (list(view.items), view.silent_seconds) == ([("functions", "echo")], 0.0)
        assert (list(view.left_out), "cannot list it in the namespace lab" in view.left_out["lab"]) == (
            ["lab"],
            True,
        )
        assert [each.name for each in await ObjectSource(view, PLACE).functions()] == ["echo"]
        kube.hidden.clear()
        while view.left_out:
            assert await view.changed(15.0)
        assert list(view.items) == [("functions", "echo"), ("lab", "echo")]
    kube.hidden.add("functions")
    async with mirror_of(kube, FUNCTIONS, PLACE.namespaces) as view:
        while not view.items:
            assert await view.changed(5.0)
        assert not await view.sync(0.0)
        assert (view.left_out, view.synced) == ({}, False)


async def test_what_was_seen_of_a_namespace_stays_while_it_is_refused() -> None:
    kube = MemoryKube(namespaces=SPACES)
    for space in ("functions", "lab"):
        await kube.create(FUNCTIONS, manifest(namespace=space))
    async with mirror_of(kube, FUNCTIONS, PLACE.namespaces) as view:
        assert await view.sync(5.0)
        kube.hidden.add("lab")
        kube.cut()
        while not view.left_out:
            assert await view.changed(15.0)
        assert list(view.items) == [("functions", "echo"), ("lab", "echo")]
        assert view.synced


async def test_a_connected_command_line_knows_a_tenants_functions_by_name(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    kube = MemoryKube(namespaces=SPACES)
    for each in (manifest(), manifest(namespace="functions")):
        await kube.create(FUNCTIONS, each)
    local = localized(settings(), store=1, queue=2, status=None, folder=state.path, kubeconfig=Path("/k"))
    async with Follower(kube, local, PLACE, state).following():
        found = read_objects(state.path / "functions", PLACE)
    assert [each.function.name for each in found] == ["echo", "lab.echo"]
    stack = Stack(MemoryStorage(now=float), MemoryQueue(now=float), found, "headrace", {}, PLACE)
    assert [stack.inputs(each)[0][0] for each in found] == ["uploads", "lab-uploads"]


def test_a_document_without_tenants_is_what_it_was() -> None:
    document = json.loads(settings_with().to_json())
    assert "tenant" not in document
    assert "accounts" not in document["queue"]
    whole = settings(tenant="lab", queue={"url": "u", "accounts": {"lab": {"user": "u", "password": "p"}}})
    assert Settings.from_json(whole.to_json()) == whole
