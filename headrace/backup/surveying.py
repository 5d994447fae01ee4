"""What a backup would copy: a dry run, which changes nothing."""

from headrace.backup import areas
from headrace.backup.backing import BackupReport, BackupWish, BucketCount
from headrace.backup.choosing import chosen_buckets, function_names
from headrace.backup.copying import Amount
from headrace.backup.queues import read_queues
from headrace.backup.repository import Repository
from headrace.backup.site import Site
from headrace.backup.stock import Stock
from headrace.model.errors import NotFoundError
from headrace.model.keys import RECORDS
from headrace.storage.port import ObjectInfo


async def survey(site: Site, repository: Repository, wish: BackupWish) -> BackupReport:
    """Compare what is there with the place's newest backup; contents that two objects share count twice."""
    began = site.now()
    stock = await _stock(repository)
    copied, unchanged = Amount(), Amount()

    async def looked(bucket: str, prefix: str = "") -> list[ObjectInfo]:
        infos = await site.listed(bucket, prefix)
        for info in infos:
            (copied if stock.content(info) is None else unchanged).add(info.size)
        return infos

    buckets = await chosen_buckets(site, wish.buckets)
    queues = await read_queues(site, await function_names(site))
    found = {area: await looked(site.platform_bucket, f"{area}/") for area in areas.READ}
    data = {name: await looked(name) for name in buckets}
    return BackupReport(
        target=str(repository),
        snapshot=None,
        records=len(found[RECORDS]),
        waiting={each.function: len(each.tasks) for each in queues},
        buckets=tuple(BucketCount(name, len(i), sum(each.size for each in i)) for name, i in data.items()),
        copied=copied,
        unchanged=unchanged,
        seconds=site.now() - began,
        dry_run=True,
    )


async def _stock(repository: Repository) -> Stock:
    try:
        await repository.check()
    except NotFoundError:
        return Stock()
    return await Stock.of(repository)
