"""What both ways of one_job_a_file stand on: a cluster in a box with Headrace on it, its store, its counters.

The node says that it has more cores than the machine: requests shall bind nothing, so that the slots are
what binds. What runs there shares the machine's own cores all the same.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from headrace.model.labels import API_VERSION
from headrace.model.settings import StorageSettings
from tests.bench.api_server import calls
from tests.e2e.evidence import list_keys
from tests.e2e.kubernetes.site import FUNCTIONS, LOCAL_POOL, PLATFORM, SERVERS, Site, site_on, wait_until
from tests.fixtures.cluster import die_with_test
from tests.toolchain.cluster import commands, finding
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.cluster.place import Place
from tests.toolchain.images.store import Images
from tests.toolchain.places import Places
from tests.toolchain.running import output_of

PODS = "198.19.0.0/16"  # pods of every box (tests/toolchain/cluster/addresses.py)
SAID_CORES = 16
CONNECTIONS = 20  # to the store
CPUS, NUMA_NODES = Path("/sys/devices/system/cpu"), Path("/sys/devices/system/node")
BUCKETS = ("bench-in", "bench-out")
FILE_SECONDS = 2
SCRIPT = f'sleep {FILE_SECONDS}; wc -c <"$INPUT_FILE_PATH" >"$TMP_OUTPUT_DIR/${{INPUT_FILE_PATH##*/}}.txt"'
DEBIAN, OSCAR = "headrace-test-debian", "headrace-test-oscar"
NAMES = ("headrace", *SERVERS.values(), DEBIAN, OSCAR)


@dataclass(frozen=True, slots=True)
class Ground:
    """The platform, up and idle; `client` is one of the store with a worker's rights."""

    site: Site
    client: Any
    storage: StorageSettings  # as pods reach it

    def upload(self, key: str) -> None:
        """One input of a kilobyte."""
        self.client.put_object(Bucket=BUCKETS[0], Key=key, Body=b"x" * 1024)

    def results(self, prefix: str) -> int:
        """How many there are; asks the store and not the API server."""
        return len(list_keys(self.client, BUCKETS[1], prefix))

    def idle_calls(self, seconds: float) -> float:
        """Calls a second while nothing is worked."""
        before = calls(self.site.box)
        time.sleep(seconds)
        return (calls(self.site.box) - before) / seconds


@contextmanager
def ground(base: Path) -> Iterator[Ground]:
    """Bring it up by Pulumi's commands, and take all of it down. Raises ToolchainError for what lacks."""
    places = Places.of(os.environ)
    images = {name: Images(places)[name] for name in NAMES}
    started = commands.up(Place(base / "box"), Kind.CLUSTER, places, bound=die_with_test)
    try:
        box = started.box
        _say_cores(box, base / "cores")
        for image in images.values():
            box.load_image(image.archive)
        site = site_on(box, {name: image.reference for name, image in images.items()}, base / "site")
        _configure(site)
        site.platform.up()
        yield _ready(site)
    finally:
        started.end()


def _say_cores(box: Box, folder: Path) -> None:
    """Kubelet counts folders of sysfs: it is shown others, in the box's own mounts, and starts again.

    https://github.com/google/cadvisor/blob/master/utils/sysinfo/sysinfo.go
    """
    cpus, nodes = folder / "cpu", folder / "node"
    nodes.mkdir(parents=True)
    for number in range(SAID_CORES):
        topology = cpus / f"cpu{number}" / "topology"
        topology.mkdir(parents=True)
        (topology / "core_id").write_text(f"{number}\n")
        (topology / "physical_package_id").write_text("0\n")
    (kubelet,) = finding.children(box.place, "kubelet")
    for shown, target in ((cpus, CPUS), (nodes, NUMA_NODES)):
        output_of(["nsenter", f"--target={kubelet}", "--mount", "mount", "--bind", str(shown), str(target)])
    box.kill("kubelet")
    wait_until(
        lambda: box.get("node", box.node)["status"]["capacity"]["cpu"] == str(SAID_CORES),
        f"kubelet tells of {SAID_CORES} cores",
    )
    box.kubectl("wait", "--for=condition=Ready", f"node/{box.node}", "--timeout=60s")


def _configure(site: Site) -> None:
    """The store is open to this machine, which uploads, and to pods of every namespace, OSCAR's too."""
    clients = [f"{site.box.host}/32", PODS]
    site.configure(store={"seaweedfs": {"entrance": {"clients": clients}}})
    capacity = {"cpu": str(SAID_CORES), "memory": "16Gi"}
    site.platform.configure(
        pools={LOCAL_POOL: {"driver": "static", "capacity": capacity, "minNodes": 1, "maxNodes": 1}}
    )


def _ready(site: Site) -> Ground:
    storage = site.settings("worker").storage
    address = site.get("service", "seaweedfs", PLATFORM)["spec"]["clusterIP"]
    port = storage.endpoint.rpartition(":")[2]
    return Ground(site, _client(f"http://{address}:{port}", storage), storage)


def _client(endpoint: str, storage: StorageSettings) -> Any:
    """One that is patient: on busy cores the store may be late."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=storage.access_key,
        aws_secret_access_key=storage.secret_key,
        region_name=storage.region,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 10},
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path"},
        ),
    )


def folder_of(slots: int) -> str:
    """Of the inputs and the results of the function with so many workers; its name, too."""
    return f"slots-{slots}"


def declare(site: Site, slots: int) -> None:
    """That function, ready: so many workers at most, all at once, and none soon after the last file."""
    name = folder_of(slots)
    spec = {
        "image": site.images[DEBIAN],
        "run": {"script": "sleep.sh", "source": SCRIPT},
        "input": [{"bucket": BUCKETS[0], "prefix": f"{name}/"}],
        "output": [{"bucket": BUCKETS[1], "prefix": f"{name}/"}],
        "resources": {"cpu": "200m", "memory": "64Mi", "ephemeralStorage": "64Mi"},
        "scale": {"maxWorkers": slots, "maxWaitSeconds": 0, "idleSeconds": 5},
        "security": {"runAsUser": 1000},  # a plain Debian image says root
    }
    metadata = {"name": name, "namespace": FUNCTIONS}
    manifest = {"apiVersion": API_VERSION, "kind": "Function", "metadata": metadata, "spec": spec}
    site.box.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    wait_until(lambda: site.status(name).get("digest"), f"function {name} is ready")
