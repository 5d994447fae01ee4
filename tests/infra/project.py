"""This checkout's two Pulumi projects as a test runs them: by the CLI, with a state and a home of its own."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.toolchain.needed import search_path, toolchain
from tests.toolchain.places import CHECKOUT

NEEDED = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-resource-pulumi-python",
    "pulumi-resource-kubernetes",
)
LIMIT_SECONDS = 240.0
PASSPHRASE = "for tests"
# It asks nobody on the network.
BY_ITSELF = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}


@dataclass(frozen=True)
class Project:
    """One project and its stack `test`."""

    folder: Path
    stack: Path  # the file of its values
    environ: Mapping[str, str]

    def run(self, *arguments: str, fails: bool = False) -> str:
        """All that `pulumi` prints."""
        running = subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            told, _ = running.communicate(timeout=LIMIT_SECONDS)
        except BaseException as fault:
            os.killpg(running.pid, signal.SIGKILL)  # its plugins too, which outlive it otherwise
            told, _ = running.communicate()
            fault.add_note(told)
            raise
        assert bool(running.returncode) == fails, told
        return told

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def destroy(self, *, fails: bool = False) -> str:
        return self.run("destroy", "--yes", "--skip-preview", fails=fails)

    def configure(self, of: str = "", **values: Any) -> None:
        """Write values of the project's keys (or of others') into the stack's file; None: take it out."""
        content = yaml.safe_load(self.stack.read_text())
        named = {f"{of or self.name}:{key}": value for key, value in values.items()}
        config = {**content.get("config", {}), **named}
        content["config"] = {key: value for key, value in config.items() if value is not None}
        self.stack.write_text(yaml.safe_dump(content))

    @property
    def name(self) -> str:
        found: str = yaml.safe_load((self.folder / "Pulumi.yaml").read_text())["name"]
        return found


def projects(top: Path) -> tuple[Project, Project]:
    """The platform and its functions, in folders that lead to this checkout's; skips without engines."""
    environ = _environment(top)
    top_folder = top / "project"
    stacks = top_folder / "stacks"
    platform = Project(top_folder, stacks / "Pulumi.test.yaml", environ)
    _link(platform, CHECKOUT, "Pulumi.yaml", "infra")
    functions = Project(top_folder / "functions", stacks / "functions" / "Pulumi.test.yaml", environ)
    _link(functions, CHECKOUT / "functions", "Pulumi.yaml", "__main__.py", "echo", "thumbnail")
    return platform, functions


def small(top: Path) -> Project:
    """A part of the platform as a project: see tests/infra/small; skips without engines."""
    folder = top / "project"
    project = Project(folder, folder / "stacks" / "Pulumi.test.yaml", _environment(top))
    _link(project, CHECKOUT / "tests" / "infra" / "small", "Pulumi.yaml", "__main__.py")
    return project


def _environment(top: Path) -> Mapping[str, str]:
    """A state and a home of its own, and an ambient kubeconfig that leads nowhere."""
    places = toolchain(*NEEDED)
    backend, home = top / "backend", top / "home"
    for folder in (backend, home / ".kube"):
        folder.mkdir(parents=True)
    wrong = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    for ambient in (home / ".kube" / "config", home / "elsewhere"):
        ambient.write_text(wrong + "contexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n")
    return {
        "PATH": search_path(places, os.environ),
        "HOME": str(home),
        "KUBECONFIG": str(home / "elsewhere"),
        "PULUMI_HOME": str(top / "pulumi"),
        "PULUMI_BACKEND_URL": backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        **BY_ITSELF,
    }


def _link(project: Project, source: Path, *names: str) -> None:
    project.folder.mkdir()
    for name in names:
        (project.folder / name).symlink_to(source / name)
    project.run("stack", "init", "test")
