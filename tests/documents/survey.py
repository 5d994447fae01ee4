"""All commands of the docs with what becomes of each: run, judged by something, or listed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.documents import data
from tests.documents.listed import PROGRAMS
from tests.documents.reading import Block, Quoted, blocks_of, current_pages, quoted_in
from tests.documents.shell import Command, commands
from tests.documents.verdicts import judge

RUN, STAYS, FAILS, OUTPUT = "run", "stays", "fails", "output"
BOX, LAB, ENGINE, PLANE, LONG = "box", "lab", "engine", "plane", "long"
# Words behind `run` that say where a block is run: what is there. Without one any checkout does.
WHERE: Mapping[str, str] = {
    BOX: "a cluster in a box",
    LAB: "hosts of a lab",
    ENGINE: "a machine with an engine that builds images",
    PLANE: "a control plane without nodes",
    LONG: "any machine, by a long test",
}
SHELL, TEXT = "sh", "text"
# Programs whose name in a sentence begins a command that can be judged without what it needs.
_STARTS = (
    "headrace ", ".venv/bin/headrace ", "make ", "pulumi ", "kubectl ", "ansible-playbook ", "python -m ",
    "aws ", "sh tools/",
)  # fmt: skip


class Fate(StrEnum):
    RUN = "run"
    JUDGED = "judged"
    LISTED = "listed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """One command or one block of data, what becomes of it, and what is wrong with it."""

    place: str
    text: str
    fate: Fate
    by: str
    faults: tuple[str, ...] = ()


def survey(page: str) -> Iterator[Found]:
    """Everything on a page that tells somebody to do or write something."""
    yield from in_blocks(page)
    yield from in_sentences(page)


def in_blocks(page: str) -> Iterator[Found]:
    """Commands, and blocks of data and programs: what a reader copies."""
    for block in blocks_of(page):
        yield from _commands(block) if block.language == SHELL else _data(block)


def in_sentences(page: str) -> Iterator[Found]:
    """Commands that a sentence or a table names: often a part of one, as words stand for the rest."""
    for quoted in quoted_in(page):
        yield from _quoted(quoted)


def where(block: Block) -> str:
    """The word for the place where a block that is run has to be; empty: any checkout does."""
    return next((word for word in block.words if word in WHERE), "")


def blocks_for(place: str) -> list[Block]:
    """All blocks that say so; empty: those for any checkout."""
    return [block for page in current_pages() for block in blocks_of(page) if where(block) == place]


def _commands(block: Block) -> Iterator[Found]:
    for command in commands(block.text):
        place = f"{block.page}:{block.line + command.line}"
        if RUN in block.words:
            yield Found(place, str(command), Fate.RUN, where(block))
            continue
        verdict = judge(command)
        if verdict.by:
            yield Found(place, str(command), Fate.JUDGED, verdict.by, verdict.faults)
        else:
            yield _listed(block.page, place, command)


def _listed(page: str, place: str, command: Command) -> Found:
    reason = PROGRAMS.get((page, command.words[0]))
    return Found(place, str(command), Fate.LISTED if reason else Fate.UNKNOWN, reason or "")


def _data(block: Block) -> Iterator[Found]:
    if block.language == TEXT:
        return
    faults = data.faults_of(block)
    first = block.text.strip().splitlines()[0] if block.text.strip() else ""
    if RUN in block.words:
        yield Found(block.place, first, Fate.RUN, where(block), tuple(faults or ()))
    elif faults is None:
        yield Found(block.place, first, Fate.UNKNOWN, "")
    else:
        yield Found(block.place, first, Fate.JUDGED, f"what reads {block.language}", tuple(faults))


def _quoted(quoted: Quoted) -> Iterator[Found]:
    if not quoted.text.startswith(_STARTS):
        return
    for command in commands(quoted.text):
        verdict = judge(command, strictly=False)
        if verdict.by:
            yield Found(quoted.place, str(command), Fate.JUDGED, verdict.by, verdict.faults)
