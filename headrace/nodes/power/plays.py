"""The switchboard of the real world: the playbook headrace.hosts.power, run by ansible-runner.

It runs as a process of its own: ended when who waits for it is, and no part of this one's memory.
https://ansible.readthedocs.io/projects/runner/en/stable/standalone/
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.model.errors import TransientError
from headrace.model.pool import NodePool, PowerSpec
from headrace.model.settings import HostsSettings
from headrace.nodes.port import Power
from headrace.nodes.power.board import Report, Word

PLAYBOOK = "headrace.hosts.power"
TELLS = "Tell how it is"  # the playbook's last task
END_SECONDS = 10.0  # for ansible-runner to end Ansible
LINE_BYTES = 16 * 2**20  # an event is one line, with all that a task said
_FAILED = ("runner_on_failed", "runner_on_unreachable")


@dataclass(frozen=True, slots=True)
class PlayBoard:
    """See the port: the hosts that an Ansible pattern names in an inventory."""

    settings: HostsSettings
    pattern: str
    power: PowerSpec

    @classmethod
    def of(cls, pool: NodePool, settings: HostsSettings) -> "PlayBoard":
        """The hosts of a pool."""
        return cls(settings, pool.hosts, pool.spec.power or PowerSpec())

    async def tell(self, word: Word, names: Collection[str] | None = None) -> AsyncGenerator[Report, None]:
        """See the port."""
        limit = self.pattern if names is None else ",".join(sorted(names))
        with tempfile.TemporaryDirectory(prefix="headrace-power-") as made:
            folder = Path(made)
            _prepare(folder, word, self.settings, seconds=self.power.order_seconds)
            process = await asyncio.create_subprocess_exec(
                *_command(folder, limit, self.settings, forks=self.power.at_once),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=LINE_BYTES,
            )
            try:
                async for report in _reports(process):
                    yield report
            finally:
                await _end(process)


def _prepare(folder: Path, word: Word, settings: HostsSettings, *, seconds: float) -> None:
    """What ansible-runner reads; nothing of it is secret."""
    environment = folder / "env"
    environment.mkdir()
    variables = {"power": word, **({"node_power_wait": False} if word is Word.ON else {})}
    # The scaler has emptied it.
    variables |= {"node_power_drains": []} if word is Word.OFF else {}
    documents: Mapping[str, Mapping[str, Any]] = {
        "extravars": variables,
        "settings": {"job_timeout": max(1, round(seconds))},
        "envvars": _environment(folder, settings),
    }
    for name, document in documents.items():
        (environment / name).write_text(json.dumps(document), encoding="utf-8")


def _environment(folder: Path, settings: HostsSettings) -> Mapping[str, str]:
    """For Ansible: everything that it writes is in the folder."""
    collections = {"ANSIBLE_COLLECTIONS_PATH": settings.collections} if settings.collections else {}
    return {
        **collections,
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "ssh"),
    }


def _command(folder: Path, limit: str, settings: HostsSettings, *, forks: int) -> list[str]:
    vault = settings.vault_password_file
    options = ["--cmdline", f"--vault-password-file {vault}"] if vault else []
    return [
        sys.executable, "-m", "ansible_runner", "run", str(folder), "--playbook", PLAYBOOK, "--json",
        "--inventory", settings.inventory, "--limit", limit, "--forks", str(forks), *options,
    ]  # fmt: skip


async def _reports(process: asyncio.subprocess.Process) -> AsyncIterator[Report]:
    """Of each host as it comes. Raises TransientError where the playbook did not begin."""
    last, any_came = "it said nothing", False
    if process.stdout is None:
        return
    async for line in process.stdout:
        event = _event(line)
        if event is None:
            last = line.decode(errors="replace").strip() or last
            continue
        last = str(event.get("stdout", "")).strip() or last
        report = report_of(event)
        if report is not None:
            any_came = True
            yield report
    code = await process.wait()
    if code and not any_came:
        raise TransientError(f"{PLAYBOOK}: found exit code {code} ({last[-500:]}), allowed 0")


def _event(line: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def report_of(event: Mapping[str, Any]) -> Report | None:
    """What an event of ansible-runner tells of a host at its end; None: it goes on, or it is about none."""
    data = event.get("event_data") or {}
    name, result = data.get("host"), data.get("res") or {}
    if name is None:
        return None
    if event["event"] in _FAILED:
        return Report(name, fault=_fault(result))
    if event["event"] == "runner_on_ok" and data.get("task") == TELLS:
        told = result["msg"]
        return Report(name, _POWERS.get(told["state"], Power.UNKNOWN), told["address"])
    return None


_POWERS = {"on": Power.ON, "off": Power.OFF}


def _fault(result: Mapping[str, Any]) -> str:
    """What the task said; of a loop, what those of its turns said that failed."""
    failed = [each for each in result.get("results") or () if each.get("failed")] or [result]
    said = "; ".join(str(each.get("msg") or "").strip() for each in failed)
    return said or "it failed and said nothing"


async def _end(process: asyncio.subprocess.Process) -> None:
    """Of one that still runs: it ends Ansible with it."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
