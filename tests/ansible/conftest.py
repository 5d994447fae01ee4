"""The collection, installed from the checkout, and bare hosts to play it on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ansible.playing import Stage
from tests.fixtures.cluster import die_with_test
from tests.toolchain.machines import Machines, lacking, machines
from tests.toolchain.needed import leave_out
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
    if lacks := lacking():
        leave_out(f"hosts for Ansible need: {', '.join(lacks)}")
    with machines(tmp_path_factory.mktemp("site"), Places.of(os.environ), bound=die_with_test) as found:
        yield found
