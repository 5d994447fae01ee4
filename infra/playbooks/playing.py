"""One run as the provider makes it: inputs -> play, progress while it runs, outputs at the end."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.plays.events import Ended, Event, Kind, Status
from headrace.plays.play import Play, full_name
from infra.playbooks import verdict
from infra.playbooks.changes import FAULT, whole
from infra.playbooks.finding import OWN_COLLECTION, is_path
from infra.playbooks.redaction import redactor
from infra.playbooks.story import Story
from infra.playbooks.telling import Tell, Weight

Properties = dict[str, Any]
Start = Callable[[Play], Iterator[Event | Ended]]
HOSTS, MANIFESTS, ENDED = "hosts", "manifests", "ended"
# Of messages; they are cut once they hold no secret, of which half might stay.
MOST_CHARACTERS, MOST_OUTPUT = 1500, 3000
PAUSE_SECONDS = 2.0  # between two messages that only say what runs now


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run needs of the world."""

    start: Start
    tell: Tell
    clock: Callable[[], float] = time.monotonic


def play_of(props: Mapping[str, Any], playbook: str) -> Play:
    """The run that the inputs of a resource ask for."""
    given = whole(props)
    folder = Path(given["folder"])
    inventory, collections = given["inventory"], given["collections"]
    return Play(
        title=playbook,
        playbook=str(folder / playbook) if is_path(playbook) else full_name(playbook),
        inventory=inventory["inline"] if "inline" in inventory else str(folder / inventory["path"]),
        limit=given["limit"],
        variables=given["variables"],
        secrets=given["secret_variables"],
        vault_password_file=_placed(folder, given["vault_password_file"]),
        collection="" if collections else str(OWN_COLLECTION),
        collections=_placed(folder, collections),
        timeout_seconds=given["timeout_seconds"],
    )


def performed(play: Play, stage: Stage, ended_at: Callable[[], str]) -> Properties:
    """Play, and say how it went: hosts, manifests, when it ended, the fault. No secret is in it."""
    hide = redactor(dict(play.secrets))
    ended, story = _followed(play, stage, hide)
    try:
        manifests, wrong = verdict.gpu_servers(ended.written), ""
    except verdict.UnreadableError as error:
        manifests, wrong = {}, str(error)
    fault = hide(verdict.fault(play, ended, story) or wrong)
    if not fault:
        stage.tell(verdict.summary(ended.hosts), Weight.LASTING)
    hosts = {host: counts.model_dump() for host, counts in ended.hosts.items()}
    return {HOSTS: hosts, MANIFESTS: manifests, ENDED: ended_at(), FAULT: fault}


def _followed(play: Play, stage: Stage, hide: Callable[[str], str]) -> tuple[Ended, Story]:
    story, last = Story(), float("-inf")
    for told in stage.start(play):
        is_over = isinstance(told, Ended) or told.kind is Kind.TASK
        if is_over and (line := story.line()):
            stage.tell(hide(line), Weight.LASTING)
        if isinstance(told, Ended):
            return told.model_copy(update={"output": hide(told.output)[-MOST_OUTPUT:]}), story
        story = story.after(told.model_copy(update={"message": hide(told.message)[:MOST_CHARACTERS]}))
        if is_over and stage.clock() - last >= PAUSE_SECONDS:
            last = stage.clock()
            stage.tell(hide(f"now: {told.task}"), Weight.PASSING)
    return Ended(status=Status.ERROR, output="it said nothing at its end"), story


def _placed(folder: Path, path: str) -> str:
    return str(folder / Path(path).expanduser()) if path else ""
