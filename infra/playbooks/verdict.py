"""How a run ended -> what the resource hands out, and the fault that a person is told."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from headrace.model.gpu_server import GpuServer
from headrace.plays.events import Counts, Ended, Event, Status
from headrace.plays.play import Play
from infra.playbooks.story import Story, listed

REMEDY = (
    "Put that right and run `pulumi up` again: it plays on every host once more, and leaves alone what is "
    "right already."
)
_WHOLE = {
    Status.TIMEOUT: "did not end within {limit} s (timeoutSeconds) and was ended at {task!r}",
    Status.CANCELED: "was broken off at {task!r}",
    Status.ERROR: "could not be run",
    Status.FAILED: "could not be run",
}


class UnreadableError(ValueError):
    """A file among the manifests that a play wrote is none."""


def summary(hosts: Mapping[str, Counts]) -> str:
    """A run in one line."""
    changed = [host for host, counts in hosts.items() if counts.changed]
    told = f"changed something on {listed(changed)}" if changed else "nothing had to be changed"
    return f"{_hosts(len(hosts))}: {told}"


def fault(play: Play, ended: Ended, story: Story) -> str:
    """Why the run counts as failed, and what to do; empty where it does not."""
    told = [*_of_hosts(ended.hosts, story.faults), *_of_run(play, ended, story.task)]
    if not told:
        return ""
    bad = [host for host, counts in ended.hosts.items() if counts.failed or counts.unreachable]
    head = f": {len(bad)} of {_hosts(len(ended.hosts))} failed" if bad else ""
    return "\n".join([f"playbook {play.title}{head}", *(f"  {each}" for each in told), REMEDY])


def gpu_servers(written: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Specs by name, of the GpuServer objects in files by name. Raises UnreadableError."""
    documents = ((file, each) for file in sorted(written) for each in _documents(file, written[file]))
    return {server.name: server.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
            for server in (_server(file, each) for file, each in documents)}  # fmt: skip


def missing(wanted: Sequence[str], found: Mapping[str, Any]) -> str:
    """What to tell where a GpuServer that the stack declares was not written by any play."""
    lacking = [name for name in wanted if name not in found]
    if not lacking:
        return ""
    return (
        f"hosts.gpuServers: found {listed(lacking)}, which no playbook wrote a GpuServer for, allowed "
        f"{', '.join(sorted(found)) or 'none, as none was written'}; put its host into the group of a role "
        "that serves GPUs, or take it out"
    )


def _of_hosts(hosts: Mapping[str, Counts], faults: Mapping[str, Event]) -> Iterator[str]:
    for host, counts in hosts.items():
        if not (counts.failed or counts.unreachable):
            continue
        found = faults.get(host)
        said = found.message if found else ""
        if counts.unreachable:
            yield f"{host} was not reached: {said or 'no reason was given'}"
        else:
            yield f"{host} failed at {found.task if found else '?'!r}: {said or 'no reason was given'}"


def _of_run(play: Play, ended: Ended, task: str) -> Iterator[str]:
    """What is no single host's fault."""
    bad = any(counts.failed or counts.unreachable for counts in ended.hosts.values())
    if ended.status is Status.SUCCESSFUL:
        if not ended.hosts:
            limit = f" with limit {play.limit!r}" if play.limit else ""
            yield f"found no host for it in the inventory{limit}, allowed one or more; name its group there"
            yield from (line for line in ended.output.splitlines() if line.startswith("[WARNING]"))
    elif ended.status is not Status.FAILED or not bad:
        yield _WHOLE[ended.status].format(limit=play.timeout_seconds, task=task)
        if ended.status in (Status.FAILED, Status.ERROR):
            yield from ended.output.strip().splitlines()


def _documents(file: str, text: str) -> list[Any]:
    try:
        return [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        raise UnreadableError(f"{file}, written by the play, is no YAML: {error}") from error


def _server(file: str, document: object) -> GpuServer:
    try:
        return GpuServer.from_json(json.dumps(document))
    except (ValidationError, TypeError) as error:
        raise UnreadableError(f"{file}, written by the play, holds no GpuServer: {error}") from error


def _hosts(number: int) -> str:
    return f"{number} host" if number == 1 else f"{number} hosts"
