"""Two tenants on one platform, by Pulumi: functions of one name, each with files and rights of its own."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headrace.model.resources import CPU
from headrace.model.settings import Settings
from headrace.nodes.cluster import sighting_of
from tests.e2e.evidence import list_keys, plain_client
from tests.e2e.kubernetes.site import FUNCTIONS, GONE, Commands, Site, loaded, site_on, wait_until
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images

NAMES = ("headrace", "headrace-test-nats", "headrace-test-seaweedfs", "headrace-test-debian")
IMAGE = "headrace-test-debian"
FUNCTION = "shared"
LAB, WARD, NOBODY = "lab", "ward", ""
BUCKETS = {"uploads": {}, "results": {}}
FILES, FLOOD = 5, 600

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site(cluster: Box, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The platform with two tenants; one of them may take images of one repository alone.

    It goes with all data, that of tenants too.
    """
    references = loaded(cluster, images, NAMES)
    found = site_on(cluster, references, tmp_path_factory.mktemp("site"))
    found.configure(tenants=tenants_of(found), platformBucket=GONE)
    found.platform.up()
    for tenant in (LAB, WARD, NOBODY):
        found.box.kubectl("apply", "-f", "-", stdin=json.dumps(function_of(found, tenant)))
    yield found
    found.platform.destroy()
    assert [found.get("namespace", each) for each in (LAB, WARD, FUNCTIONS)] == [None] * 3


def tenants_of(site: Site) -> dict[str, Any]:
    repository = site.images[IMAGE].partition("@")[0].rpartition(":")[0]
    return {
        LAB: {"weight": 2, "buckets": BUCKETS, "images": [{"repository": repository, "digest": "optional"}]},
        WARD: {"quota": {"workers": 1}, "buckets": BUCKETS},
    }


def function_of(site: Site, tenant: str, *, name: str = FUNCTION, **spec: Any) -> dict[str, Any]:
    """It says whose it is, and copies its file."""
    output = '"$TMP_OUTPUT_DIR/${INPUT_FILE_PATH##*/}"'
    source = f'{{ echo "{tenant or "nobody"}"; cat "$INPUT_FILE_PATH"; }} >{output}'
    usual = {
        "image": site.images[IMAGE],
        "run": {"script": "copy.sh", "source": source},
        "input": [{"bucket": "uploads", "prefix": "in/"}],
        "output": [{"bucket": "results", "prefix": "out/"}],
        "resources": {"cpu": "50m", "memory": "64Mi", "ephemeralStorage": "64Mi"},
        "scale": {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": 2},
        "security": {"runAsUser": 1000},
    }
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name, "namespace": tenant or FUNCTIONS},
        "spec": usual | spec,
    }


def real(tenant: str, logical: str) -> str:
    return f"{tenant}-{logical}" if tenant else logical


def client_of(commands: Commands) -> Any:
    storage = Settings.from_json((commands.state / "settings.json").read_bytes()).storage
    return plain_client(storage.endpoint, storage.access_key, storage.secret_key)


def ready(site: Site, tenant: str, name: str = FUNCTION) -> Any:
    """The condition of a function, once it has been looked at."""
    found = site.get("functions", name, tenant or FUNCTIONS) or {}
    conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", [])}
    return conditions.get("Ready")


def test_functions_of_one_name_work_each_its_tenants_files(site: Site) -> None:
    for tenant in (LAB, WARD, NOBODY):
        wait_until(lambda t=tenant: (ready(site, t) or {}).get("status") == "True", f"{tenant} is ready")
    with site.connected() as commands:
        client = client_of(commands)
        for tenant in (LAB, WARD, NOBODY):
            for number in range(FILES):
                body = f"{number} of {tenant or 'nobody'}\n".encode()
                client.put_object(Bucket=real(tenant, "uploads"), Key=f"in/{number}", Body=body)
        for tenant in (LAB, WARD, NOBODY):
            place = real(tenant, "results")
            wait_until(lambda p=place: len(list_keys(client, p)) == FILES, f"results in {place}")
            bodies = [
                client.get_object(Bucket=place, Key=key)["Body"].read() for key in list_keys(client, place)
            ]
            owner = tenant or "nobody"
            assert sorted(bodies) == [f"{owner}\n{n} of {owner}\n".encode() for n in range(FILES)]
        for name in (f"{LAB}.{FUNCTION}", f"{WARD}.{FUNCTION}", FUNCTION):
            assert len(list_keys(client, "headrace", f"records/{name}/")) == FILES
        told = commands.json("status")["functions"]
        assert {each["function"]: each["done"] for each in told} == {
            f"{LAB}.{FUNCTION}": FILES,
            f"{WARD}.{FUNCTION}": FILES,
            FUNCTION: FILES,
        }


def test_a_tenants_workers_have_keys_of_their_own(site: Site) -> None:
    """By the keys that its pods are given, a tenant reaches what is its own and nothing of another's."""
    told = {tenant: worker_settings(site, tenant) for tenant in (LAB, WARD, NOBODY)}
    assert len({each.storage.secret_key for each in told.values()}) == 3
    assert len({each.queue.password for each in told.values()}) == 3
    with site.connected() as commands:
        endpoint = Settings.from_json((commands.state / "settings.json").read_bytes()).storage.endpoint
        client = plain_client(endpoint, told[LAB].storage.access_key, told[LAB].storage.secret_key)
        assert list_keys(client, real(LAB, "results"))
        for place in (real(WARD, "results"), real(NOBODY, "results")):
            with pytest.raises(ClientError, match="AccessDenied"):
                list_keys(client, place)


