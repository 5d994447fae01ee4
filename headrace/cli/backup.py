"""`headrace backup`: records, buckets and what waits, copied to a folder or another store."""

import asyncio
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Annotated

import typer

from headrace.backup.backing import Backup, BackupReport, BackupWish
from headrace.backup.pruning import Pruned, prune
from headrace.backup.surveying import survey
from headrace.backup.verifying import verify
from headrace.cli.backup_place import Endpoint, OwnStore, Snapshot, Target, opened
from headrace.cli.backup_site import (
    PLATFORM_NAMESPACE,
    Cluster,
    Namespace,
    objects_of,
    opener_of,
    site_of,
    told,
)
from headrace.cli.backup_words import print_backup, print_names, print_verdict
from headrace.cli.options import DEFAULT_STATE, DryRun, Json, State
from headrace.cli.output import print_json
from headrace.cli.session import Session, execute
from headrace.cli.since import parse_span
from headrace.model.errors import ConfigurationError

Every = Annotated[
    str,
    typer.Option(metavar="SPAN", help="How often one is taken (6h, 7d): the alert of old ones counts by it."),
]


@dataclass(frozen=True, slots=True)
class Backed:
    """A backup that was taken, or would be, and what went therefore."""

    backup: BackupReport
    pruned: Pruned | None = None


def backup(
    context: typer.Context,
    target: Target,
    buckets: Annotated[
        str, typer.Option(help="Only these, with commas between. [default: all that functions name]")
    ] = "",
    keep: Annotated[
        int | None, typer.Option(min=1, help="Delete all backups but the newest so many.")
    ] = None,
    every: Every = "1d",
    snapshot: Snapshot = None,
    endpoint: Endpoint = None,
    kubeconfig: Cluster = None,
    namespace: Namespace = PLATFORM_NAMESPACE,
    *,
    verify_only: Annotated[
        bool,
        typer.Option(
            "--verify", help="Take none: read one wholly, tell what is damaged, and set that aside."
        ),
    ] = False,
    names_only: Annotated[bool, typer.Option("--list", help="Take none: list those that are there.")] = False,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Copy a stack's records, buckets and waiting files to a folder or to another object store.

    It may be taken while files come and are worked. What is there already is not copied again; one that was
    cut short goes on where it stopped. No secret is in it. docs/backup.md says what it promises.
    """
    if verify_only or names_only:
        if buckets or keep is not None or dry_run:
            raise ConfigurationError(
                "--verify and --list take no backup; leave --buckets, --keep and --dry-run out"
            )
        asyncio.run(_look(target, endpoint, snapshot, verify_only=verify_only, as_json=as_json))
        return
    if snapshot is not None:
        raise ConfigurationError("--snapshot is for --verify: a backup that is taken gets its name by itself")
    wanted = tuple(filter(None, (name.strip() for name in buckets.split(","))))
    wished = BackupWish(version("headrace"), wanted or None, period_seconds=parse_span(every, "--every"))

    async def step(session: Session) -> Backed:
        wish = replace(wished, objects=(objects := await objects_of(session)))
        site = site_of(session, objects)
        own = OwnStore(session.settings.storage, site.storage) if session.settings else None
        async with opened(target, endpoint, writing=not dry_run, own=own) as place:
            if dry_run:
                return Backed(await survey(site, place, wish))
            with told("copying") as telling:
                report = await Backup(site, place, wish, telling=telling).run()
            pruned = await prune(place, keep=keep, now=session.now()) if keep is not None else None
            return Backed(report, pruned)

    done = execute(context, state, step, opener=opener_of(kubeconfig, namespace))
    if as_json:
        print_json(done)
    else:
        print_backup(done.backup, done.pruned)


async def _look(
    target: str, endpoint: str | None, snapshot: str | None, *, verify_only: bool, as_json: bool
) -> None:
    """Of a place of backups alone: no stack has to be there."""
    async with opened(target, endpoint, writing=False) as place:
        await place.check()
        if not verify_only:
            print_names(await place.names(), as_json=as_json)
            return
        with told("reading") as telling:
            verdict = await verify(place, await place.choose(snapshot), telling=telling)
    if as_json:
        print_json(verdict)
    else:
        print_verdict(verdict)
    if verdict.faults:
        raise typer.Exit(1)
