"""Prints what replay, rerun and purge did or would do."""

from headrace.cli.output import counted, location, out, print_json, shown
from headrace.operations.change import Action, Changes, Item

MOST_SHOWN = 20

_DONE = {Action.REPLAY: "queued again", Action.RERUN: "queued anew", Action.PURGE: "taken out of the queue"}
_PLANNED = {
    Action.REPLAY: "would be queued again",
    Action.RERUN: "would be queued anew",
    Action.PURGE: "would be taken out of the queue",
}


def print_changes(changes: Changes, *, as_json: bool) -> None:
    """The whole as a document, or a line a file for the first ones and a summary."""
    if as_json:
        print_json(changes)
        return
    console = out()
    for title, items in (("", changes.changed), ("left: ", changes.left)):
        for item in items[:MOST_SHOWN]:
            console.print(f"{title}{_line(item)}")
        if len(items) > MOST_SHOWN:
            console.print(f"{title}… and {len(items) - MOST_SHOWN:,} more")
    words = (_PLANNED if changes.dry_run else _DONE)[changes.action]
    run = f" as run {changes.run}" if changes.run is not None and changes.changed else ""
    left = f", {len(changes.left):,} left" if changes.left else ""
    console.print(f"{counted(len(changes.changed), 'file')} of {changes.function} {words}{run}{left}")


def _line(item: Item) -> str:
    return f"{location(item.bucket, item.key)}  {shown(item.reason)}"
