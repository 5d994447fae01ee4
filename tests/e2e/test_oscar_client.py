"""OSCAR's own Python client, unchanged, against a stack of this machine and one of a cluster."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from oscar_python.client import Client
from oscar_python.client_anon import AnonymousClient

from headrace.local.process import Process, answers, free_ports
from infra.manifests.seaweedfs import PORT
from infra.manifests.services import API_PORT
from tests.api_site import SCRIPT, UPPER, Site, poll, running_api
from tests.e2e.kubernetes.site import GONE, PLATFORM, loaded, site_on
from tests.e2e.kubernetes.site import Site as Stack
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images

IMAGES = ("headrace", "headrace-test-nats", "headrace-test-seaweedfs", "headrace-test-debian")
USER = "oscar"
TWO = f'{UPPER}; cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/again"'


@pytest.fixture(scope="module", params=["machine", "cluster"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("oscar")
    if request.param == "machine":
        with running_api(folder) as found:
            yield found
        return
    cluster, images = request.getfixturevalue("cluster"), request.getfixturevalue("images")
    with api_on(cluster, images, folder) as found:
        yield found


@contextmanager
def api_on(box: Box, images: Images, folder: Path) -> Iterator[Site]:
    """The platform with an API, by Pulumi; store and API are reached by `kubectl port-forward`."""
    stack = site_on(box, loaded(box, images, IMAGES), folder)
    api_port, store_port = free_ports(2)
    stack.configure(
        api={"users": {USER: {"storeKey": True}}, "storeEndpoint": f"http://127.0.0.1:{store_port}"},
        functionsSecurity="baseline",  # as imported functions have it
        platformBucket=GONE,
    )
    stack.platform.up()
    password = base64.b64decode(stack.get("secrets", "headrace-api-users", PLATFORM)["data"][USER]).decode()
    with forwarded(stack, "api", (api_port, API_PORT)), forwarded(stack, "seaweedfs", (store_port, PORT)):
        yield Site(
            endpoint=f"http://127.0.0.1:{api_port}",
            user=USER,
            password=password,
            usual={"image": images["headrace-test-debian"].reference, "cpu": "0.1"},
        )
    stack.platform.destroy()


@contextmanager
def forwarded(stack: Stack, service: str, ports: tuple[int, int]) -> Iterator[None]:
    """`kubectl port-forward` as long as the block lasts."""
    here, there = ports
    kubectl = [stack.box.bin / "kubectl", f"--kubeconfig={stack.box.kubeconfig}", f"--namespace={PLATFORM}"]
    command = [*kubectl, "port-forward", f"service/{service}", f"{here}:{there}"]
    process = Process.start(service, command, log=stack.folder / f"{service}.log")
    try:
        process.once(lambda: answers(here), seconds=60)
        yield
    finally:
        process.kill()


def client_of(site: Site) -> Client:
    options = {
        "cluster_id": "here",
        "endpoint": site.endpoint,
        "user": site.user,
        "password": site.password,
        "ssl": "True",
    }
    return Client(options=options)


def test_the_cluster_tells_of_itself(site: Site) -> None:
    client = client_of(site)
    assert client.health_check().text == "Ok"
    assert client.get_cluster_info().json()["version"].startswith("headrace-")
    assert client.get_cluster_config().json()["config"]["name"] == "oscar"
    assert client.get_cluster_status().json()["cluster"]["nodes_count"] == 1
    assert client.get_system_logs(timestamps=True).status_code == 200


def test_a_service_s_whole_life(site: Site, tmp_path: Path) -> None:
    client = client_of(site)
    (tmp_path / "script.sh").write_text(SCRIPT.format(command=UPPER))
    definition = site.service("life", UPPER, script=str(tmp_path / "script.sh"), cpu=0.5)
    fdl = tmp_path / "life.yaml"
    fdl.write_text(yaml.safe_dump({"functions": {"oscar": [{"here": definition}]}}))
    assert client.create_service(str(fdl)).status_code == 201
    assert "life" in [each["name"] for each in client.list_services().json()]
    assert client.get_service("life").json()["script"] == (tmp_path / "script.sh").read_text()
    with pytest.raises(ValueError, match="already present"):
        client.create_service(str(fdl))
    assert client.update_service("life", site.service("life", TWO, memory="256Mi")).status_code == 204
    assert client.get_service("life").json()["memory"] == "256Mi"
    assert client.remove_service("life").status_code == 204
    with pytest.raises(requests.HTTPError, match="404"):
        client.get_service("life")
    with pytest.raises(ValueError, match="not present"):
        client.update_service("life", str(fdl))


def test_a_run_answers_its_file_its_files_or_its_log(site: Site, tmp_path: Path) -> None:
    client = client_of(site)
    for name, command in (("one", UPPER), ("two", TWO), ("none", "true")):
        client.create_service(site.service(name, command))
    client.run_service("one", input="hello", output=str(tmp_path / "one.txt"))
    assert (tmp_path / "one.txt").read_text() == "HELLO"
    content = bytes(range(256)) * 1000
    (tmp_path / "file.bin").write_bytes(content)
    two = client.run_service("two", input=str(tmp_path / "file.bin"))
    assert base64.b64decode(two.text).startswith(b"PK")
    none = client.run_service("none", input=str(tmp_path / "file.bin"))
    assert none.text == "worked 256000 bytes\n"
    anonymous = AnonymousClient({"cluster_id": "here", "endpoint": site.endpoint, "ssl": "True"})
    token = client.get_service("none").json()["token"]
    assert anonymous.run_service("none", input="{}", token=token).text == "worked 2 bytes\n"


def test_a_job_is_listed_logged_and_deleted(site: Site) -> None:
    client = client_of(site)
    client.create_service(site.service("jobs", "true"))
    assert client.run_service("jobs", input="hello", async_call=True).status_code == 201

    def succeeded() -> list[str]:
        listed = client.list_jobs("jobs").json()["jobs"]
        return [name for name, job in listed.items() if job["status"] == "Succeeded"]

    (job,) = poll("job that succeeded", succeeded)
    assert job.startswith("jobs-")
    assert client.get_job_logs("jobs", job).text == "worked 5 bytes\n"
    assert client.remove_job("jobs", job).status_code == 204
    assert client.list_jobs("jobs").json()["jobs"] == {}
    client.run_service("jobs", input="again", async_call=True)
    poll("job that succeeded", succeeded)
    assert client.remove_all_jobs("jobs").status_code == 204
    assert client.list_jobs("jobs").json()["jobs"] == {}


def test_files_are_uploaded_listed_and_downloaded(site: Site, tmp_path: Path) -> None:
    client = client_of(site)
    client.create_service(site.service("files", UPPER))
    storage = client.create_storage_client("files")
    (tmp_path / "a.txt").write_text("words")
    storage.upload_file("minio.default", str(tmp_path / "a.txt"), "files/input")

    def outputs() -> list[str]:
        found = storage.list_files_from_path("minio.default", "files/output")
        return [each["Key"] for each in found.get("Contents", ()) if not each["Key"].endswith("/")]

    assert poll("output", outputs) == ["output/a.txt.txt"]
    storage.download_file("minio.default", str(tmp_path), "files/output/a.txt.txt")
    assert (tmp_path / "a.txt.txt").read_text() == "WORDS"


def test_an_event_of_the_store_runs_its_object(site: Site, tmp_path: Path) -> None:
    client = client_of(site)
    client.create_service(site.service("events", UPPER))
    storage = client.create_storage_client("events")
    (tmp_path / "a.txt").write_text("words")
    storage.upload_file("minio.default", str(tmp_path / "a.txt"), "events/input")
    record = {
        "eventSource": "minio:s3",
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "events"}, "object": {"key": "input%2Fa.txt", "size": 5, "eTag": "e"}},
    }
    token = client.get_service("events").json()["token"]
    answer = requests.post(
        f"{site.endpoint}/job/events",
        json={"EventName": "s3:ObjectCreated:Put", "Records": [record]},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    (task,) = answer.json()["tasks"]
    assert answer.status_code in {201, 202}

    def state() -> Any:
        return client_get(site, f"/system/tasks/events/{task}")

    settled = poll("end of the task", lambda: (found := state()).get("settled") and found)
    assert settled["outputs"][0]["state"] == "published"


def client_get(site: Site, path: str) -> Any:
    answer = requests.get(site.endpoint + path, auth=(site.user, site.password), timeout=30)
    return json.loads(answer.content)


def test_faults_are_told(site: Site) -> None:
    client = client_of(site)
    with pytest.raises(requests.HTTPError) as refused:
        client.create_service(site.service("exposed", "true", expose={"api_port": 80}))
    assert refused.value.response.status_code == 400
    assert "expose" in refused.value.response.json()["reason"]
    client.create_service(site.service("fails", "echo broken; exit 3"))
    with pytest.raises(requests.HTTPError) as failed:
        client.run_service("fails", input="x", timeout=120)
    document = failed.value.response.json()
    assert failed.value.response.status_code == 500
    assert "broken" in document["log"]
    wrong = client_of(replace(site, password="wrong"))
    with pytest.raises(requests.HTTPError, match="401"):
        wrong.list_services()
    with pytest.raises(requests.HTTPError, match="404"):
        client.run_service("absent", input="x")
    with pytest.raises(requests.HTTPError, match="401"):
        client.run_service("absent", input="x", token="0" * 64)
