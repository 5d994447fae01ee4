"""The controller as a process on a real API server, with its own rights, a real queue and a real store."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headrace.local.process import free_ports
from headrace.manifests.admission import admission
from headrace.manifests.definitions import definitions
from headrace.model.errors import NotFoundError
from headrace.model.settings import (
    KubernetesSettings,
    QueueSettings,
    ReceiverSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from headrace.model.task import Task
from headrace.queue.jetstream import JetStreamQueue
from headrace.queue.port import Backlog
from headrace.storage.s3 import S3Storage
from infra.access import controller as access
from tests.fixtures.accounts import granted
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError
from tests.unit.scaler_cluster import pool_object

PATIENCE_SECONDS = 60
FUNCTION = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata:
  name: {name}
spec:
  image: localhost/none:1
  run:
    script: run.sh
    source: cp "$INPUT" "$OUTPUT"
  input:
    - bucket: {name}-in
  output:
    - bucket: {name}-out
  onDelete: {on_delete}
"""


@dataclass
class Site:
    """Two namespaces, a controller that may be killed, and what it works on."""

    box: Box
    settings: Settings
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def space(self) -> str:
        assert self.settings.kubernetes is not None
        return self.settings.kubernetes.namespace

    @property
    def platform(self) -> str:
        assert self.settings.kubernetes is not None
        return self.settings.kubernetes.platform_namespace

    def start(self) -> subprocess.Popen[bytes]:
        path = self.folder / "settings.json"
        path.touch(mode=0o600)
        path.write_bytes(self.settings.to_json())
        self.port = free_ports(1)[0]
        command = [
            sys.executable,
            "-m",
            "headrace.controller",
            "--settings",
            str(path),
            "--port",
            str(self.port),
        ]
        with (self.folder / "controller.log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stderr=log))
        return self.processes[-1]

    def stop(self) -> None:
        for each in self.processes:
            each.terminate()
        for each in self.processes:
            each.wait(30)
        self.processes.clear()

    def apply(self, name: str, on_delete: str = "keep") -> None:
        """As a person does."""
        text = FUNCTION.format(name=name, on_delete=on_delete)
        self.box.kubectl("apply", "-n", self.space, "-f", "-", stdin=text)

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.box.get(kind, name, "-n", namespace or self.space)
        except ToolchainError as error:
            if "NotFound" not in str(error):
                raise
            return None
        return found

    def status(self, name: str) -> dict[str, Any]:
        return (self.get("function", name) or {}).get("status", {})

    def status_of_pool(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.box.get("nodepool", name).get("status", {})
        return found

    def is_ready(self, kind: str, name: str, namespace: str = "") -> bool:
        status = (self.get(kind, name, namespace) or {}).get("status", {})
        return any(
            each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ())
        )

    def made_ready(self, name: str, on_delete: str = "keep") -> None:
        self.apply(name, on_delete)
        wait_for(f"{name} is ready", lambda: self.is_ready("function", name))

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        self.box.kubectl("delete", kind, name, "-n", namespace or self.space, "--wait=false")

    def gone(self, kind: str, name: str, namespace: str = "") -> None:
        wait_for(f"{kind} {name} is gone", lambda: self.get(kind, name, namespace) is None)

    def put(self, function: str, number: int = 1) -> None:
        shared = {"function": function, "bucket": f"{function}-in", "etag": "e", "size": 1}
        tasks = [Task(id=f"{i:032x}", key=f"{i}", received=time.time(), **shared) for i in range(number)]

        async def put(queue: JetStreamQueue) -> None:
            for task in tasks:
                await queue.put(task)

        self._with_queue(put)

    def backlog(self, function: str) -> Backlog | None:
        found: list[Backlog] = []

        async def look(queue: JetStreamQueue) -> None:
            with suppress(NotFoundError):
                found.append(await queue.backlog(function))

        self._with_queue(look)
        return found[0] if found else None

    def empty(self, function: str) -> None:
        async def empty(queue: JetStreamQueue) -> None:
            for each in await queue.ids(function):
                await queue.remove(function, each)

        self._with_queue(empty)

    def upload(self, bucket: str, *keys: str) -> None:
        async def put(storage: S3Storage) -> None:
            for key in keys:
                await storage.put(bucket, key, b"data")

        self._with_storage(put)

    def make_bucket(self, bucket: str) -> None:
        """As somebody else does."""
        self._with_storage(lambda storage: storage.ensure_bucket(bucket))

    def has_bucket(self, bucket: str) -> bool:
        found: list[bool] = []

        async def look(storage: S3Storage) -> None:
            found.append(await storage.has_bucket(bucket))

        self._with_storage(look)
        return found[0]

    def keep_versions(self, bucket: str) -> None:
        wish = {"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
        self._with_storage(
            lambda storage: storage._client.call(bucket, lambda s3: s3.put_bucket_versioning(**wish))
        )

    def remove_objects(self, bucket: str, *keys: str) -> None:
        self._with_storage(lambda storage: storage.delete(bucket, keys))

    def let_data_go(self, bucket: str) -> None:
        change = '{"spec":{"onDelete":"delete"}}'
        self.box.kubectl("patch", "bucket", bucket, "-n", self.space, "--type=merge", "-p", change)

    def keys(self, bucket: str) -> list[str]:
        found: list[str] = []

        async def look(storage: S3Storage) -> None:
            found.extend([each.key async for each in storage.list(bucket)])

        self._with_storage(look)
        return found

    def _with_queue(self, act: Callable[[JetStreamQueue], Any]) -> None:
        async def run() -> None:
            queue = JetStreamQueue.of(self.settings.queue)
            try:
                await act(queue)
            finally:
                await queue.close()

        asyncio.run(run())

    def _with_storage(self, act: Callable[[S3Storage], Any]) -> None:
        async def run() -> None:
            storage = S3Storage(self.settings.storage)
            try:
                await act(storage)
            finally:
                await storage.close()

        asyncio.run(run())


def wait_for(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def site(
    control_plane: Box,
    nats_server: NatsServer,
    seaweedfs: SeaweedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The controller runs, by an account that has the rights of a stack's and no more."""
    box, number = control_plane, os.getpid()
    space, platform = f"functions-{number}", f"platform-{number}"
    for each in (space, platform):
        box.kubectl("create", "namespace", each)
    box.apply(*(dict(each) for each in (*definitions(), *admission())))
    with granted(box, "controller", access(), platform=platform, functions=space) as user:
        settings = Settings(
            storage=StorageSettings(
                endpoint=f"http://127.0.0.1:{seaweedfs.options.s3_port}",
                access_key=seaweedfs.options.access_key,
                secret_key=seaweedfs.options.secret_key,
            ),
            queue=QueueSettings(url=nats_server.url, token=nats_server.token),
            receiver=ReceiverSettings(port=1, token=""),
            worker=WorkerSettings(work_directory="unused", secrets_directory="unused"),
            kubernetes=KubernetesSettings(namespace=space, platform_namespace=platform, kubeconfig=str(user)),
            platform_bucket=f"platform-{number}",
        )
        found = Site(box, settings, tmp_path_factory.mktemp("controller"))
        wait_for("the kinds are served", lambda: serves(box))
        found.start()
        yield found
        found.stop()
        print((found.folder / "controller.log").read_text()[-4000:])


def serves(box: Box) -> bool:
    try:
        box.get("functions,buckets,nodepools", "-A")
    except ToolchainError:
        return False
    return True


def test_a_function_that_is_applied_alone_becomes_ready_and_shows_how_it_stands(site: Site):
    site.made_ready("alone")
    site.put("alone", 3)
    wait_for("its files are told", lambda: site.status("alone").get("waiting") == 3)
    header, row = site.box.kubectl("get", "functions", "alone", "-n", site.space).splitlines()
    columns = ["NAME", "WAITING", "RUNNING", "DONE", "FAILED", "WORKERS", "OLDEST", "WAIT", "READY", "AGE"]
    assert header.split() == columns
    assert row.split()[:6] == ["alone", "3", "0", "0", "0", "0"]
    assert row.split()[-2] == "True"
    assert site.keys("alone-in") == []  # the store has the bucket
    for kind in ("serviceaccount", "networkpolicy"):
        assert site.get(kind, "headrace-alone")
    site.empty("alone")


def test_it_answers_the_kubelet(site: Site):
    wait_for("it is ready", lambda: answers(site.port))
    for path in ("healthz", "readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/{path}") as answer:
            assert answer.status == 200


def test_what_is_as_wanted_is_not_written_again(site: Site):
    site.made_ready("still")
    time.sleep(3)  # what is left to be told of it
    kinds = (
        "function/still",
        "networkpolicy/headrace-still",
        "serviceaccount/headrace-still",
        "bucket/still-in",
    )
    before = [site.get(*each.split("/"))["metadata"]["resourceVersion"] for each in kinds]
    time.sleep(12)
    assert [site.get(*each.split("/"))["metadata"]["resourceVersion"] for each in kinds] == before


def test_waiting_files_are_kept(site: Site):
    site.made_ready("keeper", "keep")
    site.put("keeper", 2)
    site.delete("function", "keeper")
    site.gone("function", "keeper")
    site.gone("networkpolicy", "headrace-keeper")
    assert site.backlog("keeper").tasks == 2


def test_waiting_files_are_purged(site: Site):
    site.made_ready("purger", "purge")
    site.put("purger", 2)
    site.delete("function", "purger")
    site.gone("function", "purger")
    assert site.backlog("purger") is None


def test_a_deletion_is_refused_while_files_wait(site: Site):
    site.made_ready("holder", "refuse")
    site.put("holder", 2)
    wait_for("its files are told", lambda: site.status("holder").get("waiting") == 2)
    with pytest.raises(ToolchainError, match="holder: found 2 files waiting"):
        site.delete("function", "holder")
    site.empty("holder")
    wait_for("they are gone", lambda: site.status("holder").get("waiting") == 0)
    site.delete("function", "holder")
    site.gone("function", "holder")


def test_files_that_came_just_before_a_deletion_hold_it(site: Site):
    site.made_ready("late", "refuse")
    site.processes[-1].send_signal(signal.SIGSTOP)
    site.put("late", 1)
    site.delete("function", "late")  # let through: the status does not know of the file yet
    site.processes[-1].send_signal(signal.SIGCONT)
    wait_for("it says so", lambda: "HoldsFiles" in str(site.status("late")))
    assert site.backlog("late").tasks == 1
    site.empty("late")
    site.gone("function", "late")


def is_refused_and_obeys_the_flag(site: Site, function: str, told: str) -> None:
    """The end of a function's input bucket, which holds data."""
    bucket = f"{function}-in"
    with pytest.raises(ToolchainError, match=told):
        site.delete("bucket", bucket)
    site.delete("function", function)
    site.gone("function", function)
    site.let_data_go(bucket)
    site.delete("bucket", bucket)
    site.gone("bucket", bucket)
    assert not site.has_bucket(bucket)


def test_a_bucket_with_data_is_refused_by_name_and_obeys_the_flag(site: Site):
    site.made_ready("full")
    site.upload("full-in", "a", "b")
    wait_for("it is counted", lambda: site.get("bucket", "full-in")["status"]["objects"] == 2)
    is_refused_and_obeys_the_flag(site, "full", r"full-in \(2 objects\) holds data")


def test_only_a_bucket_that_the_platform_made_goes_with_its_object(site: Site):
    site.make_bucket("maker-in")
    site.made_ready("maker")
    told = {name: str(site.get("bucket", name)["status"]) for name in ("maker-in", "maker-out")}
    assert "was there before, and stays" in told["maker-in"]
    assert "goes with this object" in told["maker-out"]
    site.delete("function", "maker")
    site.gone("function", "maker")
    for each in told:
        site.delete("bucket", each)
        site.gone("bucket", each)
    assert (site.has_bucket("maker-in"), site.has_bucket("maker-out")) == (True, False)


def test_old_versions_are_refused_by_name_and_go_with_the_flag(site: Site):
    site.made_ready("aged")
    site.keep_versions("aged-in")
    site.upload("aged-in", "folder/a", "b")
    site.upload("aged-in", "folder/a")
    site.remove_objects("aged-in", "folder/a", "b")
    assert site.keys("aged-in") == []
    wait_for("they are counted", lambda: site.get("bucket", "aged-in")["status"].get("oldVersions") == 5)
    is_refused_and_obeys_the_flag(site, "aged", r"aged-in \(5 old versions\) holds data")


def test_an_invalid_change_is_told_and_the_function_can_still_go(site: Site):
    """What the API server lets through and no pod can be made of."""
    site.made_ready("wrong")
    change = '{"spec":{"secrets":["headrace-worker"]}}'
    site.box.kubectl("patch", "function", "wrong", "-n", site.space, "--type=merge", "-p", change)
    wait_for("it says so", lambda: "spec.secrets: found headrace-worker" in str(site.status("wrong")))
    site.delete("function", "wrong")
    site.gone("function", "wrong")


def test_a_pool_shows_its_nodes_and_whether_it_can_be_used(site: Site):
    """The scaler does not run here: it would take away nodes that it did not order."""
    pool, cloud = f"shown{os.getpid()}", f"cloud{os.getpid()}"
    site.box.apply(pool_object(pool, nodes=3), pool_object(cloud, driver="eks"))
    nodes = site.box.fake_nodes(3, pool=pool, prefix=pool)
    wait_for("its nodes are told", lambda: site.status_of_pool(pool).get("ready") == len(nodes))
    header, row = site.box.kubectl("get", "nodepools", pool).splitlines()
    assert header.split() == ["NAME", "DRIVER", "NODES", "NODES", "READY", "MIN", "MAX", "READY", "AGE"]
    assert row.split()[:4] == [pool, "kwok", "3", "3"]
    assert row.split()[-2] == "True"
    wait_for("it says so", lambda: "DriverUnsupported" in str(site.status_of_pool(cloud)))
    assert "driver eks needs a cluster of Amazon EKS" in str(site.status_of_pool(cloud))
    before = site.get("nodepool", pool)["metadata"]["resourceVersion"]
    for number in range(3):  # as their kubelets do all the time
        site.box.kubectl("annotate", "--overwrite", "node", *nodes, f"tests/beat={number}")
        time.sleep(1)
    assert site.get("nodepool", pool)["metadata"]["resourceVersion"] == before
    site.box.kubectl("cordon", nodes[0])
    wait_for("that is told", lambda: site.status_of_pool(pool).get("ready") == len(nodes) - 1)
    site.box.kubectl("delete", "node", *nodes)
    wait_for("they are gone", lambda: site.status_of_pool(pool).get("nodes") == 0)
    site.box.kubectl("delete", "nodepool", pool, cloud)


def test_killed_in_the_middle_nothing_is_left_half_done(site: Site):
    site.made_ready("dying", "purge")
    site.put("dying", 5)
    for number in range(5):
        site.apply(f"many-{number}", "purge")
    site.delete("function", "dying")
    site.processes[-1].send_signal(signal.SIGKILL)
    site.processes.pop().wait(10)
    site.start()
    site.gone("function", "dying")
    assert site.backlog("dying") is None
    for number in range(5):
        name = f"many-{number}"
        wait_for(f"{name} is ready", lambda name=name: site.is_ready("function", name))


def test_a_standby_takes_over_at_once_when_the_leader_ends_in_order(site: Site):
    leader = site.processes[-1]
    site.start()
    wait_for("the standby is ready", lambda: answers(site.port))
    leader.terminate()
    assert leader.wait(30) == 0
    site.processes.remove(leader)
    site.made_ready("after")


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    except OSError:
        return False


def test_the_platforms_bucket_goes_last_and_names_what_is_there(site: Site):
    real = site.settings.platform_bucket
    bucket = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Bucket",
        "metadata": {"name": "headrace-platform", "namespace": site.platform},
        "spec": {"name": real},
    }
    site.box.apply(bucket)
    wait_for("it is there", lambda: site.is_ready("bucket", "headrace-platform", site.platform))
    site.made_ready("last")
    site.upload("last-in", "a")
    wait_for("it is counted", lambda: site.get("bucket", "last-in")["status"]["objects"] == 1)
    wait_for(
        "the platform's bucket knows",
        lambda: "last-in" in site.get("bucket", "headrace-platform", site.platform)["status"]["message"],
    )
    with pytest.raises(ToolchainError, match=r"functions are there: .*last.*last-in \(1 object\)"):
        site.delete("bucket", "headrace-platform", site.platform)
    for each in site.box.get("functions", "-n", site.space)["items"]:
        site.delete("function", each["metadata"]["name"])
    site.box.apply({**bucket, "spec": {"name": real, "onDelete": "delete"}})
    site.delete("bucket", "headrace-platform", site.platform)
    site.gone("bucket", "headrace-platform", site.platform)
    assert site.box.get("functions,buckets", "-n", site.space)["items"] == []
    assert not site.has_bucket("last-in")
    assert not site.has_bucket(real)
