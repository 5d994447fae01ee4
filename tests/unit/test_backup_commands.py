"""`headrace backup` and `headrace restore`: what they print, what they refuse, which status they end with."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headrace.backup.objects import Created, create_objects, read_objects, real_buckets
from headrace.cli.backup_place import read_credentials
from headrace.cli.main import app
from headrace.kube.kinds import BUCKETS, FUNCTIONS, NAMESPACES, NODE_POOLS
from headrace.kube.memory import MemoryKube
from headrace.model.backed import LastBackup
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.keys import last_backup_key
from tests.fixtures.world import World, installed


@pytest.fixture
def world() -> World:
    found = asyncio.run(World(installed("echo")).open())
    asyncio.run(found.finish(asyncio.run(found.upload("echo/done.dcm"))))
    asyncio.run(found.upload("echo/waits.dcm"))
    return found


@pytest.fixture
def new(world: World) -> World:
    """A stack that has worked nothing, and knows no function yet."""
    found = World(installed("echo"))
    asyncio.run(found.storage.ensure_bucket(found.platform_bucket))
    found.functions = ()
    return found


def headrace(world: World, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], obj=world.session)


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


async def objects(world: World, bucket: str = "uploads") -> list[str]:
    return [info.key async for info in world.storage.list(bucket)]


def test_a_backup_tells_what_it_holds_and_what_it_copied(world: World, tmp_path: Path) -> None:
    result = headrace(world, "backup", tmp_path / "place")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["bucket", "objects", "size"],
        ["results", "1", "2", "B"],
        ["uploads", "2", "8", "B"],
    ]
    assert lines[3] == "1 record, 1 file waiting (echo 1)"
    assert lines[4].startswith("5 objects (")
    assert lines[4].endswith("copied, 0 objects (0 B) there already")
    assert lines[5].startswith("backup 2023")
    assert str(tmp_path) in lines[5]


def test_a_backup_as_a_document(world: World, tmp_path: Path) -> None:
    found = document(headrace(world, "backup", tmp_path / "place", "--json"))
    assert found["pruned"] is None
    assert found["backup"]["waiting"] == {"echo": 1}
    assert found["backup"]["copied"]["objects"] == 5
    assert document(headrace(world, "backup", tmp_path / "place", "--list", "--json")) == {
        "snapshots": [found["backup"]["snapshot"]]
    }


def last_backup(world: World) -> LastBackup | None:
    try:
        return LastBackup.from_json(asyncio.run(world.storage.read(world.platform_bucket, last_backup_key())))
    except NotFoundError:
        return None


def test_a_whole_backup_is_noted_in_its_stack_with_how_often_one_is_taken(
    world: World, tmp_path: Path
) -> None:
    headrace(world, "backup", tmp_path / "place", "--dry-run")
    headrace(world, "backup", tmp_path / "place", "--buckets", "uploads")
    assert last_backup(world) is None
    world.time += 10
    found = document(headrace(world, "backup", tmp_path / "place", "--json"))["backup"]
    noted = last_backup(world)
    assert noted == LastBackup(snapshot=found["snapshot"], began=world.time, period_seconds=86400.0)
    world.time += 10
    again = document(headrace(world, "backup", tmp_path / "place", "--every", "7d", "--json"))["backup"]
    assert last_backup(world) == LastBackup(
        snapshot=again["snapshot"], began=world.time, period_seconds=7 * 86400.0
    )
    assert again["copied"]["objects"] == 0, "the note of a backup is no part of the next one"


def test_a_backup_that_its_stack_can_not_be_told_of_is_there_all_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> str:
        raise ConfigurationError("access is denied")

    monkeypatch.setattr(world.storage, "put", refused)
    result = headrace(world, "backup", tmp_path / "place")
    assert result.exit_code == 0
    assert "the stack was not told of it, and goes on counting from the one before: access is denied" in (
        result.stderr
    )
    assert len(headrace(world, "backup", tmp_path / "place", "--list").stdout.splitlines()) == 1


def test_a_dry_run_tells_what_would_be_copied_and_writes_nothing(world: World, tmp_path: Path) -> None:
    result = headrace(world, "backup", tmp_path / "place", "--dry-run")
    assert "would be copied" in result.stdout
    assert not (tmp_path / "place").exists()
    headrace(world, "backup", tmp_path / "place")
    asyncio.run(world.upload("echo/new.dcm", content=b"new"))
    found = document(headrace(world, "backup", tmp_path / "place", "--dry-run", "--json"))["backup"]
    assert (found["copied"], found["unchanged"]["objects"]) == ({"objects": 1, "size": 3}, 5)
    assert (found["snapshot"], found["waiting"]) == (None, {"echo": 2})


def test_keep_deletes_older_backups(world: World, tmp_path: Path) -> None:
    for _ in range(3):
        world.time += 10
        result = headrace(world, "backup", tmp_path / "place", "--keep", "2")
    assert "1 older backup deleted" in result.stdout
    assert len(headrace(world, "backup", tmp_path / "place", "--list").stdout.splitlines()) == 2


def test_a_sound_backup_verifies_and_a_damaged_one_ends_with_status_1(world: World, tmp_path: Path) -> None:
    headrace(world, "backup", tmp_path / "place")
    result = headrace(world, "backup", tmp_path / "place", "--verify")
    assert (result.exit_code, ": sound; 5 objects, 1 file waiting" in result.stdout) == (0, True)
    for path in (tmp_path / "place" / "contents").rglob("*"):
        if path.is_file() and path.read_bytes() == b"clip":
            path.write_bytes(b"clap")
    result = headrace(world, "backup", tmp_path / "place", "--verify")
    assert result.exit_code == 1
    assert "s3://uploads/echo/done.dcm and 1 more of the same content: a content is damaged" in result.stdout
    faults = json.loads(headrace(world, "backup", tmp_path / "place", "--verify", "--json").stdout)["faults"]
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["backup", "PLACE", "--verify"], 3, "is no place of backups"),
        (["backup", "PLACE", "--list"], 3, "is no place of backups"),
        (["restore", "PLACE"], 3, "is no place of backups"),
        (["backup", "PLACE", "--verify", "--keep", "2"], 2, "--verify and --list take no backup"),
        (["backup", "PLACE", "--list", "--dry-run"], 2, "--verify and --list take no backup"),
        (["backup", "PLACE", "--snapshot", "2026"], 2, "--snapshot is for --verify"),
        (["backup", "PLACE", "--buckets", "nonsense"], 2, "allowed results, uploads"),
        (["backup", "PLACE", "--every", "daily"], 2, "allowed a span such as 30m, 2h or 7d"),
        (["backup", "s3://"], 2, "allowed s3://BUCKET/KEY"),
    ],
)
def test_what_can_not_be_done_is_refused_with_the_reason(
    world: World, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    result = headrace(world, *(str(tmp_path / "none") if each == "PLACE" else each for each in arguments))
    assert (result.exit_code, message in result.stderr) == (status, True), result.stderr


def test_a_restore_tells_what_it_put_back(world: World, new: World, tmp_path: Path) -> None:
    headrace(world, "backup", tmp_path / "place")
    result = headrace(new, "restore", tmp_path / "place")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "3 objects (10 B) put back, 0 objects (0 B) there already"
    assert lines[1] == "1 record, 1 file waiting (echo 1)"
    assert lines[2].startswith("backup 2023")
    assert "restored" in lines[2]
    assert asyncio.run(objects(new)) == asyncio.run(objects(world))


def test_a_restore_as_a_document(world: World, new: World, tmp_path: Path) -> None:
    headrace(world, "backup", tmp_path / "place")
    found = document(headrace(new, "restore", tmp_path / "place", "--json"))
    assert (found["objects"], found["restore"]["records"], found["restore"]["left"]) == (None, 1, [])


def test_a_dry_restore_tells_what_is_in_the_way_and_changes_nothing(world: World, tmp_path: Path) -> None:
    headrace(world, "backup", tmp_path / "place")
    before = asyncio.run(world.platform())
    result = headrace(world, "restore", tmp_path / "place", "--dry-run")
    assert result.exit_code == 0
    assert "in the way: functions are known to it: echo" in result.stdout
    assert "0 objects (0 B) would be put back, 3 objects (10 B) there already" in result.stdout
    assert asyncio.run(world.platform()) == before


def test_a_restore_into_a_stack_with_data_is_refused_unless_it_is_to_be_merged(
    world: World, tmp_path: Path
) -> None:
    headrace(world, "backup", tmp_path / "place")
    result = headrace(world, "restore", tmp_path / "place")
    assert (result.exit_code, "the stack is not empty" in result.stderr) == (2, True)
    asyncio.run(world.storage.put("uploads", "echo/done.dcm", b"other"))
    result = headrace(world, "restore", tmp_path / "place", "--merge")
    assert "left as it is: s3://uploads/echo/done.dcm holds something else" in result.stdout


def test_a_restore_names_objects_whose_metadata_it_could_not_put_back(
    world: World, new: World, tmp_path: Path
) -> None:
    asyncio.run(world.storage.put("results", "foreign", b"x", metadata={"name": "Zoë"}))
    headrace(world, "backup", tmp_path / "place")
    told = "without metadata that are not ASCII: s3://results/foreign: name"
    assert told in headrace(new, "restore", tmp_path / "place", "--dry-run").stdout
    assert told in headrace(new, "restore", tmp_path / "place").stdout


def test_objects_are_for_a_cluster(world: World, new: World, tmp_path: Path) -> None:
    headrace(world, "backup", tmp_path / "place")
    result = headrace(new, "restore", tmp_path / "place", "--objects")
    assert (result.exit_code, "--objects is for a cluster" in result.stderr) == (2, True)


# Another store


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nothing of this machine's own is found."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_credentials_and_endpoint_are_those_of_the_aws_command_line(no_aws, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[lab]\naws_access_key_id = key\naws_secret_access_key = hush\naws_session_token = token\n"
    )
    (tmp_path / "config").write_text("[profile lab]\nregion = eu-west-1\nendpoint_url = https://s3.example\n")
    no_aws.setenv("AWS_PROFILE", "lab")
    found = read_credentials("s3://b", None)
    assert (found.endpoint, found.region) == ("https://s3.example", "eu-west-1")
    assert (found.access_key, found.secret_key, found.session_token) == ("key", "hush", "token")
    assert read_credentials("s3://b", "https://other.example").endpoint == "https://other.example"
    assert "hush" not in repr(found)
    assert "'token'" not in repr(found)


def test_without_an_endpoint_aws_itself_is_meant(no_aws) -> None:
    no_aws.setenv("AWS_ACCESS_KEY_ID", "key")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    assert "amazonaws.com" in read_credentials("s3://b", None).endpoint


@pytest.mark.parametrize(
    ("profile", "message"), [(None, "found no credentials"), ("missing", "AWS configuration can't be used")]
)
def test_missing_credentials_are_told(no_aws, profile: str | None, message: str) -> None:
    if profile:
        no_aws.setenv("AWS_PROFILE", profile)
    with pytest.raises(ConfigurationError, match=message):
        read_credentials("s3://b", None)


# Objects of Kubernetes


def manifest(kind: Any, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    place = {"namespace": metadata.pop("namespace", "functions")} if kind.namespaced else {}
    return {
        "apiVersion": kind.api_version, "kind": kind.name,
        "metadata": {"name": name, **place, **metadata}, "spec": spec,
    }  # fmt: skip


POOL = {"driver": "static", "capacity": {"cpu": "1", "memory": "1Gi"}}
ECHO = {"run": {"script": "s.sh", "source": "true"}, "image": "i", "input": [{"bucket": "uploads"}]}


async def test_objects_are_kept_as_people_wrote_them_and_made_anew_where_pulumi_does_not() -> None:
    kube, other = MemoryKube(), MemoryKube()
    for server, name in ((kube, "functions"), (kube, "platform"), (other, "elsewhere")):
        await server.create(NAMESPACES, manifest(NAMESPACES, name, {}))
    pulumi = {"app.kubernetes.io/managed-by": "pulumi"}
    notes = {"pulumi.com/waitFor": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    for kind, each in (
        (FUNCTIONS, manifest(FUNCTIONS, "echo", ECHO, annotations=notes)),
        (BUCKETS, manifest(BUCKETS, "uploads", {"name": "lab-uploads"})),
        (BUCKETS, manifest(BUCKETS, "headrace", {}, namespace="platform", labels=pulumi)),
        (NODE_POOLS, manifest(NODE_POOLS, "gpu", POOL)),
    ):
        await kube.create(kind, each)
    found = await read_objects(kube, ("functions", "platform"))
    assert [each["kind"] for each in found] == ["NodePool", "Bucket", "Bucket", "Function"]
    assert found[-1] == manifest(FUNCTIONS, "echo", ECHO, annotations={"mine": "1"})
    assert real_buckets(found) == {"lab-uploads", "headrace"}

    await other.create(BUCKETS, manifest(BUCKETS, "uploads", {}, namespace="elsewhere"))
    made = await create_objects(other, found, namespace="elsewhere")
    assert made == Created(("NodePool gpu", "Function echo"), ("Bucket uploads",), ("Bucket headrace",))
    assert (await other.get(FUNCTIONS, "echo", namespace="elsewhere"))["spec"] == ECHO
    assert await create_objects(other, found, namespace="elsewhere") == Created(
        (), ("NodePool gpu", "Bucket uploads", "Function echo"), ("Bucket headrace",)
    )
