"""The page "On premises", followed on a control plane, a GPU server with a BMC, and a node woken by packets.

The platform is the one thing that is not there: `pulumi up` plays the same playbook, and is tried by
tests/e2e/kubernetes/test_onprem.py.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from headrace.model.labels import POOL
from tests.ansible.archive import Archive, made
from tests.ansible.labs import NETWORK, beside, ours, put_head
from tests.ansible.test_node_power import ETHTOOL
from tests.ansible.test_rcuda_server import put_cuda
from tests.documents.following import as_followed, changed
from tests.documents.lab import Reader, seated
from tests.documents.reading import ROOT, Block
from tests.documents.running import run_page
from tests.documents.survey import LAB, RUN
from tests.fixtures.bmc import PASSWORD, Bmc, bmcs
from tests.fixtures.joinable import ENGINES, Yard, yard
from tests.fixtures.switches import Packets, woken_by_packets
from tests.infra.project import BY_ITSELF, NEEDED
from tests.toolchain.cluster.box import Box
from tests.toolchain.machines import Machine, Machines
from tests.toolchain.needed import toolchain
from tests.toolchain.running import output_of

PAGE = "docs/on-premises.md"
INVENTORY, LAB_INVENTORY = "ansible/inventories/ours", "ansible/inventories/lab"
LEFT_OUT = re.compile(r"^ +(?:gpu2|node[2-6]): .*\n", re.MULTILINE)  # "Less will do, too"
ALL, FEWER = "10 11 12 21 22 23 24 25 26", "10 11 21"
HIDDEN = "a-root-s-own"
# In the place of `pulumi up`: what it would declare, and the playbook that it plays.
UP = f"pulumi preview && ansible-playbook -i {INVENTORY}/hosts.yml headrace.hosts.site\n"
PULUMI = {"PULUMI_CONFIG_PASSPHRASE": "of-the-lab", **BY_ITSELF}

pytestmark = [pytest.mark.long, pytest.mark.timeout(5400)]


@dataclass(frozen=True)
class Lab:
    """The page's hosts `head`, `gpu1` and `node1`, and what switches the last two."""

    grounds: Yard
    head: Machine
    gpu1: Machine
    node1: Machine
    bmc: Bmc
    packets: Packets

    @property
    def hosts(self) -> Sequence[Machine]:
        return (self.head, self.gpu1, self.node1)


@pytest.fixture
def hosts(cluster: Box, lab: Machines) -> Iterator[Lab]:
    """They are on; who knows root's password may log in, and no key of a reader's is known to them."""
    toolchain(*ENGINES, *NEEDED)
    with yard(cluster, lab) as grounds, ExitStack() as closing:
        head, gpu1, node1 = (
            put_head(grounds), lab.add("gpu1", number=11), grounds.add("node1", number=21)
        )  # fmt: skip
        for each in (head, gpu1, node1):
            let_in_by_password(each)
        put_cuda(gpu1)
        node1.told(f"cat >/usr/local/bin/ethtool <<'E'\n{ETHTOOL}E\nchmod +x /usr/local/bin/ethtool")
        found = closing.enter_context(bmcs({"gpu1": gpu1}, address=lab.gateway))
        packets = closing.enter_context(woken_by_packets({mac_of(node1): node1}))
        yield Lab(grounds, head, gpu1, node1, found["gpu1"], packets)
        for each in (head, gpu1, node1):
            each.cut()


def let_in_by_password(machine: Machine) -> None:
    """Start it so."""
    settings = machine.root / "etc/ssh/sshd_config.d/password.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("PermitRootLogin yes\n")
    machine.start()
    machine.told(f"echo root:{HIDDEN} | chpasswd")


def mac_of(machine: Machine) -> str:
    (link,) = json.loads(output_of(["ip", "-n", machine.space, "--json", "link", "show", "host0"]))
    found: str = link["address"]
    return found


