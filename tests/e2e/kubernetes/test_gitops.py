"""A cluster from nothing by rendered files and the command for secrets, without `pulumi up`.

kubectl stands in for Flux and Argo CD: it applies the same folders in the same order.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from headrace.local.samples import REAL_CLIP
from tests.e2e.evidence import plain_client
from tests.e2e.kubernetes import upgrade
from tests.e2e.kubernetes.site import (
    GONE,
    PLATFORM,
    Commands,
    Site,
    give_up_idle_workers_soon,
    loaded,
    site_on,
    wait_until,
)
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images
from tests.toolchain.running import ToolchainError

NAMES = ("headrace", "echo", "headrace-test-nats", "headrace-test-seaweedfs")

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(cluster: Box, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both stacks' files, and what a repository would hold; nothing is on the cluster yet."""
    references = loaded(cluster, images, NAMES)
    found = site_on(cluster, references, tmp_path_factory.mktemp("gitops"))
    give_up_idle_workers_soon(found.functions, "echo")
    found.configure("echo", platformBucket=GONE)
    found.functions.configure(buckets=dict.fromkeys(("uploads", "results"), GONE))
    render(found)
    yield found
    # By hand and in this order, as docs/gitops.md says: the controller lets buckets go, while it is there.
    cluster.kubectl("delete", "--ignore-not-found", "-k", str(found.folder / "functions"))
    cluster.kubectl("delete", "--ignore-not-found", "bucket", "headrace-platform", f"--namespace={PLATFORM}")
    for folder in ("platform/platform", "platform/ground"):
        cluster.kubectl("delete", "--ignore-not-found", "-k", str(found.folder / folder))


@pytest.fixture(scope="module")
def commands(site: Site) -> Iterator[Commands]:
    """`headrace connect` beside the tests."""
    with site.connected() as found:
        yield found


def gitops(site: Site, *arguments: str) -> str:
    """What `python -m infra.gitops` tells, in the checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.gitops", *arguments],
        cwd=site.platform.folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def render(site: Site) -> None:
    for project in ("platform", "functions"):
        gitops(site, "render", "test", "--project", project, "--out", str(site.folder / project))


def apply(site: Site, folder: str) -> str:
    where = str(site.folder / folder)
    return site.box.kubectl("apply", "--server-side", "--field-manager=sync", "-k", where)


def is_ready(site: Site) -> bool:
    """Whether the pods of every workload are as the files want them."""
    found = site.get("deployments,statefulsets", namespace=PLATFORM)
    return len(found) == 5 and all(_is_ready(each) for each in found)


def _is_ready(workload: Mapping[str, Any]) -> bool:
    status, wanted = workload.get("status", {}), workload["spec"]["replicas"]
    current = status.get("observedGeneration") == workload["metadata"]["generation"]
    counts = (status.get("updatedReplicas"), status.get("readyReplicas"), status.get("replicas"))
    return bool(current and counts == (wanted, wanted, wanted))


def classify(commands: Commands, key: str) -> Any:
    """The answer to a clip."""
    settings = json.loads((commands.state / "settings.json").read_text())["storage"]
    client = plain_client(settings["endpoint"], settings["accessKey"], settings["secretKey"])
    clip = Path(pydicom.data.get_testdata_file(REAL_CLIP)).read_bytes()
    client.put_object(Bucket="uploads", Key=key, Body=clip)

    def there() -> bool:
        found = client.list_objects_v2(Bucket="results", Prefix=f"{key}.json")
        return bool(found.get("Contents"))

    wait_until(there, f"{key} has its result")
    return json.loads(client.get_object(Bucket="results", Key=f"{key}.json")["Body"].read())


def test_files_come_first_and_their_pods_wait_for_the_secrets(site: Site) -> None:
    apply(site, "platform/ground")
    kinds = ("functions", "buckets", "nodepools", "gpuservers")
    site.box.kubectl(
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        *(f"crd/{kind}.headrace.dev" for kind in kinds),
    )
    apply(site, "platform/platform")
    apply(site, "functions")
    assert site.get("secrets", namespace=PLATFORM) == []
    assert not is_ready(site)
    told = gitops(site, "secrets", "test")
    assert "made now: credentials-authority" in told
    assert "secrets: 8 new; restarted: nothing" in told
    wait_until(lambda: is_ready(site), "every pod is ready")


def test_a_file_in_a_result_out(site: Site, commands: Commands) -> None:
    assert classify(commands, "echo/first.dcm")["view"]


def test_what_is_there_already_is_left_as_it_is(site: Site) -> None:
    before = upgrade.objects(site)
    assert "made now: nothing; all was kept" in (told := gitops(site, "secrets", "test"))
    assert "secrets: 8 unchanged; restarted: nothing" in told
    for folder in ("platform/ground", "platform/platform", "functions"):
        apply(site, folder)
    assert upgrade.changed(before, upgrade.objects(site)) == set()


def test_rotated_passwords_reach_every_pod(site: Site, commands: Commands) -> None:
    former = site.settings("receiver").queue.password
    site.platform.configure(rotation={"passwords": 2})
    told = gitops(site, "secrets", "test")
    # The files' marks, which know of the rotation, are yet to come and restart the pods.
    assert "restarted: nothing" in told
    assert site.settings("receiver").queue.password != former
    render(site)
    apply(site, "platform/platform")
    wait_until(lambda: is_ready(site), "every pod is ready again")
    with site.connected() as anew:
        assert classify(anew, "echo/second.dcm")["view"]


def test_what_holds_data_is_refused_to_a_person_too(site: Site) -> None:
    site.platform.configure(platformBucket={"onDelete": "refuse"})
    render(site)
    apply(site, "platform/platform")
    try:
        with pytest.raises(ToolchainError, match="uploads"):
            site.box.kubectl(
                "delete", "bucket", "headrace-platform", f"--namespace={PLATFORM}", "--wait=false"
            )
    finally:
        site.platform.configure(platformBucket=GONE)
        render(site)
        apply(site, "platform/platform")
