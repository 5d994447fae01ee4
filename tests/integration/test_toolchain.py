"""`python -m tests.toolchain` with a Go of a few lines of shell; then `pulumi`, as built, runs a program."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.toolchain.needed import search_path, toolchain

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 120.0
# Tells its version, notes that it was called, and does as `then` says with the file behind -o in $target.
GO = """#!/bin/sh
case $1 in
  version) echo "go version go1.26.8 linux/amd64" ;;
  build)
    echo "$*" >> {calls}
    while [ "$1" != -o ]; do shift; done
    target=$2
    {then}
    ;;
esac
"""
PROGRAM = """
import os
from pathlib import Path

import pulumi
from pulumi import dynamic

import words


class Written(dynamic.ResourceProvider):
    def create(self, props):
        Path(props["path"]).write_text(props["text"])
        return dynamic.CreateResult(props["path"], props)

    def delete(self, id, props):
        Path(id).unlink()


class Note(dynamic.Resource):
    text: pulumi.Output[str]

    def __init__(self, name, path, text):
        super().__init__(Written(), name, {"path": path, "text": text})


config = pulumi.Config()
with Path("runs").open("a") as runs:
    runs.write(f"{os.getpid()} {words.count()}\\n")
if config.get("fault"):
    raise ValueError(config.require("fault"))
note = Note("note", config.require("path"), words.TEXT)
pulumi.export("text", note.text)
pulumi.export("key", config.require_secret("key"))
"""
WORDS = """
TEXT = "by pulumi"
_counted = []


def count():
    _counted.append(1)
    return len(_counted)
"""


@dataclass(frozen=True)
class Machine:
    """A machine whose PATH holds what the test puts there, with a toolchain of its own."""

    folder: Path

    @property
    def etcd(self) -> Path:
        return self.folder / "toolchain" / "bin" / "etcd"

    @property
    def builds(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def has(self, name: str, script: str) -> None:
        program = self.folder / "path" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)

    def has_go_that(self, then: str) -> None:
        self.has("go", GO.format(calls=self.folder / "calls", then=then))

    def run(self, *arguments: str, code: int = 0) -> tuple[dict[str, dict[str, object]], str]:
        """The parts of the document by name, and what was told meanwhile."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.toolchain", "--json", *arguments],
            cwd=ROOT,
            env={"PATH": str(self.folder / "path"), "HEADRACE_TOOLCHAIN": str(self.folder / "toolchain")},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        parts = json.loads(done.stdout)["parts"] if done.stdout else []
        return {part["name"]: part for part in parts}, done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_engine_is_built_once(machine: Machine) -> None:
    machine.has_go_that('echo built > "$target"')
    planned, _ = machine.run("--dry-run", "etcd")
    assert planned["etcd"]["state"] == "planned"
    assert not machine.etcd.exists()
    made, told = machine.run("etcd")
    assert made["etcd"]["state"] == "made"
    assert "etcd 3.7.3: build etcd with Go 1.26.8 (not made yet)" in told
    assert machine.etcd.read_text() == "built\n"
    again, _ = machine.run("etcd")
    assert again["etcd"]["state"] == "ready"
    assert len(machine.builds) == 1


def test_what_is_gone_is_built_again(machine: Machine) -> None:
    machine.has_go_that('echo built > "$target"')
    machine.run("etcd")
    machine.etcd.unlink()
    _, told = machine.run("etcd")
    assert "(bin/etcd is gone or changed)" in told
    assert machine.etcd.read_text() == "built\n"


def test_a_build_that_fails_is_told_with_command_and_output_and_the_rest_is_made(machine: Machine) -> None:
    machine.has_go_that("echo 'main.go:7: no such import' >&2; exit 3")
    parts, told = machine.run("etcd", "pulumi-python", code=1)
    assert {name: part["state"] for name, part in parts.items()} == {
        "etcd": "failed",
        "pulumi-python": "made",
    }
    assert "etcd: failed: this command failed with code 3" in told
    assert "go.etcd.io/etcd/server/v3" in told
    assert "main.go:7: no such import" in told
    assert not machine.etcd.exists()


def test_a_run_that_is_killed_leaves_no_half_program(machine: Machine) -> None:
    machine.has_go_that('echo half > "$target"; kill -9 $PPID')
    machine.run("etcd", code=-signal.SIGKILL)
    assert not machine.etcd.exists()
    machine.has_go_that('echo whole > "$target"')
    machine.run("etcd")
    assert machine.etcd.read_text() == "whole\n"
    assert list((machine.folder / "toolchain" / "work").iterdir()) == []


def test_a_program_on_path_is_linked_while_its_version_fits(machine: Machine) -> None:
    machine.has_go_that('echo built > "$target"')
    machine.has("etcd", "#!/bin/sh\necho 'etcd Version: 3.6.8'\n")
    machine.run("etcd")
    assert machine.etcd.readlink() == machine.folder / "path" / "etcd"
    assert machine.builds == []
    machine.has("etcd", "#!/bin/sh\necho 'etcd Version: 3.4.37'\n")
    _, told = machine.run("etcd")
    assert "path/etcd is not taken: 3.4.37, wanted 3.6 or later, below 4" in told
    assert machine.etcd.read_text() == "built\n"
    assert not machine.etcd.is_symlink()


def test_a_part_that_is_not_known_is_refused_with_those_that_are(machine: Machine) -> None:
    _, told = machine.run("ectd", code=2)
    assert "there is no ectd; known: etcd, kube, " in told


@dataclass(frozen=True)
class Project:
    """A project and its stack in a folder of their own, and the environment of `pulumi`."""

    folder: Path
    environ: dict[str, str]

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def runs(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "runs").read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    places = toolchain("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python")
    folder, backend = tmp_path / "project", tmp_path / "backend"
    folder.mkdir()
    backend.mkdir()
    (folder / "Pulumi.yaml").write_text("name: notes\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "words.py").write_text(WORDS)
    environ = {
        "PATH": search_path(places, os.environ),
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    made = Project(folder, environ)
    made.run("stack", "init", "test")
    made.run("config", "set", "path", str(tmp_path / "note"))
    made.run("config", "set", "--secret", "key", "not for everyone")
    return made


def test_a_program_goes_up_stays_unchanged_and_is_destroyed(project: Project, tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert "+ 2 created" in project.run("up", "--yes")
    assert note.read_text() == "by pulumi"
    assert json.loads(project.run("stack", "output", "--json")) == {"text": "by pulumi", "key": "[secret]"}
    assert "2 unchanged" in project.run("up", "--yes", "--expect-no-changes")
    assert "- 2 deleted" in project.run("destroy", "--yes")
    assert not note.exists()


def test_preview_and_update_run_the_program_in_processes_of_their_own(project: Project) -> None:
    project.run("up", "--yes")
    (preview, preview_count), (update, update_count) = project.runs
    assert preview != update
    assert preview_count == update_count == "1", "modules of one run are not seen by the next"


def test_a_program_that_fails_fails_the_command_with_its_reason(project: Project, tmp_path: Path) -> None:
    project.run("config", "set", "fault", "the harbour is closed")
    told = project.run("up", "--yes", code=1)
    assert "ValueError: the harbour is closed" in told
    assert not (tmp_path / "note").exists()
