"""The stack of a lab, by Pulumi's own CLI: from a bare host to a result of the GPU that it serves.

One cluster in a box, one node. The GPU server is a machine with systemd and ssh behind a BMC, by which it is
switched; its GPU is the stub. The tests build on one another.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import yaml

from headrace.local.samples import REAL_CLIP
from infra import names
from tests.ansible.archive import made
from tests.ansible.playing import inventory
from tests.ansible.test_rcuda_server import DEVICES, PORT, put_cuda
from tests.e2e.evidence import plain_client
from tests.e2e.kubernetes.site import (
    COPY,
    FUNCTIONS,
    PLATFORM,
    Site,
    copy_function,
    give_up_idle_workers_soon,
    loaded,
    site_on,
    wait_until,
)
from tests.fixtures.bmc import PASSWORD, USER, Bmc, bmcs
from tests.fixtures.cluster import die_with_test
from tests.fixtures.joinable import Yard, yard
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images
from tests.toolchain.machines import Machine, Machines, lacking, machines
from tests.toolchain.needed import leave_out
from tests.toolchain.places import CHECKOUT, Places

REMOTE = f"echo{COPY}"
NAMES = ("headrace", "echo", "headrace-test-nats", "headrace-test-seaweedfs")
OUTPUT = [{"bucket": "results", "prefix": f"{REMOTE}/"}]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def grounds(cluster: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A network of hosts that the cluster's pods reach."""
    if lacks := lacking():
        leave_out(f"hosts for Ansible need: {', '.join(lacks)}")
    folder = tmp_path_factory.mktemp("lab")
    with machines(folder, Places.of(os.environ), bound=die_with_test) as lab, yard(cluster, lab) as found:
        yield found


@pytest.fixture(scope="module")
def lab(grounds: Yard) -> Machines:
    return grounds.site


@pytest.fixture(scope="module")
def gpu1(grounds: Yard) -> Iterator[Machine]:
    """A bare host with a stand-in for CUDA."""
    machine = grounds.site.add("gpu1")
    grounds.link(machine)
    machine.start()
    put_cuda(machine)
    yield machine
    machine.cut()


@pytest.fixture(scope="module")
def bmc(lab: Machines, gpu1: Machine) -> Iterator[Bmc]:
    with bmcs({"gpu1": gpu1}, address=lab.gateway) as found:
        yield found["gpu1"]


