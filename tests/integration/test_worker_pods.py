"""Worker pods as real Kubernetes judges them: its API server with all admission, a node that runs them."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headrace.manifests.worker_pod import LEAVING, RUNNER, worker_pod
from headrace.model.function import Function, digest_of
from headrace.model.pool import Driver, NodePool
from headrace.model.record import FailureRecord, Record
from headrace.model.settings import KubernetesSettings, SidecarSettings
from headrace.placement.inventory import inventory_of
from headrace.placement.ways import choose_way
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.integration.worker_site import PATIENCE_SECONDS, Site, site, until
from tests.toolchain.cluster.box import Box
from tests.toolchain.running import ToolchainError

SECURITY = "pod-security.kubernetes.io"
SUPERVISOR_PROCESS = "headrace.worker"


def function(**spec: object) -> Function:
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo"},
        "spec": {
            "image": "registry.example/echo@sha256:" + "2" * 64,
            "run": {"handler": "echo:Classifier"},
            "input": [{"bucket": "uploads"}],
            **spec,
        },
    }
    return Function.from_json(json.dumps(document))


WHOLE_GPU = NodePool.model_validate(
    {
        "api_version": "headrace.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": "gpu"},
        "spec": {
            "driver": Driver.KWOK,
            "capacity": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"},
            "max_nodes": 1,
        },
    }
)


def pod(namespace: str, **spec: object) -> dict[str, Any]:
    settings = KubernetesSettings(
        namespace=namespace,
        platform_namespace="headrace",
        sidecar=SidecarSettings(image="registry.example/headrace:1"),
    )
    made = function(**spec)
    way = choose_way(made, inventory_of([WHOLE_GPU], ())).way
    return worker_pod(made, digest_of(made, {}), ordinal=0, node="n0", settings=settings, pool="p", way=way)


@pytest.fixture(scope="module")
def namespaces(control_plane: Box) -> Mapping[str, str]:
    """A namespace that enforces each of the pod security standards, with the function's account in it."""
    made = {profile: f"pods-{profile}" for profile in ("restricted", "baseline")}
    for profile, name in made.items():
        labels = {f"{SECURITY}/enforce": profile, f"{SECURITY}/enforce-version": "latest"}
        account = {"name": "headrace-echo", "namespace": name}
        control_plane.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        )
    return made


