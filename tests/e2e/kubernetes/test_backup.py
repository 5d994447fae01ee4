"""The drill of docs/backup.md: a cluster is deleted, and another one goes on from the backup.

Two clusters in boxes, one after the other; Pulumi's own CLI with one state, as a person has it. What handlers
do they print, so that the logs in their records are the journal of the oracle (docs/chaos.md).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from headrace.model.task import task_id
from tests.e2e.evidence import Collector, list_keys, plain_client
from tests.e2e.functions import SCRIPT, UPLOADS
from tests.e2e.kubernetes.site import LOCAL_POOL, Commands, Site, site_on, wait_until
from tests.e2e.kubernetes.test_platform import PLAIN
from tests.e2e.oracle import Evidence, Upload, judge
from tests.e2e.uploads import Uploader, plan_files
from tests.fixtures.cluster import running
from tests.infra.project import Project
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.images.store import Images

NAME, RESULTS, BUCKET = "single", "results", "headrace"
EARLY, LATE = 60, 30
NAMES = ("headrace", "headrace-test-nats", "headrace-test-seaweedfs", "headrace-test-debian")
FILES = plan_files(EARLY + LATE, seed=1, functions=(NAME,))
SPEC = {
    "run": {"script": "script.sh"},
    "input": [{"bucket": UPLOADS, "prefix": f"{NAME}/"}],
    "output": [{"bucket": RESULTS, "prefix": f"{NAME}/"}],
    "resources": {"cpu": "50m", "memory": "64Mi", "ephemeralStorage": "64Mi"},
    "scale": {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": 3},
    "delivery": {"timeoutSeconds": 20, "attempts": 2},
    "environment": {"JOURNAL": "/dev/stdout", "SWITCH": "/nowhere"},
    "security": {"runAsUser": 1000},
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@contextmanager
def box_in(folder: Path, images: Images, session: pytest.Session) -> Iterator[Box]:
    """A cluster with the images in it, deleted at the end."""
    boxes = running(folder, Kind.CLUSTER, session)
    box = next(boxes)
    try:
        for name in NAMES:
            box.load_image(images[name].archive)
        yield box
    finally:
        for _ in boxes:
            pass
        shutil.rmtree(folder, ignore_errors=True)


def configure(site: Site) -> None:
    """What a person writes into the stacks' files, for whichever cluster there is."""
    folder = site.functions.folder / NAME
    folder.mkdir(exist_ok=True)
    (folder / "script.sh").write_text(SCRIPT)
    document = {
        "apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": NAME}, "spec": SPEC,
    }  # fmt: skip
    (folder / "function.yaml").write_text(json.dumps(document))
    site.configure()
    site.functions.configure(functions=[NAME], images={NAME: site.images["headrace-test-debian"]})


def client_of(commands: Commands) -> Any:
    settings = json.loads((commands.state / "settings.json").read_text())["storage"]
    return plain_client(settings["endpoint"], settings["accessKey"], settings["secretKey"])


def by_kubeconfig(site: Site, *arguments: str) -> Any:
    """The document of a command that connects to the cluster by itself, as docs/backup.md leads with."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "headrace"), *arguments, "--json",
         "--kubeconfig", str(site.box.kubeconfig)],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PATH": f"{site.box.bin}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def tasks_in(client: Any, area: str, function: str = NAME) -> frozenset[str]:
    """The ids of tasks of which the platform's bucket keeps something in an area."""
    keys = list_keys(client, BUCKET, f"{area}/{function}/")
    return frozenset({key.split("/")[2].removesuffix(".json").partition("-")[0] for key in keys})


@dataclass(frozen=True)
class Lost:
    """What was uploaded, and which tasks had a record when the backup began."""

    uploads: tuple[Upload, ...]
    recorded: frozenset[str]