def worker_settings(site: Site, tenant: str) -> Settings:
    found = site.get("secrets", "headrace-worker", tenant or FUNCTIONS)
    return Settings.from_json(base64.b64decode(found["data"]["settings.json"]))


@pytest.mark.parametrize("slots", ["several", "one"])
def test_a_flood_of_one_tenant_holds_up_no_other_and_goes_beyond_no_quota(site: Site, slots: str) -> None:
    """The node has room for some workers, or for one; the flood would take it for long."""
    request = "100m" if slots == "several" else f"{free_millicores(site) * 6 // 10}m"
    for tenant in (LAB, WARD):
        slow = function_of(site, tenant, name=f"slow-{slots}", **slow_spec(slots, request))
        site.box.kubectl("apply", "-f", "-", stdin=json.dumps(slow))
        wait_until(
            lambda t=tenant: (ready(site, t, f"slow-{slots}") or {}).get("status") == "True",
            f"{tenant} is ready",
        )
    with site.connected() as commands:
        client = client_of(commands)
        for number in range(FLOOD):
            client.put_object(Bucket=real(LAB, "uploads"), Key=f"{slots}/{number}", Body=b"x")
        wait_until(
            lambda: workers(site, LAB) >= (2 if slots == "several" else 1), "the flood has what it may"
        )
        for number in range(2):
            client.put_object(Bucket=real(WARD, "uploads"), Key=f"{slots}/{number}", Body=b"x")
        most = 0

        def are_done() -> bool:
            nonlocal most
            most = max(most, workers(site, WARD))
            return len(list_keys(client, real(WARD, "results"), f"{slots}/")) == 2

        wait_until(are_done, "the other tenant's files")
        assert most == 1, "its quota: one worker"
        waiting = FLOOD - len(list_keys(client, real(LAB, "results"), f"{slots}/"))
        assert waiting > FLOOD // 2, "the flood was far from its end"
    for tenant in (LAB, WARD):
        site.box.kubectl("delete", "functions", f"slow-{slots}", f"--namespace={tenant}")


def slow_spec(slots: str, request: str) -> dict[str, Any]:
    """A file is two seconds of work."""
    place = f"{slots}/"
    return {
        "run": {"script": "slow.sh", "source": 'sleep 2; cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/"'},
        "input": [{"bucket": "uploads", "prefix": place}],
        "output": [{"bucket": "results", "prefix": place}],
        "resources": {"cpu": request, "memory": "64Mi", "ephemeralStorage": "64Mi"},
        "scale": {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": 8},
        "onDelete": "purge",
    }


def free_millicores(site: Site) -> int:
    """What workers may have of the node, once those of other tests have left."""
    wait_until(lambda: not any(workers(site, each) for each in (LAB, WARD, NOBODY)), "no worker is there")
    (node,), pods = (
        site.get("nodes"),
        site.box.get("pods", "--all-namespaces")["items"],
    )
    return sighting_of(node, pods).allocatable[CPU]


def workers(site: Site, tenant: str) -> int:
    """Its pods that have not ended."""
    pods = site.get("pods", namespace=tenant or FUNCTIONS)
    return sum(pod["status"].get("phase") in ("Pending", "Running") for pod in pods)


@pytest.mark.parametrize(
    ("tenant", "spec", "told"),
    [
        (LAB, {"image": "elsewhere.example/debian:12"}, "tenant lab: image"),
        (WARD, {"input": [{"bucket": "of-the-lab"}]}, "found of-the-lab, allowed results, uploads"),
    ],
)
def test_what_a_tenant_may_not_have_is_told_and_gets_no_worker(
    site: Site, tenant: str, spec: dict[str, Any], told: str
) -> None:
    refused = function_of(site, tenant, name="refused", **spec)
    site.box.kubectl("apply", "-f", "-", stdin=json.dumps(refused))
    try:
        condition = wait_until(lambda: ready(site, tenant, "refused"), "it is looked at")
        assert (condition["status"], told in condition["message"]) == ("False", True), condition
    finally:
        site.box.kubectl("delete", "functions", "refused", f"--namespace={tenant}")


def test_a_tenant_is_taken_out_once_it_has_left_nothing(site: Site) -> None:
    """Refused before anything is done, so its functions work on; then it goes, and others stay."""
    site.platform.configure(tenants={LAB: tenants_of(site)[LAB]})
    told = site.platform.up(fails=True)
    assert "tenants.ward: found it taken out with functions/shared, buckets/results, buckets/uploads" in told
    assert site.settings("controller").kubernetes.tenants[1].name == WARD
    space = f"--namespace={WARD}"
    for bucket in BUCKETS:
        site.box.kubectl(
            "patch", "bucket", bucket, space, "--type=merge", "--patch", json.dumps({"spec": GONE})
        )
    site.box.kubectl("delete", "functions,buckets", "--all", space)
    site.platform.up()
    assert site.get("namespace", WARD) is None
    assert [each.name for each in site.settings("controller").kubernetes.tenants] == [LAB]
    with site.connected() as commands:
        client = client_of(commands)
        client.put_object(Bucket=real(LAB, "uploads"), Key="in/more", Body=b"more")
        wait_until(lambda: "out/more" in list_keys(client, real(LAB, "results")), "the other tenant's result")
