"""Whether a backup is whole: every content is read and compared with its SHA-256.

One that differs is set aside: a backup looks at sizes alone, and would take it for sound for ever.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.backup.entry import Entry
from headrace.backup.flowing import flow
from headrace.backup.repository import Repository
from headrace.backup.site import Silent, Telling
from headrace.model.errors import HeadraceError, RejectedError

MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was read of a backup, and each object that it can't give back, with the reason."""

    target: str
    snapshot: str
    objects: int
    tasks: int
    contents: int
    size: int
    faults: tuple[str, ...]


async def verify(repository: Repository, name: str, *, telling: Telling | None = None) -> Verdict:
    """Read a backup wholly. Raises RejectedError when its lists are damaged: nothing of it is sure then."""
    teller = telling or Silent()
    manifest = await repository.manifest(name)
    entries = await repository.entries(manifest.lists)
    tasks = [task for queue in manifest.queues for task in await repository.tasks(queue.parts)]
    of_content: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        of_content[entry.sha256].append(entry)
    teller.stage("contents", len(of_content))

    async def look(same: Sequence[Entry]) -> str | None:
        fault = await _fault(repository, same)
        teller.step(same[0].size)
        return fault

    faults = await flow(look, of_content.values(), most=MOST_AT_ONCE)
    return Verdict(
        target=str(repository),
        snapshot=name,
        objects=len(entries),
        tasks=len(tasks),
        contents=len(of_content),
        size=sum(same[0].size for same in of_content.values()),
        faults=tuple(sorted(fault for fault in faults if fault is not None)),
    )


async def _fault(repository: Repository, same: Sequence[Entry]) -> str | None:
    """What is wrong with the content that these objects have."""
    first = min(same, key=lambda entry: entry.place)
    try:
        found = await repository.digest(first.sha256, first.size)
    except RejectedError as error:
        fault = str(error)
    else:
        if found == first.sha256:
            return None
        told = await _set_aside(repository, first.sha256)
        fault = f"a content is damaged: found SHA-256 {found}, wanted {first.sha256}; {told}"
    more = f" and {len(same) - 1:,} more of the same content" if len(same) > 1 else ""
    return f"s3://{first.bucket}/{first.key}{more}: {fault}"


async def _set_aside(repository: Repository, sha256: str) -> str:
    """What became of a damaged content."""
    try:
        await repository.set_aside(sha256)
    except HeadraceError as error:
        return f"it can't be set aside: {error}"
    return "set aside: the next backup copies it anew if the stack still has it"
