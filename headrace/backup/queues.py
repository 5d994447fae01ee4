"""The queue as a backup reads it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from headrace.backup.site import Site
from headrace.model.errors import NotFoundError
from headrace.model.task import Task


@dataclass(frozen=True, slots=True)
class Queued:
    """A function's stream: whether it hands out tasks, and all that wait or are leased, the oldest first."""

    function: str
    paused: bool
    tasks: tuple[Task, ...]


async def read_queues(site: Site, functions: Iterable[str]) -> list[Queued]:
    """The streams of functions; those that have none are left out."""
    found = []
    for function in functions:
        try:
            found.append(await site.patiently(partial(_read, site, function)))
        except NotFoundError:
            continue
    return found


async def _read(site: Site, function: str) -> Queued:
    """All that was there when it began. What comes meanwhile is behind it, and may be read as well."""
    backlog = await site.queue.backlog(function)
    tasks = await site.queue.tasks(function, backlog.tasks) if backlog.tasks else ()
    return Queued(function, backlog.paused, tuple(tasks))
