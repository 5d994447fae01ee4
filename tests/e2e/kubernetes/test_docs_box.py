"""What pages tell to do on a cluster is done on one, a box, as it stands in the pages.

One story of their reader: a function on a cluster in a box, then the pages for whoever runs a platform on the
same one, files of a repository that take it over and away, and the platform once more by docs/deploy.md. The
tests build on one another.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import yaml

from headrace.local.samples import REAL_CLIP
from tests.documents.reading import Block, section
from tests.documents.running import run_page
from tests.documents.shell import commands as commands_in
from tests.documents.surroundings import Surroundings, boxed
from tests.documents.survey import BOX, OUTPUT, RUN, SHELL, STAYS, TEXT, blocks_for
from tests.fixtures.cluster import need
from tests.infra.project import NEEDED
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.fakes import fake_node
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.cluster.place import Place
from tests.toolchain.images.store import lacking
from tests.toolchain.needed import leave_out, search_path, toolchain
from tests.toolchain.places import CHECKOUT, Places

BOX_PAGE, BACKUP, DEPLOY, GITOPS = (
    f"docs/{name}.md" for name in ("cluster-in-a-box", "backup", "deploy", "gitops")
)
OPERATIONS, UPGRADE, DOCTOR, GPU = (f"docs/{name}.md" for name in ("operations", "upgrade", "doctor", "gpu"))
END, SECRETS, DRILL = "7. The end", "Secrets", "A cluster is lost: the drill"
FILES_OF_REPOSITORY, TAKE_OVER, OPERATOR = "Rendered files", "From pulumi up to files", "Pulumi's operator"
PROGRAMS = ("curl", "git", "gpg", "jq", "unshare")
PASSPHRASE = "of-the-box"  # as the first page has it
# A node of the reader's, too small for any pod, as nobody would run it.
SMALL = {"cpu": "100m", "memory": "128Mi"}
GPU_NODE = fake_node("gpu-3", pool="gpu", resources=SMALL, taints=({"key": "fake", "effect": "NoSchedule"},))
GPU_POOL = {"driver": "static", "capacity": SMALL, "minNodes": 1, "maxNodes": 1}
DELETE = {"onDelete": "delete"}
# The kind that Pulumi's operator brings; a test of its examples has its fields (tests/infra/operators.py).
STACKS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "stacks.pulumi.com"},
    "spec": {
        "group": "pulumi.com",
        "names": {"kind": "Stack", "plural": "stacks", "singular": "stack"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@dataclass
class Reader:
    """Whoever goes through the pages: a checkout and a home of his own."""

    surroundings: Surroundings
    folder: Path
    done: list[str] = field(default_factory=list)  # places of blocks

    @property
    def checkout(self) -> Path:
        return self.surroundings.checkout

    @property
    def box(self) -> Box:
        """The one that the first page starts."""
        return Box.at(Place(self.checkout / ".headrace" / "cluster"))

    def does(self, *blocks: Block, **changes: Any) -> None:
        """Run them in one shell, as `changes` of the surroundings want it."""
        notes = self.folder / f"notes-{len(self.done)}"
        notes.mkdir()
        assert run_page(blocks, replace(self.surroundings, **changes), notes) > 0
        self.done += (block.place for block in blocks if self.surroundings.take(block))

    def config(self, file: str) -> Any:
        """The values in a stack's file."""
        return yaml.safe_load((self.checkout / "stacks" / file).read_text())["config"]

    def configures(self, file: str, values: Mapping[str, Any]) -> None:
        """Write them, and no others, into a stack's file."""
        path = self.checkout / "stacks" / file
        content = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(yaml.safe_dump({**content, "config": dict(values)}))


def own(text: str) -> Block:
    """What no page tells, as it is the reader's own."""
    return Block("the reader's own", 1, SHELL, (RUN, BOX), text)


