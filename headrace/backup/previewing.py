"""What a restore would do: a dry run, which changes nothing."""

from headrace.backup import areas, place
from headrace.backup.copying import Amount
from headrace.backup.naming import Naming
from headrace.backup.repository import Repository
from headrace.backup.restoring import RestoreReport, told_reduced
from headrace.backup.site import Site
from headrace.model.keys import RECORDS


async def preview(site: Site, repository: Repository, snapshot: str) -> RestoreReport:
    """Compare a backup with what is there. Tasks' ids and what is to be ignored show only in earnest."""
    began = site.now()
    manifest = await repository.manifest(snapshot)
    naming = Naming(manifest, site.real_bucket)
    put, kept, left, reduced = Amount(), Amount(), [], []
    for state in manifest.data:
        bucket = naming.real(state.name)
        there = {info.key: info for info in await place.objects_in(site, bucket)}
        for entry in await repository.entries(state.parts):
            found = there.get(entry.key)
            if found is not None and found.size != entry.size:
                left.append(f"s3://{bucket}/{entry.key}")
            else:
                (put if found is None else kept).add(entry.size)
            if found is None and entry.unportable:
                reduced.append(told_reduced((bucket, entry.key), entry.unportable))
    platform = await repository.entries(manifest.platform.parts)
    return RestoreReport(
        source=str(repository),
        snapshot=snapshot,
        put=put,
        kept=kept,
        left=tuple(left),
        reduced=tuple(sorted(reduced)),
        records=sum(areas.area_of(entry.key) == RECORDS for entry in platform),
        waiting={queue.function: queue.tasks for queue in manifest.queues},
        paused=tuple(queue.function for queue in manifest.queues if queue.paused),
        seconds=site.now() - began,
        found=(*place.unfit(site, manifest), *await place.found_in(site, manifest, naming)),
        dry_run=True,
    )
