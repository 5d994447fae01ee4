"""The pages of the collection and its roles, followed on real hosts: commands, with the inventories there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.model.labels import POOL
from tests.ansible import gpus
from tests.ansible.archive import Archive, made
from tests.ansible.labs import beside, ours, put_head, started
from tests.ansible.test_docs_on_premises import PAGE
from tests.ansible.test_node_power import known
from tests.ansible.test_rcuda_server import put_cuda
from tests.documents.following import as_followed, changed
from tests.documents.lab import Reader, seated
from tests.documents.reading import blocks_of
from tests.documents.running import run_page
from tests.documents.survey import LAB, blocks_for
from tests.fixtures.bmc import PASSWORD, bmcs
from tests.fixtures.joinable import ENGINES, yard
from tests.toolchain.cluster.box import Box
from tests.toolchain.machines import Machines
from tests.toolchain.needed import toolchain

COLLECTION = "ansible/README.md"
NODE, GPU_HOST, POWER, SERVER = (
    f"ansible/roles/{role}/README.md" for role in ("cluster_node", "gpu_host", "node_power", "rcuda_server")
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def follow(page: str, lab: Machines, folder: Path, words: Mapping[str, str], **own: Any) -> Reader:
    """A role's page with its inventory, behind the collection's: `words` and variables of the reader's own.

    He may log in already, and knows the hosts.
    """
    words = {**words, **ours(lab)}
    (shown,) = (block for block in blocks_of(page) if block.language == "yaml")
    content = yaml.safe_load(changed(shown.text, words))
    for group in content.values():
        group["vars"] |= {"ansible_user": "root", **own}
    files = {"inventory.yml": yaml.safe_dump(content).encode()}
    seen = "".join(known(each) for each in lab.all.values())
    reader = seated(folder, files, key=lab.key, known=seen)
    blocks = [*blocks_of(COLLECTION), *as_followed(page, words)]
    assert run_page(blocks, reader.surroundings, folder) == 2
    assert reader.asked == []
    return reader


def test_the_collection_is_installed_as_its_page_says(tmp_path: Path) -> None:
    reader = seated(tmp_path, {})
    assert run_page(list(blocks_of(COLLECTION)), reader.surroundings, tmp_path) == 1
    installed = reader.home / ".ansible/collections/ansible_collections/headrace/hosts"
    assert (installed / "playbooks/site.yml").is_file()


def test_gpus_are_given_to_containers_as_the_page_of_gpu_host_says(lab: Machines, tmp_path: Path) -> None:
    host = started(lab, "node1", 21)
    gpus.put_programs(host, gpus.TOOLKIT)
    gpus.put_driver(host)
    follow(GPU_HOST, lab, tmp_path, {})
    devices = json.loads(host.told("cat /etc/cdi/nvidia.yaml"))["devices"]
    assert len(devices) == 2 * 7  # GPUs and instances, as the page's inventory says


def test_a_host_is_switched_off_as_the_page_of_node_power_says(lab: Machines, tmp_path: Path) -> None:
    gpu1 = started(lab, "gpu1", 11)
    started(lab, "node1", 21)
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    with bmcs({"gpu1": gpu1}, address=lab.gateway) as found:
        words = {"10.0.1.11": lab.gateway, "/etc/headrace/bmc": str(password)}
        follow(POWER, lab, tmp_path / "reader", words, node_power_bmc_port=found["gpu1"].port)
        assert (gpu1.is_on, found["gpu1"].orders) == (False, ["soft"])


def test_gpus_are_served_as_the_page_of_rcuda_server_says(lab: Machines, tmp_path: Path) -> None:
    archive = made(tmp_path / "rCUDAv20.07-CUDA9.0-linux64.tgz")
    gpu1 = started(lab, "gpu1", 11)
    put_cuda(gpu1)
    words = {f"/srv/archives/{archive.path.name}": str(archive.path), "0f5c…": archive.sha256}
    reader = follow(SERVER, lab, tmp_path / "reader", words)
    assert gpu1.told("systemctl is-active rcuda-server@0.service") == "active"
    server = yaml.safe_load((reader.surroundings.checkout / "gpu-servers/gpu1.yaml").read_text())
    assert server["spec"]["address"] == gpu1.address


def test_a_host_joins_as_the_page_of_cluster_node_says(
    cluster: Box, lab: Machines, node_programs: Archive, tmp_path: Path
) -> None:
    toolchain(*ENGINES)
    with yard(cluster, lab) as grounds:
        put_head(grounds).start()
        worker = grounds.add("worker1", number=31, packages=False)
        worker.start()
        words = {
            "/srv/archives/node-1.36.3.tar.gz": str(node_programs.path), "9b1d…": node_programs.sha256,
            "10.0.0.10:6443": grounds.variables["cluster_node_api_server"],
            "{{ vault_join_token }}": grounds.token, "sha256:0f5c…": grounds.authority_hash,
            "~/.kube/config": str(cluster.kubeconfig),
        }  # fmt: skip
        follow(NODE, lab, tmp_path, words, **beside(grounds))
        assert grounds.is_ready(worker)
        assert cluster.get("node", "worker1")["metadata"]["labels"][POOL] == "gpu"


def test_every_page_that_says_so_is_followed() -> None:
    said = {block.page for block in blocks_for(LAB)}
    assert said == {PAGE, COLLECTION, NODE, GPU_HOST, POWER, SERVER}
