"""Others' programs take what the docs call them with: Pulumi, kubectl and Ansible are asked themselves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import cluster, hosts, pulumi
from tests.documents.reading import ROOT, blocks_of, current_pages
from tests.documents.shell import commands
from tests.documents.survey import SHELL
from tests.toolchain.needed import leave_out
from tests.toolchain.places import Places

TABLES = {"pulumi": pulumi, "kubectl": cluster}
CASES = [(program, command) for program, table in TABLES.items() for command in table.COMMANDS]


@pytest.mark.parametrize(("program", "command"), CASES, ids=[f"{p} {c}" for p, c in CASES])
def test_a_command_takes_the_options_of_the_table(program: str, command: str, tmp_path: Path) -> None:
    found = Places.of(os.environ).bin / program
    if not found.exists():
        leave_out(f"{program} is not built (make toolchain)")
    text = asked([str(found), *command.split(), "--help"], home=tmp_path)
    if program == "kubectl":
        text += asked([str(found), "options"], home=tmp_path)
    table = TABLES[program]
    words = {word.strip(",[]:=").partition("=")[0].rstrip(",") for word in text.split()}
    assert sorted({*table.COMMANDS[command], *table.GLOBAL} - words) == []


def asked(command: list[str], *, home: Path) -> str:
    """What it prints; it reads no settings of this machine's user."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    told = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=home)
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Ansible's surroundings with the collection of this checkout, installed as the docs say."""
    folder = tmp_path_factory.mktemp("collections")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(folder),
        "ANSIBLE_HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    install = [
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "--force",
        "ansible",
        "-p",
        str(folder),
    ]
    subprocess.run(install, cwd=ROOT, check=True, capture_output=True, env=environment)
    return environment


def test_every_playbook_that_the_docs_play_is_sound(ansible: dict[str, str]) -> None:
    shells = [block for page in current_pages() for block in blocks_of(page) if block.language == SHELL]
    found = {
        hosts.playbook_of(command.words)
        for block in shells
        for command in commands(block.text)
        if command.words[0] == "ansible-playbook"
    }
    inventory = str(ROOT / "ansible/inventories/lab/hosts.yml")
    call = ["ansible-playbook", "-i", inventory, "--syntax-check", *sorted(found)]
    told = subprocess.run(call, cwd=ROOT, check=False, capture_output=True, text=True, env=ansible)
    assert told.returncode == 0, told.stderr
    assert len(found) > 3
