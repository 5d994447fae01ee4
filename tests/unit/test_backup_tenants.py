"""Functions of tenants in a backup: none passes for another of the same own name, and each comes home."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.backup.objects import Created, create_objects, read_objects, real_buckets
from headrace.backup.owning import as_stored
from headrace.backup.previewing import preview
from headrace.backup.repository import Repository
from headrace.backup.stored_shelf import StoredShelf
from headrace.catalog.folder import Installed
from headrace.cli.backup_site import site_of
from headrace.cli.session import Session
from headrace.events.routing import task_of
from headrace.kube.kinds import BUCKETS, FUNCTIONS
from headrace.kube.memory import MemoryKube
from headrace.model.errors import ConfigurationError
from headrace.model.settings import KubernetesSettings
from headrace.model.tenant import Tenant
from headrace.operations.stack import Stack
from tests.unit.backup_bench import BACKUPS, PLATFORM, Town, Vault, function

LAB = Tenant(name="lab", buckets={"uploads": "lab-uploads"})
PLACE = KubernetesSettings(namespace="functions", platform_namespace="headrace", tenants=(LAB,))
OWN = function("echo", {"bucket": "uploads"})
LABS = OWN.owned_by("lab")


async def test_files_of_functions_of_one_own_name_come_back_to_their_own_queues() -> None:
    functions = [OWN, as_stored(LABS, lambda logical: f"lab-{logical}")]
    town = await Town(functions).open("uploads", "lab-uploads")
    vault = Vault(town.clock)
    await town.hands().come()
    await town.hands().upload("uploads", "mine", b"1")
    await town.storage.put("lab-uploads", "theirs", b"2")
    info = await town.storage.head("lab-uploads", "theirs")
    await town.queue.put(task_of("lab.echo", info, received=town.now()))
    await vault.back_up(town.site())
    repository = Repository(StoredShelf(vault.storage, BACKUPS, "here/"))
    manifest = await repository.manifest(await repository.choose(None))
    assert manifest.read_functions() == tuple(functions)
    assert {each.name for each in manifest.data} == {"uploads", "lab-uploads"}

    empty = await Town(functions, clock=town.clock).open()
    await vault.restore(replace(empty.site(functions=()), tenants={"lab": frozenset({"lab-uploads"})}))
    found = {name: [each.key for each in await empty.queue.tasks(name, 9)] for name in ("echo", "lab.echo")}
    assert found == {"echo": ["mine"], "lab.echo": ["theirs"]}
    for each in (town, empty):
        each.close()


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize(
    ("tenants", "told"),
    [
        ({}, "tenant lab, whose functions the backup has, is not declared in this stack"),
        (
            {"lab": frozenset({"new-uploads"})},
            "tenant lab: bucket lab-uploads of the backup is none of its buckets here: new-uploads",
        ),
    ],
)
async def test_a_stack_whose_tenants_do_not_fit_is_refused_before_anything_is_written(
    tenants: Mapping[str, frozenset[str]], told: str, merge: bool
) -> None:
    town = await Town([OWN, as_stored(LABS, lambda logical: f"lab-{logical}")]).open("uploads", "lab-uploads")
    vault = Vault(town.clock)
    await town.hands().come()
    await vault.back_up(town.site())
    empty = await Town([OWN], clock=town.clock).open()
    site = replace(empty.site(functions=()), tenants=tenants)
    with pytest.raises(ConfigurationError, match=told):
        await vault.restore(site, merge=merge)
    assert await empty.keys(PLATFORM) == []
    assert await empty.queued() == set()
    repository = Repository(StoredShelf(vault.storage, BACKUPS, "here/"))
    assert told in (await preview(site, repository, await repository.choose(None))).found[0]
    for each in (town, empty):
        each.close()


async def test_a_backup_without_tenants_says_nothing_of_owners() -> None:
    town = await Town([OWN]).open("uploads")
    vault = Vault(town.clock)
    await town.hands().come()
    await vault.back_up(town.site())
    repository = Repository(StoredShelf(vault.storage, BACKUPS, "here/"))
    manifest = await repository.manifest(await repository.choose(None))
    assert "owners" not in json.loads(manifest.to_json())
    town.close()


def test_a_site_names_a_tenants_buckets_as_the_store_does() -> None:
    installed = tuple(Installed(each, Path(), "d") for each in (OWN, LABS))
    town = Town()
    stack = Stack(town.storage, town.queue, installed, PLATFORM, {"uploads": "given"}, PLACE)
    site = site_of(Session(stack, 300.0))
    assert [(each.name, each.bucket_names) for each in site.functions] == [
        ("echo", ("uploads",)), ("lab.echo", ("lab-uploads",)),
    ]  # fmt: skip
    assert site.tenants == {"lab": {"lab-uploads"}}
    town.close()


async def test_objects_of_tenants_come_to_their_own_namespaces() -> None:
    kube = MemoryKube(namespaces=("functions", "headrace", "lab"))
    other = MemoryKube(namespaces=("elsewhere", "lab"))
    spec = {"run": {"script": "s.sh", "source": "true"}, "image": "i", "input": [{"bucket": "uploads"}]}
    for space in ("functions", "lab"):
        metadata = {"name": "echo", "namespace": space}
        await kube.create(FUNCTIONS, {"metadata": metadata, "spec": spec})
        await kube.create(BUCKETS, {"metadata": {"name": "uploads", "namespace": space}, "spec": {}})
    found = await read_objects(kube, (*PLACE.namespaces, PLACE.platform_namespace))
    assert real_buckets(found, PLACE) == {"uploads", "lab-uploads"}
    made = await create_objects(other, found, namespace="elsewhere", tenants=["lab"])
    assert made == Created(("Bucket uploads", "Bucket lab.uploads", "Function echo", "Function lab.echo"))
    for space in ("elsewhere", "lab"):
        assert (await other.get(FUNCTIONS, "echo", namespace=space))["spec"] == spec
