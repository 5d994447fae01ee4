"""`headrace restore`: a backup put back into a stack that has worked nothing yet."""

from dataclasses import dataclass
from typing import Annotated

import typer

from headrace.backup.manifest import Manifest
from headrace.backup.objects import Created, create_objects
from headrace.backup.previewing import preview
from headrace.backup.restoring import Restore, RestoreReport
from headrace.cli.backup_place import Endpoint, Snapshot, Target, opened
from headrace.cli.backup_site import (
    PLATFORM_NAMESPACE,
    Cluster,
    Namespace,
    cluster_of,
    opener_of,
    site_of,
    told,
)
from headrace.cli.backup_words import print_restore
from headrace.cli.options import DEFAULT_STATE, DryRun, Json, State
from headrace.cli.output import print_json
from headrace.cli.session import Session, execute
from headrace.model.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back, and objects of Kubernetes where they were asked for."""

    restore: RestoreReport
    objects: Created | None = None


def restore(
    context: typer.Context,
    target: Target,
    snapshot: Snapshot = None,
    endpoint: Endpoint = None,
    kubeconfig: Cluster = None,
    namespace: Namespace = PLATFORM_NAMESPACE,
    *,
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Also into a stack that is not empty. What is there stays as it is."),
    ] = False,
    objects: Annotated[
        bool,
        typer.Option(
            "--objects", help="Also create functions, buckets and pools that Pulumi does not declare."
        ),
    ] = False,
    state: State = DEFAULT_STATE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put a backup back: records, buckets, and what waited into the queue.

    Into a new stack, before its functions come. Until all is back no file is handed out; a restore that was
    cut short goes on when it is called again. Each content is compared with its SHA-256.
    """

    async def step(session: Session) -> Restored:
        site = site_of(session)
        async with opened(target, endpoint, writing=False) as place:
            await place.check()
            name = await place.choose(snapshot)
            if dry_run:
                return Restored(await preview(site, place, name))
            with told("restoring") as telling:
                report = await Restore(site, place, name, merge=merge, telling=telling).run()
            manifest = await place.manifest(name)
        return Restored(report, await _create(session, manifest) if objects else None)

    done = execute(context, state, step, opener=opener_of(kubeconfig, namespace))
    if as_json:
        print_json(done)
    else:
        print_restore(done.restore, done.objects)


async def _create(session: Session, manifest: Manifest) -> Created:
    async with cluster_of(session) as cluster:
        if cluster is None:
            raise ConfigurationError(
                "--objects is for a cluster; the functions of a stack on this machine are folders: copy them"
            )
        kube, place = cluster
        own, *tenants = place.namespaces
        return await create_objects(kube, manifest.objects, namespace=own, tenants=tenants)