@pytest.fixture(scope="module")
def site(
    cluster: Box,
    images: Images,
    lab: Machines,
    gpu1: Machine,
    bmc: Bmc,
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    """Stacks/Pulumi.onprem.yaml with this lab's values, up."""
    references = loaded(cluster, images, NAMES)
    found = site_on(cluster, references, tmp_path_factory.mktemp("site"))
    content = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.onprem.yaml").read_text())["config"]
    stack = {name.removeprefix("headrace:"): value for name, value in content.items()}
    give_up_idle_workers_soon(found.functions, "echo")
    copy_function(
        found.functions, "echo", REMOTE, output=OUTPUT, gpu={"access": ["remote"], "memory": "256Mi"}
    )
    found.configure(REMOTE, pools=pools_of(stack), **values_of(stack, found, lab, gpu1, bmc))
    found.platform.run(
        "config", "set", "--secret", "--path", 'headrace:hosts.power.files["bmc-password"]', PASSWORD
    )
    found.platform.up()
    found.functions.up()
    return found


def pools_of(stack: dict[str, Any]) -> dict[str, Any]:
    """The GPU servers' pool; this lab's one node is the box's own, always on."""
    return {"gpu-servers": {**stack["pools"]["gpu-servers"], "bootSeconds": 40, "maxNodes": 1}}


def values_of(stack: dict[str, Any], site: Site, lab: Machines, gpu1: Machine, bmc: Bmc) -> dict[str, Any]:
    """What a person changes of the stack's file; the stand-in serves the stub, and is declared as such."""
    write_inventory(site.platform.folder / "lab", lab, gpu1, bmc)
    server = {
        "address": gpu1.address,
        "port": PORT,
        "backend": "stub",
        "maxSessions": 4,
        "pool": "gpu-servers",
    }
    return {
        "hosts": {
            **stack["hosts"],
            "inventory": "lab/hosts.yml", "gpuServers": [], "power": {"networks": [lab.network]},
        },
        "remoteGpus": {
            "networks": [f"{gpu1.address}/32"], "servers": {"gpu1": {**server, "devices": DEVICES}},
        },
        "platformBucket": stack["platformBucket"],
    }  # fmt: skip


def write_inventory(folder: Path, lab: Machines, gpu1: Machine, bmc: Bmc) -> None:
    folder.mkdir()
    archive = made(folder / "rCUDAv20.07-CUDA9.0-linux64.tgz", models=True)
    (folder / "bmc-password").write_text(PASSWORD)
    servers = inventory(
        "rcuda_servers",
        gpu1,
        rcuda_server_archive=str(archive.path),
        rcuda_server_archive_sha256=archive.sha256,
        rcuda_server_networks=[lab.network, "198.18.0.0/15"],
        rcuda_server_devices=DEVICES,
        node_power_method="ipmi",
        node_power_bmc_address=lab.gateway,
        node_power_bmc_port=bmc.port,
        node_power_bmc_user=USER,
        node_power_bmc_password_file="{{ inventory_dir }}/bmc-password",
        node_power_answer_seconds=2,
    )
    document = {**servers, "powered": {"children": {"rcuda_servers": {}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(document))


def test_a_bare_host_serves_once_the_stack_is_up_and_goes_off_as_nobody_needs_it(
    site: Site, gpu1: Machine
) -> None:
    assert (gpu1.root / "etc/systemd/system/rcuda-server@.service").is_file()
    switched(site, gpu1, on=False)


def switched(site: Site, gpu1: Machine, *, on: bool) -> None:
    """Wait until the scaler has switched it."""
    seen(site, lambda: gpu1.is_on is on, f"the GPU server is {'on' if on else 'off'}")


def ended(site: Site) -> int:
    """Files of the function that are done, or have failed."""
    status = site.status(REMOTE)
    return int(status.get("done", 0)) + int(status.get("failed", 0))


def seen(site: Site, holds: Callable[[], bool], what: str) -> None:
    """Wait; where it does not come, with what the scaler said, and the servers' state."""
    try:
        wait_until(holds, what, seconds=120)
    except AssertionError:
        pods = f"--selector=app.kubernetes.io/component={names.SCALER}"
        print(site.box.kubectl("logs", pods, f"--namespace={PLATFORM}", "--tail=60", "--prefix"))
        print(
            site.box.kubectl("get", "gpuservers,nodepools,functions,pods", "--all-namespaces", "-o", "wide")
        )
        raise


def test_a_second_up_changes_nothing(site: Site) -> None:
    site.platform.up("--expect-no-changes")
    site.functions.up("--expect-no-changes")


def test_waiting_work_switches_it_on_is_done_on_its_gpu_and_lets_it_go_off(
    site: Site, gpu1: Machine, bmc: Bmc
) -> None:
    bmc.orders.clear()
    clip = Path(pydicom.data.get_testdata_file(REAL_CLIP)).read_bytes()
    with site.connected() as commands:
        store = json.loads((commands.state / "settings.json").read_text())["storage"]
        client = plain_client(store["endpoint"], store["accessKey"], store["secretKey"])
        client.put_object(Bucket="uploads", Key=f"{REMOTE}/a.dcm", Body=clip)
        switched(site, gpu1, on=True)
        seen(site, lambda: ended(site) == 1, "the clip's end")
        assert site.status(REMOTE).get("failed", 0) == 0, commands.run("results", REMOTE, "--json")
        result = json.loads(client.get_object(Bucket="results", Key=f"{REMOTE}/a.dcm.json")["Body"].read())
        (task,) = commands.json("explain", f"s3://uploads/{REMOTE}/a.dcm")["tasks"]
    assert result["view"]
    assert task["record"]["gpu"] == f"remote {gpu1.address}:{PORT}"
    switched(site, gpu1, on=False)
    assert bmc.orders == ["on", "soft"]


def test_no_secret_of_hosts_is_in_the_state_or_shown(site: Site) -> None:
    assert PASSWORD not in site.platform.run("stack", "export")
    assert PASSWORD not in site.platform.run("config")
    scaler = site.get("deployments", "headrace-scaler", PLATFORM)
    assert PASSWORD not in json.dumps(scaler)


def test_the_stack_goes_and_leaves_the_host_as_it_is(site: Site, gpu1: Machine) -> None:
    site.destroy_with_data("uploads", "results")
    assert (gpu1.root / "etc/systemd/system/rcuda-server@.service").is_file()
    assert [site.get("namespace", each) for each in (PLATFORM, FUNCTIONS)] == [None, None]
