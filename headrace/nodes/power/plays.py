"""The switchboard of real hosts: the playbook headrace.hosts.power, in a process that ends with this one."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from dataclasses import dataclass
from typing import IO

from headrace.model.errors import TransientError
from headrace.model.pool import NodePool, PowerSpec
from headrace.model.settings import HostsSettings
from headrace.nodes.port import Power
from headrace.nodes.power.board import Report, Word
from headrace.plays.events import Ended, Event, Kind, told_by
from headrace.plays.play import COMMAND, Play, Variables, full_name

PLAYBOOK = "power"
TOLD = {"state", "address"}  # what the playbook's last task tells
END_SECONDS = 10.0  # for the process to end Ansible
LINE_BYTES = 16 * 2**20  # an event is one line, with all that a task said
MOST_CHARACTERS = 500  # of what Ansible said, in an error


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
        with tempfile.TemporaryFile() as complaints:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=complaints,
                limit=LINE_BYTES,
                start_new_session=True,
            )
            try:
                async for report in _reports(process, self._play(word, names), names or (), complaints):
                    yield report
            finally:
                await _end(process)

    def _play(self, word: Word, names: Collection[str] | None) -> Play:
        return Play(
            title=PLAYBOOK,
            playbook=full_name(PLAYBOOK),
            inventory=self.settings.inventory,
            limit=self.pattern if names is None else ",".join(sorted(names)),
            forks=self.power.at_once,
            variables={"power": word.value, **_MORE.get(word, {})},
            vault_password_file=self.settings.vault_password_file,
            collections=self.settings.collections,
            timeout_seconds=max(1, round(self.power.order_seconds)),
        )


# Whether a host has booted is seen by its node; it is emptied before it is told to go off.
_MORE: dict[Word, Variables] = {
    Word.ON: {"node_power_wait": False, "node_power_drains": []},
    Word.OFF: {"node_power_drains": []},
}
_POWERS = {"on": Power.ON, "off": Power.OFF}


async def _reports(
    process: asyncio.subprocess.Process, play: Play, names: Collection[str], complaints: IO[bytes]
) -> AsyncIterator[Report]:
    """Of each host as it comes, at the end of those that did not. Raises TransientError where none did."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process was started without pipes; this is a fault of the driver")
    process.stdin.write(play.to_json() + b"\n")
    came, end = set[str](), None
    async for line in process.stdout:
        told = told_by(line)
        if isinstance(told, Ended):
            end = told
        elif (report := report_of(told)) is not None:
            came.add(report.name)
            yield report
    said = f"{end.status}: {end.output.strip()[-MOST_CHARACTERS:]}" if end else _end_of(complaints)
    told_of = {*names, *(end.hosts if end else ())}  # a host that is not reported is not one that is gone
    for name in sorted(told_of - came if came else ()):
        yield Report(name, fault=f"playbook {play.playbook} did not tell how it is: {said}")
    if not came:
        raise TransientError(f"playbook {play.playbook}: found no host to play on, allowed one: {said}")


def _end_of(complaints: IO[bytes]) -> str:
    """What a process that did not play said on its way."""
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip()[-MOST_CHARACTERS:] or "its process said nothing"


def report_of(event: Event) -> Report | None:
    """What an event tells of a host at its end; None: it goes on, or it is about none."""
    if event.kind in (Kind.FAILED, Kind.UNREACHABLE):
        return Report(event.host, fault=event.message or "it failed and said nothing")
    if isinstance(event.said, dict) and event.said.keys() >= TOLD:
        power = _POWERS.get(str(event.said["state"]), Power.UNKNOWN)
        return Report(event.host, power, str(event.said["address"]))
    return None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Of one that still runs: it ends Ansible once nobody writes to it any more."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