def test_bare_hosts_become_what_the_page_says(hosts: Lab, tmp_path: Path) -> None:
    archive = made(tmp_path / "rCUDAv20.07-CUDA9.0-linux64.tgz")
    write_inventory(tmp_path / "inventory" / INVENTORY, hosts, archive)
    write_stacks(tmp_path, hosts.grounds.site)
    reader = seated(tmp_path / "reader", {}, password=HIDDEN, environ=PULUMI)
    keep_kubeconfig(reader, hosts.grounds.box)
    (tmp_path / "notes").mkdir()
    run_page(followed(ours(hosts.grounds.site), tmp_path), reader.surroundings, tmp_path / "notes")
    assert hosts.grounds.is_ready(hosts.node1)
    assert hosts.grounds.box.get("node", "node1")["metadata"]["labels"][POOL] == "lab"
    assert hosts.gpu1.told("systemctl is-active rcuda-server@0.service") == "active"
    report = json.loads((reader.surroundings.checkout / "report.json").read_text())
    assert (report["ok"], report["hosts"].keys()) == (True, {"gpu1", "node1"})
    # Each host was looked at and its password typed once; from then on the page's key and hosts' keys do.
    assert len(reader.asked) == 2 * len(hosts.hosts)


def followed(words: dict[str, str], written: Path) -> Sequence[Block]:
    """The page with the reader's hosts, and without the platform."""
    behind = {
        "ansible-galaxy collection install": written / "inventory",
        "cp stacks/Pulumi.onprem.yaml": written / "platform",
        "cp stacks/functions/Pulumi.local.yaml": written / "functions",
    }
    blocks = list(as_followed(PAGE, {ALL: FEWER, **words}, behind))
    (up,) = (block for block in blocks if block.text == "pulumi up\n")
    blocks[blocks.index(up)] = replace(up, words=(RUN, LAB), text=UP)
    return blocks


def keep_kubeconfig(reader: Reader, box: Box) -> None:
    """Where inventory and stacks look for it, with the context that they name."""
    content = yaml.safe_load(box.kubeconfig.read_text())
    content["contexts"][0]["name"] = content["current-context"] = "lab"
    target = reader.home / ".kube/config"
    target.parent.mkdir()
    target.write_text(yaml.safe_dump(content))


def write_stacks(folder: Path, lab: Machines) -> None:
    """The copies that the page makes of stacks' files, with what it tells its reader to change in them."""
    own = {
        f"{LAB_INVENTORY}/hosts.yml": f"{INVENTORY}/hosts.yml",
        "[gpu1, gpu2]": "[gpu1]",
        f"{NETWORK}0/23": lab.network,
        **ours(lab),
    }
    put_copy(folder / "platform/stacks/Pulumi.ours.yaml", "stacks/Pulumi.onprem.yaml", own)
    platform = {"organization/headrace/local": "organization/headrace/ours"}
    put_copy(
        folder / "functions/stacks/functions/Pulumi.ours.yaml", "stacks/functions/Pulumi.local.yaml", platform
    )


def put_copy(target: Path, source: str, words: dict[str, str]) -> None:
    text = (ROOT / source).read_text()
    assert [word for word in words if word not in text] == []
    target.parent.mkdir(parents=True)
    target.write_text(changed(text, words))


def write_inventory(folder: Path, hosts: Lab, archive: Archive) -> None:
    """The copy that the page makes, with what it tells its reader to write into it."""
    grounds, lab = hosts.grounds, hosts.grounds.site
    words = {
        "10.0.1.11": lab.gateway,
        "52:54:00:00:00:21": mac_of(hosts.node1),
        f"/srv/archives/{archive.path.name}": str(archive.path),
        f'rcuda_archive_sha256: "{"0" * 64}"': f"rcuda_archive_sha256: {archive.sha256}",
        f"{NETWORK}10:6443": grounds.variables["cluster_node_api_server"],
        f"sha256:{'0' * 64}": grounds.authority_hash,
        **ours(lab),
    }
    more = {
        "rcuda_servers.yml": {"node_power_bmc_port": hosts.bmc.port},
        "cluster_nodes.yml": {"node_power_wake_port": hosts.packets.port, **beside(grounds)},
    }
    sources = list((ROOT / LAB_INVENTORY).rglob("*.yml"))
    text = "".join(file.read_text() for file in sources)
    assert [word for word in words if word not in text] == []
    for file in sources:
        target = folder / file.relative_to(ROOT / LAB_INVENTORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        own = yaml.safe_dump(more[file.name]) if file.name in more else ""
        target.write_text(changed(LEFT_OUT.sub("", file.read_text()), words) + own)
    (folder / "bmc-password").write_text(PASSWORD)
    (folder / "bmc-password").chmod(0o600)
