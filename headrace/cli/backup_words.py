"""What backup and restore tell people."""

from collections.abc import Mapping, Sequence

from headrace.backup.backing import BackupReport
from headrace.backup.copying import Amount
from headrace.backup.objects import Created
from headrace.backup.pruning import Pruned
from headrace.backup.restoring import RestoreReport
from headrace.backup.verifying import Verdict
from headrace.cli.output import counted, duration, err, out, print_json, quiet_table, shown, size

MOST_SHOWN = 20


def print_backup(done: BackupReport, pruned: Pruned | None) -> None:
    """A table of buckets, and what was copied."""
    console = out()
    table = quiet_table("bucket", "objects", "size", whole=("bucket", "objects", "size"))
    for each in done.buckets:
        table.add_row(each.name, f"{each.objects:,}", size(each.size))
    console.print(table)
    console.print(f"{counted(done.records, 'record')}, {_waiting(done.waiting)}")
    verb = "would be copied" if done.dry_run else "copied"
    console.print(f"{_amount(done.copied)} {verb}, {_amount(done.unchanged)} there already")
    if done.snapshot is not None:
        console.print(f"backup {done.snapshot} in {shown(done.target)}, {duration(done.seconds)}")
    if done.unnoted:
        err().print(
            f"the stack was not told of it, and goes on counting from the one before: {shown(done.unnoted)}"
        )
    if pruned is not None and (pruned.snapshots or pruned.contents):
        gone = f"{counted(len(pruned.snapshots), 'older backup')} deleted"
        console.print(f"{gone}, {size(pruned.size)} of contents with it")


def print_names(names: Sequence[str], *, as_json: bool) -> None:
    """The backups of a place, the oldest first."""
    if as_json:
        print_json({"snapshots": names})
    for name in () if as_json else names:
        out().print(name)


def print_verdict(verdict: Verdict) -> None:
    """What was read, and every fault."""
    console = out()
    for fault in verdict.faults:
        console.print(shown(fault))
    state = f"{counted(len(verdict.faults), 'content')} damaged" if verdict.faults else "sound"
    console.print(
        f"backup {verdict.snapshot}: {state}; {counted(verdict.objects, 'object')}, "
        f"{counted(verdict.tasks, 'file')} waiting, {size(verdict.size)} read"
    )


def print_restore(done: RestoreReport, objects: Created | None) -> None:
    """What was put back, what was in the way, and what is still to be done."""
    console = out()
    for each in done.found:
        console.print(f"in the way: {shown(each)}")
    _print_some("left as it is", [f"{shown(each)} holds something else" for each in done.left])
    _print_some("without metadata that are not ASCII", [shown(each) for each in done.reduced])
    verb = "would be put back" if done.dry_run else "put back"
    console.print(f"{_amount(done.put)} {verb}, {_amount(done.kept)} there already")
    console.print(f"{counted(done.records, 'record')}, {_waiting(done.waiting)}")
    if done.renamed:
        console.print(
            f"{counted(done.renamed, 'task')} with another id, as the store calls their files otherwise"
        )
    if done.paused:
        console.print(f"paused as before: {', '.join(done.paused)}; `headrace resume FUNCTION` ends it")
    if objects is not None:
        _print_objects(objects)
    if not done.dry_run:
        console.print(
            f"backup {done.snapshot} restored, {duration(done.seconds)}; now let the functions come"
        )


def _print_some(what: str, told: Sequence[str]) -> None:
    for each in told[:MOST_SHOWN]:
        out().print(f"{what}: {each}")
    if len(told) > MOST_SHOWN:
        out().print(f"{what}: … and {len(told) - MOST_SHOWN:,} more")


def _print_objects(objects: Created) -> None:
    for verb, names in (
        ("created", objects.created),
        ("there already", objects.there),
        ("left to `pulumi up`", objects.of_pulumi),
    ):
        if names:
            out().print(f"{verb}: {', '.join(names)}")


def _waiting(waiting: Mapping[str, int]) -> str:
    by_function = [f"{name} {count:,}" for name, count in sorted(waiting.items()) if count]
    told = f" ({', '.join(by_function)})" if by_function else ""
    return f"{counted(sum(waiting.values()), 'file')} waiting{told}"


def _amount(amount: Amount) -> str:
    return f"{counted(amount.objects, 'object')} ({size(amount.size)})"