def work_and_back_up(site: Site, place: Path) -> Lost:
    """Everything is up; one backup is taken by kubeconfig, the next while files come and are worked."""
    site.platform.up()
    site.functions.up()
    spec = {**PLAIN["spec"], "image": site.images["headrace-test-debian"]}
    site.box.kubectl("apply", "-f", "-", stdin=json.dumps({**PLAIN, "spec": spec}))
    with site.connected() as commands:
        client = client_of(commands)
        wait_until(lambda: site.status("sizes").get("digest"), "the function that was applied is ready")
        client.put_object(Bucket="incoming", Key="sizes/a.bin", Body=b"x" * 1234)
        wait_until(lambda: tasks_in(client, "records", "sizes"), "its file is done")
        first = by_kubeconfig(site, "backup", str(place))["backup"]
        assert first["records"] == 1
        assert {"incoming", "counted"} <= {each["name"] for each in first["buckets"]}
        uploader = Uploader(client)
        uploader.upload(FILES[:EARLY])
        wait_until(lambda: len(tasks_in(client, "records")) > EARLY // 3, "a third is done")
        uploader.upload(FILES[EARLY:])
        recorded = tasks_in(client, "records")
        report = commands.json("backup", str(place))["backup"]
        print(f"backup: {json.dumps(report)}")
        assert sum(report["waiting"].values()) > 0, "some files wait"
        assert report["records"] >= len(recorded)
        assert report["unchanged"]["objects"] > 0, "it goes on from the first one"
        return Lost(uploader.uploads, recorded)


def make_anew(project: Project) -> None:
    """On another cluster: the first `up` only notes which one it is, the second makes what is not there."""
    project.up("--target", "**::pin*", "--target", "**:providers:kubernetes::cluster")
    project.up("--refresh")


def restore_and_go_on(site: Site, place: Path, lost: Lost) -> None:
    """The order of docs/backup.md, on a new cluster, until all is worked; then the judgement."""
    configure(site)
    uid = site.box.get("namespace", "kube-system")["metadata"]["uid"]
    for project in (site.platform, site.functions):
        project.configure(clusterUid=uid)
    make_anew(site.platform)
    with site.connected() as commands:
        assert "would be put back" in commands.run("restore", str(place), "--dry-run")
        report = by_kubeconfig(site, "restore", str(place), "--objects")
        print(f"restore: {json.dumps(report)}")
        assert "Function sizes" in report["objects"]["created"]
        client = client_of(commands)
        restored = tasks_in(client, "records")
        assert lost.recorded <= restored, "what had a record has it"
        make_anew(site.functions)
        newest = {upload.place: upload for upload in lost.uploads}.values()
        wanted = {task_id(each.function, each.bucket, each.key, each.etag) for each in newest}
        wait_until(lambda: wanted <= tasks_in(client, "records"), "all files are worked")
        wait_until(lambda: at_rest(site, NAME), "nothing waits or runs")
        # Attempts leave what they wrote in staging for ten minutes, and a restore brings none.
        again = tasks_in(client, "staging") & restored
        assert again == set(), "no file that had a record is worked again"
        assert tasks_in(client, "staging", "sizes") == set()
        assert client.get_object(Bucket="counted", Key="sizes/size.txt")["Body"].read().strip() == b"1234"
        verdict = judge(gathered(client, lost.uploads))
        assert verdict.clean, str(verdict)
        assert verdict.uploads == len(lost.uploads), "no file is lost"


def at_rest(site: Site, function: str) -> bool:
    status = site.status(function)
    return status.get("waiting") == 0 and status.get("running") == 0


def gathered(client: Any, uploads: Sequence[Upload]) -> Evidence:
    """The evidence of the one function; its journal is what the logs in the records say."""
    collector = Collector(client, platform=BUCKET, result_buckets=[RESULTS], journal=Path("/nowhere"))
    found = collector.gather(uploads)
    records = {key: body for key, body in found.records.items() if key.startswith(f"records/{NAME}/")}
    logs = "\n".join(json.loads(body).get("log", "") for body in records.values())
    lines = [json.loads(line) for line in logs.splitlines() if line.startswith('{"what"')]
    return replace(found, records=records, journal=tuple(lines))


def test_a_deleted_cluster_goes_on_elsewhere_from_its_backup(
    images: Images, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    place = tmp_path_factory.mktemp("backups")
    references = {name: images[name].reference for name in NAMES}
    with box_in(tmp_path_factory.mktemp("old"), images, request.session) as box:
        site = site_on(box, references, tmp_path_factory.mktemp("site"))
        configure(site)
        lost = work_and_back_up(site, place)
    with box_in(tmp_path_factory.mktemp("new"), images, request.session) as box:
        box.kubectl("label", "node", box.node, f"headrace.dev/pool={LOCAL_POOL}", "--overwrite")
        restore_and_go_on(replace(site, box=box), place, lost)
