"""Whether a backup is whole: every content is read and compared with its SHA-256."""

from dataclasses import dataclass

from headrace.backup.entry import Entry
from headrace.backup.flowing import flow
from headrace.backup.repository import SMALL_BYTES, Repository
from headrace.backup.site import Silent, Telling
from headrace.model.errors import RejectedError

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
    once = {entry.sha256: entry for entry in entries}
    teller.stage("contents", len(once))

    async def look(entry: Entry) -> str | None:
        fault = await _fault(repository, entry)
        teller.step(entry.size)
        return fault

    faults = await flow(look, once.values(), most=MOST_AT_ONCE)
    return Verdict(
        target=str(repository),
        snapshot=name,
        objects=len(entries),
        tasks=len(tasks),
        contents=len(once),
        size=sum(entry.size for entry in once.values()),
        faults=tuple(sorted(fault for fault in faults if fault is not None)),
    )


async def _fault(repository: Repository, entry: Entry) -> str | None:
    try:
        if entry.size <= SMALL_BYTES:
            await repository.content(entry.sha256)
        else:
            await repository.shelf.release(await repository.file(entry.sha256))
    except RejectedError as error:
        return f"s3://{entry.bucket}/{entry.key} and all with the same content: {error}"
    return None
