"""The scaler switches real hosts: nodes that kubeadm joined, with BMCs, off and on by the files that wait."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.kube.kinds import FUNCTIONS, NODE_POOLS
from headrace.kube.lightkube import LightKube
from headrace.manifests.definitions import definitions
from headrace.model.function import Function
from headrace.model.record import Record
from headrace.model.settings import HostsSettings, KubernetesSettings
from headrace.scaler.explaining import Explanation
from headrace.scaler.kubernetes.leading import Life, Parts
from headrace.scaler.settings import ScalerSettings
from tests.ansible.nodes import joined
from tests.ansible.playing import Stage, inventory
from tests.fixtures.bmc import PASSWORD, USER, Bmc, bmcs
from tests.fixtures.joinable import ENGINES, Yard, yard
from tests.fixtures.kube import settings_of
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.integration.worker_site import Site, until
from tests.integration.worker_site import site as worker_site
from tests.toolchain.cluster.box import Box
from tests.toolchain.machines import Machine, Machines
from tests.toolchain.needed import toolchain

POOL = "lab"
NAMES = ("node1", "node2", "node3")
DEAD = "broken"  # in the order of names it comes first
IMAGES = ("headrace", "headrace-test-debian")
SOURCE = 'sleep 2; cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/${STORAGE_OBJECT_KEY##*/}"'
BRISK = ScalerSettings(
    period_seconds=1.0, recovery_seconds=2.0, retries_power_on=2, max_wait_power_on_seconds=25.0
)
PATIENCE_SECONDS = 150.0

Images = Mapping[str, tuple[Path, str]]  # name -> archive, reference
pytestmark = pytest.mark.timeout(600)


@dataclass
class Dead:
    """A host whose BMC is well and whose system never starts."""

    is_on: bool = False

    def power_on(self) -> None:
        self.is_on = True

    def power_off(self) -> None:
        """It does not hear the button."""

    def cut(self) -> None:
        self.is_on = False


@dataclass
class Hosts:
    """Three nodes and a dead host, each behind a BMC."""

    grounds: Yard
    machines: list[Machine]
    bmcs: dict[str, Bmc]

    def on(self) -> set[str]:
        return {machine.name for machine in self.machines if machine.is_on}

    def inventory(self, folder: Path) -> Path:
        """As a person writes it."""
        password = folder / "bmc-password"
        password.write_text(PASSWORD)
        powered = inventory("powered", *self.machines)
        for name in self.bmcs.keys() - {machine.name for machine in self.machines}:
            powered["powered"]["hosts"][name] = {
                "ansible_host": "10.255.255.1", "node_power_off_seconds": 4,
            }  # fmt: skip
        powered["powered"]["vars"] |= {
            "node_power_method": "ipmi", "node_power_bmc_address": "127.0.0.1", "node_power_bmc_user": USER,
            "node_power_bmc_password_file": str(password), "node_power_answer_seconds": 1,
            "node_power_retry_seconds": 1, "node_power_off_seconds": 20,
        }  # fmt: skip
        for name, bmc in self.bmcs.items():
            powered["powered"]["hosts"][name]["node_power_bmc_port"] = bmc.port
        powered["lab"] = {"hosts": {name: {} for name in self.bmcs}}
        path = folder / "hosts.json"
        path.write_text(json.dumps(powered))
        return path


@pytest.fixture(scope="module")
def grounds(cluster: Box, site: Machines) -> Iterator[Yard]:
    toolchain(*ENGINES)
    with yard(cluster, site) as found:
        yield found


@contextmanager
def behind_bmcs(
    grounds: Yard, stage: Stage, images: Images, names: Sequence[str], *dead: str
) -> Iterator[Hosts]:
    """Nodes of these names, and hosts that never start."""
    for name in IMAGES:
        grounds.box.load_image(images[name][0])
    machines = joined(grounds, stage, *names, cluster_node_pool=POOL)
    for machine in machines:
        for name in IMAGES:
            grounds.load_image(machine, images[name][0])
    with bmcs({**{each.name: each for each in machines}, **{name: Dead() for name in dead}}) as found:
        yield Hosts(grounds, machines, found)
        for machine in machines:
            machine.cut()


@pytest.fixture
def one(grounds: Yard, stage: Stage, images: Images) -> Iterator[Hosts]:
    with behind_bmcs(grounds, stage, images, ["alone"]) as found:
        yield found


@pytest.fixture
def three(grounds: Yard, stage: Stage, images: Images) -> Iterator[Hosts]:
    with behind_bmcs(grounds, stage, images, NAMES, DEAD) as found:
        yield found


@pytest.fixture
def servers(nats_server: NatsServer, seaweedfs: SeaweedServer) -> tuple[NatsServer, SeaweedServer]:
    return nats_server, seaweedfs


class Leads:
    """Nobody else wants to."""

    def leading(self) -> bool:
        return True

    async def elected(self) -> None:
        return


def the_function(images: Images) -> Function:
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "slow"},
        "spec": {
            "image": images["headrace-test-debian"][1],
            "run": {"script": "script.sh", "source": SOURCE},
            "input": [{"bucket": "uploads"}],
            "output": [{"bucket": "results", "prefix": "out/"}],
            "security": {"runAsUser": 1000},
            # One worker a node.
            "resources": {"cpu": "1", "memory": "64Mi", "ephemeralStorage": "64Mi"},
            "scale": {"maxWaitSeconds": 2, "idleSeconds": 1, "maxWorkers": 8},
        },
    }
    return Function.from_json(json.dumps(document))


@asynccontextmanager
async def scaling(at: Site, place: KubernetesSettings) -> AsyncIterator[LightKube]:
    """The function is deployed as a person and the controller do, and a scaler decides."""
    kube = LightKube.of(place)
    manifest = json.loads(at.function.to_json())
    manifest["metadata"] = {"name": at.function.name, "namespace": at.namespace}
    await kube.apply(FUNCTIONS, manifest, manager="kubectl")
    told = {"metadata": manifest["metadata"], "status": {"digest": at.digest}}
    await kube.apply_status(FUNCTIONS, told, manager="headrace-controller")
    pool = {
        "apiVersion": "headrace.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": POOL},
        "spec": {
            "driver": "power", "capacity": {"cpu": "2", "memory": "4Gi"}, "maxNodes": 4, "bootSeconds": 10,
            "power": {"stateSeconds": 5},
        },
    }  # fmt: skip
    await kube.apply(NODE_POOLS, pool, manager="kubectl")
    life = asyncio.create_task(Life(Parts(kube, at.queue, place, Leads(), BRISK)).run())
    try:
        yield kube
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        await kube.delete(NODE_POOLS, POOL)
        await kube.close()


@asynccontextmanager
async def lab(
    hosts: Hosts, images: Images, servers: tuple[NatsServer, SeaweedServer], collections: Path, folder: Path
) -> AsyncIterator[Site]:
    """Hosts that a scaler switches for files of one function."""
    box = hosts.grounds.box
    box.apply(*(dict(each) for each in definitions()))
    reached = HostsSettings(inventory=str(hosts.inventory(folder)), collections=str(collections))
    async with worker_site(box, images, servers, the_function(images)) as at:
        place = settings_of(box.kubeconfig).model_copy(
            update={
                "namespace": at.namespace, "platform_namespace": at.namespace, "sidecar": at.sidecar,
                "hosts": reached,
            }
        )  # fmt: skip
        async with scaling(at, place):
            yield at


async def all_worked(at: Site, count: int) -> set[str]:
    """Put so many files; the workers that worked them."""
    tasks = await at.upload(*(f"{time.monotonic_ns()}.txt" for _ in range(count)), content=b"clip")
    records = [await at.ended(task, PATIENCE_SECONDS) for task in tasks]
    assert [each for each in records if not isinstance(each, Record)] == []
    return {record.worker for record in records if isinstance(record, Record)}


async def test_a_host_goes_off_comes_on_for_files_and_goes_off_again(
    one: Hosts, images: Images, servers: tuple[NatsServer, SeaweedServer], collections: Path, tmp_path: Path
) -> None:
    async with lab(one, images, servers, collections, tmp_path) as at:
        await until(lambda: not one.on(), "it is off, as nothing waits", PATIENCE_SECONDS)
        await all_worked(at, 3)
        await until(lambda: not one.on(), "it is off again", PATIENCE_SECONDS)


@pytest.mark.long
async def test_three_hosts_come_on_and_go_off_and_a_broken_one_is_tried_again_and_given_up(
    three: Hosts, images: Images, servers: tuple[NatsServer, SeaweedServer], collections: Path, tmp_path: Path
) -> None:
    dead = three.bmcs[DEAD]
    async with lab(three, images, servers, collections, tmp_path) as at:
        await until(lambda: not three.on(), "all are off, as nothing waits", PATIENCE_SECONDS)
        work = asyncio.create_task(all_worked(at, 120))
        await until(lambda: len(three.on()) == len(NAMES), "all are on", PATIENCE_SECONDS)
        assert len(await work) >= len(NAMES)
        await until(lambda: not three.on(), "all are off again", PATIENCE_SECONDS)
        await until(lambda: not dead.machine.is_on, "the broken one is off")
        told = await until(lambda: failed(three.grounds.box, at.namespace), "it is given up")
    assert told == {DEAD: "failed 2 times in a row"}
    assert dead.orders.count("on") == BRISK.retries_power_on
    assert {"soft", "off"} <= set(dead.orders), "it did not hear the button"


def failed(box: Box, namespace: str) -> dict[str, str]:
    """Nodes that the scaler tells to have failed, and how."""
    plan: dict[str, Any] = box.get("configmap", "headrace-plan", "-n", namespace)
    told = Explanation.from_json(plan["data"]["plan.json"])
    return {node.name: node.reason.text for node in told.nodes if node.state.value == "failed"}
