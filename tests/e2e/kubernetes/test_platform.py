"""The whole way on real engines: `pulumi up`, files in, results out, pods from nothing to nothing, the end.

One cluster in a box, one node; Pulumi's own CLI, provider and file backend. The tests build on one another.
"""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pydicom.data
import pytest

from headrace.local.samples import REAL_CLIP
from headrace.manifests.worker_pod import METRICS_PORTS
from headrace.model import labels
from headrace.model.labels import short_digest
from headrace.model.settings import Settings
from infra import names
from infra.manifests import services
from infra.manifests.parts import HEALTH_PORT
from tests.e2e.evidence import plain_client
from tests.e2e.kubernetes import upgrade
from tests.e2e.kubernetes.metrics_reader import read_from
from tests.e2e.kubernetes.site import (
    COPY,
    FUNCTIONS,
    PLATFORM,
    Commands,
    Site,
    copy_function,
    give_up_idle_workers_soon,
    loaded,
    site_on,
    wait_until,
)
from tests.fixtures.stub_gpu import StubServer, stub_server
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images

CLIPS = 6
WATCHERS = "watchers"
REMOTE = f"echo{COPY}"
GPU_HOSTS = {
    "driver": "static", "provides": "gpuServers", "capacity": {"cpu": "2", "memory": "4Gi"},
    "minNodes": 1, "maxNodes": 1, "pricePerHour": 0.5,
}  # fmt: skip
OUTPUT = [{"bucket": "results", "prefix": f"{REMOTE}/"}]
NAMES = ("headrace", "echo", "headrace-test-nats", "headrace-test-seaweedfs", "headrace-test-debian")
PLAIN = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Function",
    "metadata": {"name": "sizes", "namespace": FUNCTIONS},
    "spec": {
        "run": {
            "script": "sizes.sh",
            "source": 'wc -c <"$INPUT_FILE_PATH" >"$TMP_OUTPUT_DIR/size.txt"; echo "of $STORAGE_OBJECT_KEY"',
        },
        "input": [{"bucket": "incoming", "prefix": "sizes/"}],
        "output": [{"bucket": "counted", "prefix": "sizes/"}],
        "resources": {"cpu": "50m", "memory": "64Mi", "ephemeralStorage": "64Mi"},
        "scale": {"maxWaitSeconds": 1, "idleSeconds": 2},
        "security": {"runAsUser": 1000},  # a plain Debian image says root, which a restricted pod may not be
    },
}
# Its worker is done with small files at once, and holds a large one for as long as it takes to be looked at.
NAPS = {
    **PLAIN,
    "metadata": {"name": "naps", "namespace": FUNCTIONS},
    "spec": {
        **PLAIN["spec"],
        "run": {
            "script": "naps.sh",
            "source": 'size=$(wc -c <"$INPUT_FILE_PATH"); echo "$size" >"$TMP_OUTPUT_DIR/size.txt"\n'
            '[ "$size" -lt 100 ] || sleep 60',
        },
        "input": [{"bucket": "incoming", "prefix": "naps/"}],
        "output": [{"bucket": "counted", "prefix": "naps/"}],
        "scale": {"maxWaitSeconds": 1, "idleSeconds": 30, "maxWorkers": 1},
    },
}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def gpu_server(cluster: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    """The stub, on another host than the pods'."""
    log = tmp_path_factory.mktemp("gpu") / "stub.log"
    with stub_server(log, address=cluster.host, gpus=2, memory="1Gi") as found:
        yield found


@pytest.fixture(scope="module")
def site(
    cluster: Box, images: Images, gpu_server: StubServer, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """Platform and functions, up."""
    references = loaded(cluster, images, NAMES)
    found = site_on(cluster, references, tmp_path_factory.mktemp("site"))
    give_up_idle_workers_soon(found.functions, "echo")
    wish = {"access": ["mig", "remote"], "memory": "256Mi"}
    copy_function(found.functions, "echo", REMOTE, output=OUTPUT, gpu=wish)
    devices = [{"model": "stub", "memory": "1Gi"}] * 2
    server = {"address": cluster.host, "port": gpu_server.port, "backend": "stub", "maxSessions": 8}
    server["pool"] = "gpu-hosts"
    found.configure(
        "echo",
        REMOTE,
        pools={"gpu-hosts": GPU_HOSTS},
        remoteGpus={
            "networks": [f"{cluster.host}/32"],
            "servers": {"gpu1": {**server, "devices": devices}},
        },
        status={"title": "the box", "names": "hidden"},
        monitoring={
            "namespace": WATCHERS,
            "podMonitors": False,
            "rules": False,
        },  # it has no operator's kinds
    )
    found.platform.up()
    found.functions.up()
    return found


@pytest.fixture(scope="module")
def commands(site: Site) -> Iterator[Commands]:
    """`headrace connect` beside the tests."""
    with site.connected() as found:
        yield found


def client(commands: Commands) -> Any:
    settings = json.loads((commands.state / "settings.json").read_text())["storage"]
    return plain_client(settings["endpoint"], settings["accessKey"], settings["secretKey"])


def counts(site: Site, function: str) -> Mapping[str, int]:
    status = site.status(function)
    return {name: status.get(name, 0) for name in ("waiting", "running", "done", "failed", "workers")}


def test_a_second_up_changes_nothing(site: Site) -> None:
    site.platform.up("--expect-no-changes")
    site.functions.up("--expect-no-changes")


def test_clips_that_are_uploaded_are_classified_by_pods_that_come_and_go(
    site: Site, commands: Commands
) -> None:
    assert site.workers("echo") == []
    clip = Path(pydicom.data.get_testdata_file(REAL_CLIP)).read_bytes()
    for number in range(CLIPS):
        client(commands).put_object(Bucket="uploads", Key=f"echo/{number}.dcm", Body=clip)
    wait_until(lambda: counts(site, "echo")["done"] == CLIPS, f"{CLIPS} clips are done")
    result = client(commands).get_object(Bucket="results", Key="echo/0.dcm.json")["Body"].read()
    assert json.loads(result)["view"]
    wait_until(lambda: not site.workers("echo"), "no worker is left")
    rest = {"waiting": 0, "running": 0, "done": CLIPS, "failed": 0, "workers": 0}
    wait_until(lambda: counts(site, "echo") == rest, "the status says so")


def answer(commands: Commands, key: str) -> Any:
    """A classification, without what was measured of its making."""
    found = json.loads(client(commands).get_object(Bucket="results", Key=key)["Body"].read())
    return {name: each for name, each in found.items() if "second" not in name.lower()}


async def test_echo_on_a_gpu_of_a_server_answers_as_on_the_processor(
    site: Site, commands: Commands, gpu_server: StubServer
) -> None:
    clip = Path(pydicom.data.get_testdata_file(REAL_CLIP)).read_bytes()
    client(commands).put_object(Bucket="uploads", Key=f"{REMOTE}/0.dcm", Body=clip)
    wait_until(lambda: counts(site, REMOTE)["done"] == 1, "the clip is done")
    assert answer(commands, f"{REMOTE}/0.dcm.json") == answer(commands, "echo/0.dcm.json")
    (task,) = commands.json("explain", f"s3://uploads/{REMOTE}/0.dcm")["tasks"]
    assert task["record"]["gpu"] == f"remote {gpu_server.address}:{gpu_server.port}"
    (told,) = commands.json("explain", REMOTE)["functions"]
    assert told["gpu"] == "remote on gpu1; not mig: no pool has it"
    wait_until(lambda: not site.workers(REMOTE), "no worker is left")
    status = await gpu_server.status()
    assert (status.peak_sessions, status.refused_opens) == (1, 0)
    wait_until(lambda: not site.get("resourceclaims"), "no claim is left")
    assert not await gpu_server.sessions(), "no session stays when its pod is gone"


def assess(site: Site, folder: Path, *arguments: str) -> tuple[Path, "subprocess.Popen[bytes]"]:
    """`headrace gpu assess` of the remote echo, begun; its output's file."""
    clips = folder / "clips"
    clips.mkdir(exist_ok=True)
    shutil.copy(pydicom.data.get_testdata_file(REAL_CLIP), clips / "clip.dcm")
    told = folder / f"{len(arguments)}.json"
    files = ("--function", REMOTE, "--files", str(clips), "--way", "cpu", "--way", "mig", "--way", "remote")
    with told.open("wb") as output:
        return told, site.begun("gpu", "assess", *files, "--json", *arguments, output=output)


def left_of_comparisons(site: Site, commands: Commands) -> list[str]:
    """Functions, buckets and pods of comparisons, and what the platform's bucket keeps of them."""
    found = [each["metadata"]["name"] for kind in ("functions", "buckets", "pods") for each in site.get(kind)]
    pages = client(commands).get_paginator("list_objects_v2").paginate(Bucket="headrace")
    kept = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return [name for name in (*found, *kept) if "assess-" in name]


async def test_ways_to_a_gpu_are_compared_by_the_same_files_and_nothing_stays(
    site: Site, commands: Commands, gpu_server: StubServer, tmp_path: Path
) -> None:
    told, process = assess(site, tmp_path, "--repeat", "12", "--plot", str(tmp_path / "ways.svg"))
    assert process.wait(300) == 0, told.read_text()
    found = json.loads(told.read_text())
    print(f"assess: {json.dumps(found)}")
    cpu, remote = found["ways"]
    assert (found["files"], cpu["name"], remote["name"]) == (12, "cpu", "remote")
    assert found["leftOut"] == [{"name": "mig", "reason": "no pool has it"}]
    assert [way["measured"]["files"] for way in (cpu, remote)] == [12, 12]
    assert remote["servedBy"] == [f"remote {gpu_server.address}:{gpu_server.port}"]
    assert remote["gpu"]["countedBy"] == "server"
    assert 0 < remote["gpu"]["aFile"] < remote["measured"]["secondsAFile"]["most"]
    assert all(way["price"]["aThousand"] > 0 for way in (cpu, remote))
    assert "files a second" in (tmp_path / "ways.svg").read_text()
    assert left_of_comparisons(site, commands) == []
    assert not await gpu_server.sessions()


def test_a_comparison_that_is_broken_off_leaves_nothing(
    site: Site, commands: Commands, tmp_path: Path
) -> None:
    told, process = assess(site, tmp_path, "--repeat", "50")
    wait_until(lambda: any("assess-" in each["metadata"]["name"] for each in site.get("pods")), "it works")
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130, told.read_text()
    assert "interrupted" in told.read_text()
    assert left_of_comparisons(site, commands) == []


def test_the_store_tells_of_uploads_so_that_none_waits_for_the_listing(site: Site) -> None:
    receivers = ",".join(f"{label}={value}" for label, value in names.selector(names.RECEIVER).items())
    told = site.box.kubectl("logs", f"--selector={receivers}", "--tail=-1", f"--namespace={PLATFORM}")
    assert '"events.task_stored"' in told  # of a notification; what the listing finds is told otherwise


def test_a_files_story_is_told(commands: Commands) -> None:
    story = commands.json("explain", "s3://uploads/echo/0.dcm")
    assert [task["stage"] for task in story["tasks"]] == ["done"]
    assert story["tasks"][0]["record"]["worker"].startswith("echo-")


def test_the_status_page_shows_the_cluster_and_lets_who_has_the_token_act(
    site: Site, commands: Commands
) -> None:
    """By the rights that the stack gives it: every source answers, and a wish reaches its node."""
    settings = Settings.from_json((commands.state / "settings.json").read_bytes()).status
    assert settings is not None
    with httpx2.Client(base_url=f"http://{settings.host}:{settings.port}", timeout=30) as page:
        assert "<title>" in page.get("/").text
        document = wait_until(lambda: told_all(page.get("/status.json").json()), "every source answers")
        assert document["stack"]["name"] == "the box"
        (echo,) = (each for each in document["functions"]["items"] if each["name"] == "echo")
        assert (echo["done"], echo["failed"], echo["waiting"]) == (CLIPS, 0, 0)
        assert document["nodes"]["names"] == [site.box.node]
        assert [each["place"] for each in document["gpus"]["items"]] == ["gpu1", "gpu1"]
        wish = {"node": site.box.node}
        assert page.post("/actions/disable", json=wish).status_code == 401
        login = {"Authorization": f"Bearer {settings.token}"}
        for action, said in (("disable", "false"), ("enable", "true")):
            assert page.post(f"/actions/{action}", json=wish, headers=login).status_code == 200
            node = site.get("node", site.box.node)
            assert node["metadata"]["annotations"][labels.ENABLED] == said


def test_metrics_are_told_to_the_namespace_of_prometheus_alone(site: Site) -> None:
    pods = {each["metadata"]["labels"][labels.COMPONENT]: each for each in site.get("pods", "", PLATFORM)}
    addresses = {
        name: f"{pods[name]['status']['podIP']}:{services.PORTS.get(name, HEALTH_PORT)}"
        for name in (names.RECEIVER, names.SCALER, names.CONTROLLER, names.STATUS)
    }
    for name, text in read_from(site, WATCHERS, addresses, tries=20).items():
        assert f'headrace_build_info{{component="{name}"' in text, (name, text[:300])
    others = read_from(site, "passers-by", addresses, tries=3)
    assert [name for name, text in others.items() if not text.startswith("no answer")] == []


def told_all(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The document once no source has a fault."""
    return None if [each for each in document["sources"] if each["error"]] else document


def test_a_function_that_is_applied_alone_works(site: Site, commands: Commands) -> None:
    spec = {**PLAIN["spec"], "image": site.images["headrace-test-debian"]}
    site.box.kubectl("apply", "-f", "-", stdin=json.dumps({**PLAIN, "spec": spec}))
    wait_until(lambda: site.status("sizes").get("digest"), "everything that it needs is there")
    began = time.monotonic()
    client(commands).put_object(Bucket="incoming", Key="sizes/a.bin", Body=b"x" * 1234)
    wait_until(lambda: counts(site, "sizes")["done"] == 1, "the file is done")
    print(f"applied alone: {time.monotonic() - began:.1f} s from upload to status")
    result = client(commands).get_object(Bucket="counted", Key="sizes/size.txt")["Body"].read()
    assert result.strip() == b"1234"
    assert "of sizes/a.bin" in commands.run("logs", "sizes", "s3://incoming/sizes/a.bin")


@pytest.mark.long
def test_a_worker_tells_its_metrics_while_it_works(site: Site, commands: Commands) -> None:
    """To the namespace of Prometheus alone; what it tells is of the file before."""
    spec = {**NAPS["spec"], "image": site.images["headrace-test-debian"]}
    site.box.apply({**NAPS, "spec": spec})
    wait_until(lambda: site.status("naps").get("digest"), "everything that it needs is there")
    store = client(commands)
    store.put_object(Bucket="incoming", Key="naps/small", Body=b"x")
    wait_until(lambda: counts(site, "naps")["done"] == 1, "the small file is done")
    store.put_object(Bucket="incoming", Key="naps/large", Body=b"x" * 100)
    wait_until(lambda: counts(site, "naps")["running"] == 1, "the large file is held")
    (worker,) = site.workers("naps")
    address = {"worker": f"{worker['status']['podIP']}:{METRICS_PORTS[0]}"}
    text = read_from(site, WATCHERS, address, tries=20)["worker"]
    assert counts(site, "naps")["done"] == 1, "it was read while the large file was worked"
    assert 'headrace_build_info{component="worker"' in text, text[:300]
    assert re.search(r'headrace_worker_attempts_total\{(?=.*function="naps")(?=.*result="done").*\} 1', text)
    assert re.search(r'headrace_worker_step_seconds_count\{(?=.*function="naps")(?=.*"compute").*\} 1', text)
    refused = read_from(site, "passers-by", address, tries=3)["worker"]
    assert [each["metadata"]["name"] for each in site.workers("naps")] == [worker["metadata"]["name"]]
    assert refused.startswith("no answer"), refused[:300]
    wait_until(lambda: counts(site, "naps")["done"] == 2, "the large file is done")
    store.delete_objects(
        Bucket="incoming", Delete={"Objects": [{"Key": f"naps/{name}"} for name in ("small", "large")]}
    )
    store.delete_object(Bucket="counted", Key="naps/size.txt")


@pytest.mark.long
def test_an_upgrade_under_work_loses_and_mixes_nothing_and_touches_nothing_else(
    site: Site, commands: Commands, tmp_path: Path
) -> None:
    course = upgrade.run(site, client(commands))
    found = upgrade.gather(client(commands), site.settings("operator").platform_bucket, tmp_path / "none")
    print(f"upgrade: files by digest and version: {dict(found.versions)}")
    files = upgrade.FILES
    assert (found.done, found.not_done, found.results, found.foreign) == (files, 0, files, [])
    told = [set(found.versions[digest]) for digest in course.digests]
    assert (len(found.versions), told) == (2, [{version} for version in upgrade.VERSIONS])
    assert found.versions[course.digests[1]].total() > upgrade.LAST, "none waited as the second version came"
    assert upgrade.told_changed(course.told) == {("Function", upgrade.NAME)}, course.told
    assert upgrade.told_counts(course.told) == ["1 updated"], course.told
    copies = {("ConfigMap", f"{upgrade.NAME}-{short_digest(digest)}") for digest in course.digests}
    changed = upgrade.changed(course.before, upgrade.objects(site))
    assert changed == {("Function", upgrade.NAME), *copies}
    wait_until(lambda: not site.workers(upgrade.NAME), "no worker is left")


def held(site: Site) -> str:
    """What the platform's bucket says of all data; each bucket is looked at every some seconds."""
    found = site.get("buckets", "headrace-platform", PLATFORM) or {}
    return found.get("status", {}).get("message", "")


def test_a_platform_that_holds_data_is_not_destroyed_and_names_the_buckets(site: Site) -> None:
    full = ("uploads (7 objects)", "results (14 objects)", "incoming (1 object)", "counted (1 object)")
    wait_until(lambda: all(name in held(site) for name in full), "every bucket was looked at")
    told = site.platform.destroy(fails=True)
    assert [name for name in full if name not in told] == []
    told = site.functions.destroy(fails=True)
    assert "uploads" in told
    assert counts(site, "sizes")["done"] == 1  # nothing is gone


def test_with_the_flag_everything_goes(site: Site) -> None:
    site.destroy_with_data("uploads", "results")
    names = {each["metadata"]["name"] for each in site.box.get("namespaces")["items"]}
    assert not names & {PLATFORM, FUNCTIONS}
    kinds = {each["metadata"]["name"] for each in site.box.get("customresourcedefinitions")["items"]}
    assert not any(name.endswith("headrace.dev") for name in kinds)
    assert site.box.get("persistentvolumes")["items"] == []