def create(box: Box, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A dry run: admitted and defaulted, not stored. Unknown or doubled fields are refused."""
    arguments = ("create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")
    return json.loads(box.kubectl(*arguments, stdin=json.dumps(manifest)))


SPECS: tuple[dict[str, object], ...] = (
    {},
    {"run": {"script": "script.sh", "source": "exit 0"}},
    {"run": {"http": {"port": 8080, "path": "/predict"}}, "batch": {"maxFiles": 4}},
    {"secrets": ["token"], "environment": {"THRESHOLD": "0.5", "PRICE": "$(HOME) $5"}},
    {"gpu": {"count": 2}, "nodeSelector": {"zone": "lab"}, "tolerations": [{"operator": "Exists"}]},
    {"security": {"runAsUser": 1000, "writableRoot": True}, "imagePullSecrets": ["registry"]},
    {"volumes": [{"name": "models", "claim": "models", "mountPath": "/models"}]},
    {"delivery": {"timeoutSeconds": 0.5}, "resources": {"cpu": "250m", "memory": "1.5Gi"}},
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: ",".join(spec) or "plain")
def test_every_kind_of_worker_is_admitted_where_pods_must_be_restricted(control_plane, namespaces, spec):
    sent = pod(namespaces["restricted"], **spec)
    admitted = create(control_plane, sent)
    (user,), (wanted,) = admitted["spec"]["containers"], sent["spec"]["containers"]
    assert (user.get("command"), user.get("lifecycle")) == (wanted.get("command"), _hooks(wanted))


def _hooks(container: Mapping[str, Any]) -> dict[str, Any] | None:
    """As the API server completes them."""
    if "lifecycle" not in container:
        return None
    return {"preStop": {"httpGet": {**container["lifecycle"]["preStop"]["httpGet"], "scheme": "HTTP"}}}


def test_no_container_of_a_worker_gets_a_token_of_kubernetes(control_plane, namespaces):
    admitted = create(control_plane, pod(namespaces["restricted"]))["spec"]
    assert [volume["name"] for volume in admitted["volumes"]] == ["shared", "function", "settings", "tmp"]
    assert [
        mount["mountPath"]
        for container in (*admitted["initContainers"], *admitted["containers"])
        for mount in container["volumeMounts"]
        if "serviceaccount" in mount["mountPath"]
    ] == []


BASELINE = {"security": {"profile": "baseline"}}


def test_a_baseline_function_runs_only_where_baseline_is_allowed(control_plane, namespaces):
    create(control_plane, pod(namespaces["baseline"], **BASELINE))
    with pytest.raises(ToolchainError, match='violates PodSecurity "restricted'):
        create(control_plane, pod(namespaces["restricted"], **BASELINE))


def test_the_implied_toleration_is_the_one_that_kubernetes_adds(control_plane, namespaces):
    admitted = create(control_plane, pod(namespaces["restricted"], gpu={"count": 1}))
    own = [each for each in admitted["spec"]["tolerations"] if each.get("key") == "nvidia.com/gpu"]
    assert own == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


# On a real node

Images = Mapping[str, tuple[Path, str]]  # name -> archive, reference


@pytest.fixture
def servers(nats_server: NatsServer, seaweedfs: SeaweedServer) -> tuple[NatsServer, SeaweedServer]:
    return nats_server, seaweedfs


@pytest.fixture(scope="session")
def loaded(cluster: Box, images: Images) -> Images:
    """The images, which the node has."""
    for name in ("headrace", "headrace-test-debian"):
        cluster.load_image(images[name][0])
    return images


def worker(loaded: Images, **spec: object) -> Function:
    """A function named for one test, on a plain Debian."""
    document = json.loads(function(**spec).to_json())
    document["metadata"]["name"] = f"f{uuid.uuid4().hex[:8]}"
    document["spec"] |= {
        "output": [{"bucket": "results", "prefix": "out/"}],
        "security": {"runAsUser": 1000},
        "resources": {"cpu": "100m", "memory": "64Mi", "ephemeralStorage": "64Mi"},
        "image": spec.get("image", loaded["headrace-test-debian"][1]),
    }
    return Function.from_json(json.dumps(document))


def script(source: str) -> dict[str, object]:
    return {"run": {"script": "script.sh", "source": source}}


WORKS = """
echo "token $TOKEN of $STORAGE_OBJECT_KEY as $(id -u)"
umask 077
tr a-z A-Z <"$INPUT_FILE_PATH" >"$TMP_OUTPUT_DIR/${STORAGE_OBJECT_KEY##*/}.out"
ls /etc/headrace /var/run/secrets 2>&1 | grep -v "No such file"
(echo x >/root-is-writable) 2>/dev/null && echo "the root is writable"
exit 0
"""


async def test_a_script_on_a_plain_image_works_files_and_its_pod_ends_well(cluster, loaded, servers):
    made = worker(loaded, **script(WORKS), secrets=["token"])
    async with site(cluster, loaded, servers, made, {"TOKEN": "a-secret-value"}) as at:
        name = at.start()
        one, two = await at.upload("one.txt", "two.txt", content=b"clip")
        records = [await at.ended(task) for task in (one, two)]
        assert [record.log for record in records] == [
            "token *** of one.txt as 1000\n",
            "token *** of two.txt as 1000\n",
        ], at.state()
        assert await at.result("out/one.txt.out") == b"CLIP"
        assert {(record.worker, record.runtime) for record in records} == {(name, "kubernetes")}
        first = await at.first_process(name)
        at.delete(name)
        await until(lambda: name not in at.pods(), "the pod is gone")
        assert not Path(f"/proc/{first}").exists()


async def test_a_worker_told_to_leave_finishes_its_file_and_hands_back_the_rest(cluster, loaded, servers):
    source = 'sleep 4; cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/${STORAGE_OBJECT_KEY##*/}"'
    async with site(cluster, loaded, servers, worker(loaded, **script(source))) as at:
        name = at.start()
        tasks = await at.upload("a", "b", "c", content=b"clip")
        await at.first_process(name)
        await _leases(at, 2)  # one runs, one is staged ahead
        at.delete(name)
        record = await at.ended(tasks[0])
        await until(lambda: name not in at.pods(), "the pod is gone")
        assert isinstance(record, Record)
        second = at.start(1)
        ends = [await at.ended(task) for task in tasks[1:]]
        assert [(end.worker, end.attempt_number) for end in ends] == [(second, 1)] * 2, (
            "not left to their leases"
        )


@pytest.fixture
def serving(cluster: Box, loaded: Images) -> dict[str, object]:
    """The spec of a function whose image serves."""
    archive, image = loaded["headrace-test-serving"]
    cluster.load_image(archive)
    return {"run": {"http": {"port": 8080, "path": "/predict"}}, "image": image}


async def test_an_image_that_serves_answers_its_files_and_ends_only_after_its_worker(
    cluster, loaded, servers, serving
):
    async with site(cluster, loaded, servers, worker(loaded, **serving)) as at:
        name = at.start()
        (one,) = await at.upload("one.txt", content=b"clip")
        assert isinstance(await at.ended(one), Record), at.state()
        assert await at.result("out/one.txt") == b"CLIP"
        slow, later = await at.upload("slow.txt", "later.txt", content=b"slow")
        await _leases(at, 2)  # one is answered, one is staged ahead
        at.delete(name)
        assert isinstance(await at.ended(slow), Record), "the server's TERM has waited"
        await until(lambda: name not in at.pods(), "the pod is gone")
        second = at.start(1)
        ended = await at.ended(later)
        assert (ended.worker, ended.attempt_number) == (second, 1), "not left to its lease"


async def test_a_file_that_its_server_dies_of_counts_and_no_other(cluster, loaded, servers, serving):
    made = worker(loaded, **serving, delivery={"attempts": 1})
    async with site(cluster, loaded, servers, made) as at:
        name = at.start()
        (deadly,) = await at.upload("deadly.txt", content=b"die")
        ended = await at.ended(deadly)
        assert isinstance(ended, FailureRecord)
        assert ended.reason.startswith("killed, probably out of memory")
        await until(lambda: at.pods()[name]["status"]["phase"] == "Failed", "the pod has ended")
        (behind,) = await at.upload("behind.txt", content=b"clip")
        at.start(1)
        assert isinstance(await at.ended(behind), Record)


async def test_a_worker_deleted_while_it_starts_is_gone_at_once(cluster, loaded, servers):
    async with site(cluster, loaded, servers, worker(loaded, **script("exit 0"))) as at:
        name = at.start()
        await at.process(name, SUPERVISOR_PROCESS)  # which imports for a second before it hears a TERM
        at.delete(name)
        await until(lambda: name not in at.pods(), "the pod is gone, long before its grace ends")


async def test_a_users_container_that_missed_its_term_ends_all_the_same(cluster, loaded, servers):
    async with site(cluster, loaded, servers, worker(loaded, **script("exit 0"))) as at:
        name = at.start()
        await at.first_process(name)
        cluster.kubectl("exec", name, "-n", at.namespace, "-c", "supervisor", "--", "touch", LEAVING)
        await until(lambda: at.pods()[name]["status"]["phase"] == "Succeeded", "the pod has ended")


async def test_a_container_that_is_killed_counts_for_its_file_and_for_no_other(cluster, loaded, servers):
    spec = {**script("sleep 1000"), "delivery": {"attempts": 1}}
    async with site(cluster, loaded, servers, worker(loaded, **spec)) as at:
        name = at.start()
        tasks = await at.upload("a", "b", content=b"clip")
        await _leases(at, 2)
        await at.kill(name, RUNNER)
        failure = await at.ended(tasks[0])
        assert failure.reason == "killed, probably out of memory (limit 64 MiB); the container ended"
        await until(lambda: at.pods()[name]["status"]["phase"] == "Failed", "the pod has failed")
        (lease,) = await at.queue.pull(at.function.name, 2, wait_seconds=20.0)
        assert (lease.task, await at.ended_yet(tasks[1])) == (tasks[1], None), "handed back"


async def test_a_supervisor_that_dies_takes_its_pod_with_it(cluster, loaded, servers):
    async with site(cluster, loaded, servers, worker(loaded, **script("sleep 1000"))) as at:
        name = at.start()
        await at.upload("a")
        await _leases(at, 1)
        first = await at.first_process(name)
        await at.kill(name, SUPERVISOR_PROCESS)
        await until(lambda: at.pods()[name]["status"]["phase"] == "Failed", "the pod has failed")
        assert at.status(name)["terminated"]["exitCode"] == 70
        assert not Path(f"/proc/{first}").exists()


GREEDY = """
tail /dev/zero
exit $?
"""


async def test_a_file_that_needs_too_much_memory_fails_and_says_so(cluster, loaded, servers):
    spec = {**script(GREEDY), "delivery": {"attempts": 1}}
    async with site(cluster, loaded, servers, worker(loaded, **spec)) as at:
        at.start()
        (task,) = await at.upload("a")
        failure = await at.ended(task)
        assert failure.reason.startswith("killed, probably out of memory (limit 64 MiB)"), at.state()


async def test_an_image_that_cannot_be_pulled_costs_no_attempt_and_holds_no_task(cluster, loaded, servers):
    made = worker(loaded, **script("exit 0"), image="localhost:1/never:1")
    async with site(cluster, loaded, servers, made) as at:
        name = at.start()
        await at.upload("a")

        def reason() -> str:
            return at.status(name).get("waiting", {}).get("reason", "")

        await until(lambda: reason() in ("ErrImagePull", "ImagePullBackOff"), "the image can't be pulled")
        backlog = await at.queue.backlog(at.function.name)
        assert (backlog.tasks, backlog.leased) == (1, 0)
        at.delete(name)
        await until(lambda: name not in at.pods(), "the pod is gone")


async def test_a_worker_tells_what_it_holds(cluster, loaded, servers):
    async with site(cluster, loaded, servers, worker(loaded, **script("sleep 5"))) as at:
        await at.queue.standings()
        name = at.start()
        (task,) = await at.upload("a")
        held: set[int] = set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not {0, 1} <= held:
                standing = (await at.queue.standings()).get(name)
                held |= {standing.held} if standing else set()
                await asyncio.sleep(0.05)
        await at.ended(task)


async def _leases(at: Site, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await at.leased() < number:
            await asyncio.sleep(0.1)