CONNECT = (
    Block("the reader's own", 1, SHELL, (RUN, BOX, STAYS), "headrace connect --kubeconfig lab.yaml\n"),
    Block("the reader's own", 1, TEXT, (OUTPUT,), "Connected. …\n…\n"),
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    need(Kind.CLUSTER, Places.of(os.environ))
    toolchain(*NEEDED)
    if lacks := [*lacking(), *(name for name in PROGRAMS if shutil.which(name) is None)]:
        leave_out(f"the pages of a cluster need: {', '.join(lacks)}")
    folder = tmp_path_factory.mktemp("b")  # a box's folder has a short path
    surroundings = boxed(folder)
    with taken_down(surroundings.checkout / ".headrace" / "cluster"):
        yield Reader(surroundings, folder)


@contextmanager
def taken_down(state: Path) -> Iterator[None]:
    """A box that a page starts goes with the test, by whatever the test ends: its pipe is closed then."""
    down = [sys.executable, "-m", "tests.toolchain.cluster", "down", "--state", str(state)]
    waiting = ["sh", "-c", 'read -r _; exec "$@"', "sh", *down]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, cwd=CHECKOUT, start_new_session=True):
        yield


@pytest.fixture(scope="module")
def operator(reader: Reader) -> Reader:
    """The same one with what the first page has put into the shell, and files that other pages name."""
    box, environ = reader.box, reader.surroundings.environ
    own_ones = {
        "KUBECONFIG": str(box.kubeconfig),
        "PATH": search_path(Places.of(os.environ), environ),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    for name in ("lab", "cluster", "new"):
        shutil.copy(box.kubeconfig, reader.checkout / f"{name}.yaml")
    shutil.copy(pydicom.data.get_testdata_file(REAL_CLIP), reader.checkout / "a.dcm")
    reader.surroundings = replace(reader.surroundings, environ={**environ, **own_ones})
    return reader


def test_a_function_gets_onto_a_cluster_in_a_box(reader: Reader) -> None:
    reader.does(*section(BOX_PAGE, before=END))


def test_a_platform_is_upgraded(operator: Reader) -> None:
    """With a function more and a pool more, which pages name."""
    operator.box.apply(GPU_NODE)
    platform, functions = operator.config("Pulumi.box.yaml"), operator.config("functions/Pulumi.box.yaml")
    platform["headrace:pools"]["gpu"] = GPU_POOL
    platform["headrace:platformBucket"] = DELETE
    functions["headrace-functions:functions"] = ["invert", "echo"]
    functions["headrace-functions:buckets"] = {"uploads": DELETE, "results": DELETE}
    operator.configures("Pulumi.box.yaml", platform)
    operator.configures("functions/Pulumi.box.yaml", functions)
    operator.does(*section(UPGRADE))


def test_a_platform_is_run_day_by_day(operator: Reader) -> None:
    operator.does(*CONNECT, own("headrace put a.dcm --function echo && headrace watch --until-done"))
    operator.does(*section(OPERATIONS))


def test_what_is_wrong_and_which_gpus_there_are_is_told(operator: Reader) -> None:
    pools = operator.box.get("nodepools", "--all-namespaces")["items"]
    kept = [
        {
            **{key: each[key] for key in ("apiVersion", "kind", "spec")},
            "metadata": {"name": each["metadata"]["name"]},
        }
        for each in pools
    ]
    (operator.checkout / "cluster-gpus.yaml").write_text(yaml.safe_dump_all(kept))
    operator.does(*CONNECT, *section(DOCTOR), *section(GPU))


def test_a_backup_is_taken_and_a_stack_told_of_its_cluster(operator: Reader) -> None:
    """Its folder, /srv, is the shell's own."""
    (srv := operator.folder / "srv").mkdir()
    mount = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /srv && exec bash', str(srv))
    operator.does(*CONNECT, *section(BACKUP, before=SECRETS), shell=mount)
    assert [each.name for each in srv.iterdir()] == ["backups"]
    operator.does(*section(BACKUP, DRILL))


def test_files_of_a_repository_take_a_platform_over_and_away(operator: Reader) -> None:
    operator.box.apply(STACKS)
    (operator.checkout / "passphrase").write_text(PASSPHRASE)
    operator.does(*section(GITOPS, OPERATOR))
    operator.does(own("pulumi stack rename lab && pulumi -C functions stack rename lab"))
    functions = operator.config("functions/Pulumi.lab.yaml")
    functions["headrace-functions:platform"] = "organization/headrace/lab"
    operator.configures("functions/Pulumi.lab.yaml", functions)
    operator.does(*section(GITOPS, TAKE_OVER, before=OPERATOR))
    apply_, delete = rendered_files()
    operator.does(*apply_)
    operator.does(*section(BACKUP, SECRETS, before=DRILL), environ=with_passphrase(operator))
    operator.does(*delete)


def rendered_files() -> tuple[list[Block], list[Block]]:
    """How files get into the repository, and how a platform goes that came from there."""
    blocks = [block for block in section(GITOPS, FILES_OF_REPOSITORY, before=TAKE_OVER) if RUN in block.words]
    return blocks[:1], blocks[1:]


def with_passphrase(operator: Reader) -> Mapping[str, str]:
    """gpg asks nobody: its own settings give what the reader would type."""
    home = operator.folder / "gnupg"
    home.mkdir(mode=0o700)
    (home / "passphrase").write_text("typed\n")
    (home / "gpg.conf").write_text(f"batch\npinentry-mode loopback\npassphrase-file {home / 'passphrase'}\n")
    return {**operator.surroundings.environ, "GNUPGHOME": str(home)}


def test_a_platform_is_deployed_and_goes_and_comes_by_the_readmes_lines(operator: Reader) -> None:
    """By the stack `local`, on the emptied cluster, which is the reader's current one."""
    home = Path(operator.surroundings.environ["HOME"])
    kubeconfig = json.loads(operator.box.kubectl("config", "view", "--raw", "-o", "json"))
    kubeconfig["contexts"][0]["name"] = kubeconfig["current-context"] = "kind-kind"
    (home / ".kube").mkdir(exist_ok=True)
    (home / ".kube" / "config").write_text(json.dumps(kubeconfig))
    own_ones = ("kubeconfig", "context", "clusterUid")
    platform = {
        key: value
        for key, value in operator.config("Pulumi.lab.yaml").items()
        if key.partition(":")[2] not in own_ones
    }
    platform["headrace:tenants"] = {"lab": {"buckets": {"uploads": {}}}}
    del platform["headrace:pools"]["gpu"]
    operator.configures("Pulumi.local.yaml", platform)
    values = {"platform": "organization/headrace/local", "functions": ["echo"]}
    values["imagesFile"] = "../.headrace/cluster/images.json"
    named = {f"headrace-functions:{key}": value for key, value in values.items()}
    operator.configures("functions/Pulumi.local.yaml", named)
    operator.does(*section(DEPLOY, before="Going"))
    operator.does(own("pulumi config set protect false && pulumi up --skip-preview"), **deployed(operator))
    operator.does(*section(DEPLOY, "Going"), **deployed(operator))
    operator.does(own("pulumi stack rm local --preserve-config"), **deployed(operator))
    operator.does(*section("README.md", "On Kubernetes"), **deployed(operator))


def deployed(operator: Reader) -> Mapping[str, Any]:
    """With the passphrase that docs/deploy.md writes out."""
    return {"environ": {**operator.surroundings.environ, "PULUMI_CONFIG_PASSPHRASE": "…"}}


def test_the_box_goes(reader: Reader) -> None:
    reader.does(*section(BOX_PAGE, END))
    assert not (reader.checkout / ".headrace" / "cluster").exists()


def test_no_page_has_a_block_for_a_box_that_was_not_run(reader: Reader) -> None:
    blocks = blocks_for(BOX)
    assert [block.place for block in blocks if block.place not in reader.done] == []
    commands_run = [each for block in blocks for each in commands_in(block.text)]
    print(f"on a box: {len(blocks)} blocks, {len(commands_run)} commands")
