"""The collection, installed from the checkout, and bare hosts to play it on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ansible.archive import Archive
from tests.ansible.node_archive import node_archive
from tests.ansible.playing import Stage
from tests.fixtures.cluster import die_with_test
from tests.fixtures.joinable import ENGINES, Yard, yard
from tests.toolchain.cluster.box import Box
from tests.toolchain.machines import Machines, lacking, machines
from tests.toolchain.needed import leave_out, toolchain
from tests.toolchain.places import CHECKOUT, Places


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where headrace.hosts is installed, as a user installs it."""
    folder = tmp_path_factory.mktemp("collections")
    galaxy = Path(sys.executable).parent / "ansible-galaxy"
    command = [galaxy, "collection", "install", "--offline", CHECKOUT / "ansible", "-p", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def stage(collections: Path, tmp_path: Path) -> Stage:
    return Stage(collections, tmp_path / "runner")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A network for bare hosts, of which there is none yet."""
    yield from _network(tmp_path_factory.mktemp("site"))


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """The same, for one test alone."""
    yield from _network(tmp_path_factory.mktemp("lab"))


def _network(folder: Path) -> Iterator[Machines]:
    if lacks := lacking():
        leave_out(f"hosts for Ansible need: {', '.join(lacks)}")
    with machines(folder, Places.of(os.environ), bound=die_with_test) as found:
        yield found


@pytest.fixture(scope="module")
def grounds(cluster: Box, site: Machines) -> Iterator[Yard]:
    """A real cluster that hosts of the same network can join."""
    toolchain(*ENGINES)
    with yard(cluster, site) as found:
        yield found


@pytest.fixture(scope="module")
def node_programs(cluster: Box, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return node_archive(tmp_path_factory.mktemp("archives") / "node-1.36.3.tar", cluster.bin)
