"""Plays of the collection as it is in the checkout, on real hosts, by ansible-runner."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner

from tests.toolchain.machines import QUIET_SSH, Machine

OKAY = ("ok", "changed")


@dataclass(frozen=True)
class Played:
    """How a run of a playbook ended. `code`: 0, 2 a host failed, 4 a host was not reached."""

    code: int
    events: list[Mapping[str, Any]]
    output: str

    def count(self, what: str) -> dict[str, int]:
        """By host: `changed`, `failures`, `dark`, …; hosts with none are left out."""
        stats = next(each for each in reversed(self.events) if each["event"] == "playbook_on_stats")
        return dict(stats["event_data"][what])

    def changed(self) -> list[str]:
        """The tasks that changed something."""
        return [
            _task(each)
            for each in self.events
            if each["event"] == "runner_on_ok" and _result(each)["changed"]
        ]

    def failures(self) -> list[str]:
        """What failed tasks say, and those that could not reach their host."""
        return [message for each in self.events for message in _messages(each)]


def _task(event: Mapping[str, Any]) -> str:
    task: str = event["event_data"]["task"]
    return task


def _result(event: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = {"changed": False} | event["event_data"].get("res", {})
    return found


def _messages(event: Mapping[str, Any]) -> Iterator[str]:
    if event["event"] not in ("runner_on_failed", "runner_on_unreachable"):
        return
    found = _result(event)
    failed = [each for each in found.get("results", ()) if each.get("failed")]
    yield from (str(each.get("msg", "")) for each in failed or [found])


@dataclass(frozen=True)
class Stage:
    """Where plays run: the installed collection, and a folder for what ansible-runner keeps."""

    collections: Path
    folder: Path

    def play(
        self,
        playbook: str,
        hosts: Mapping[str, Any],
        *arguments: str,
        answers: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> Played:
        """Run a playbook of the collection, or a file. `hosts`: an inventory; `variables`: for all.

        `answers`: what a person types, by the pattern of the question.
        """
        self.folder.mkdir(exist_ok=True)
        done = ansible_runner.run(
            private_data_dir=str(self.folder),
            playbook=playbook if "/" in playbook else f"headrace.hosts.{playbook}",
            inventory=hosts,
            extravars=variables,
            cmdline=" ".join(arguments) or None,
            quiet=True,
            passwords=dict(answers or {}),  # ansible-runner's word for whatever is typed
            suppress_env_files=True,  # or arguments of one run would be the next one's too
            envvars={
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_NOCOLOR": "1",
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            },
        )
        with done.stdout as told:
            output = told.read()
        return Played(done.rc, list(done.events), output)


def inventory(group: str, *machines: Machine, **variables: Any) -> dict[str, Any]:
    """Machines in a group, with the group's variables."""
    ssh = {
        "ansible_user": "root",
        "ansible_ssh_common_args": " ".join(QUIET_SSH),
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    hosts = {
        each.name: {"ansible_host": each.address, "ansible_ssh_private_key_file": str(each.key)}
        for each in machines
    }
    return {group: {"hosts": hosts, "vars": json.loads(json.dumps({**ssh, **variables}))}}
