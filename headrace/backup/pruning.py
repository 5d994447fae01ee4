"""Old backups go, and the contents that no other needs."""

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.backup.repository import CONTENTS, Repository, digest_in

YOUNG_SECONDS = 24 * 3600.0  # what another machine copies at this moment is in no manifest yet


@dataclass(frozen=True, slots=True)
class Pruned:
    """Backups that went, and contents with their bytes."""

    snapshots: tuple[str, ...]
    contents: int
    size: int


async def prune(repository: Repository, *, keep: int, now: float) -> Pruned:
    """Keep the newest `keep` backups. Contents younger than a day stay whatever needs them.

    Raises RejectedError when a backup that stays can't be read: nothing is deleted then.
    """
    names = await repository.names()
    old = names[:-keep]
    needed = await _needed(repository, names[-keep:])
    stale, size = [], 0
    async for piece in repository.shelf.list(CONTENTS):
        digest = digest_in(piece.name)
        if digest not in needed and piece.modified < now - YOUNG_SECONDS:
            stale.append(digest)
            size += piece.size
    await repository.forget(old)
    await repository.remove_contents(stale)
    return Pruned(tuple(old), len(stale), size)


async def _needed(repository: Repository, names: Iterable[str]) -> set[str]:
    needed = {entry.sha256 for entry in await repository.progress()}
    for name in names:
        manifest = await repository.manifest(name)
        parts = [*manifest.lists, *(part for queue in manifest.queues for part in queue.parts)]
        needed.update(part.sha256 for part in parts)
        needed.update(entry.sha256 for entry in await repository.entries(manifest.lists))
    return needed
