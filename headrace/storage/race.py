"""Whether a store lets exactly one of racing create-only puts win: the one record of a task rests on it."""

import asyncio
import secrets

from headrace.model.errors import FatalError, NotFoundError, TransientError
from headrace.model.troubles import Trouble
from headrace.storage.port import Storage

PREFIX = "race/"
KEYS = 50
WRITERS = 8


async def race_check(storage: Storage, bucket: str) -> None:
    """Race 8 writers for each of 50 keys below `race/`, and clean up.

    Raises FatalError when any key had not exactly one winner, or holds what another wrote;
    TransientError when that can't be told because the store answered badly meanwhile.
    """
    run = secrets.token_hex(8)
    keys = [f"{PREFIX}{run}/{number}" for number in range(KEYS)]
    try:
        # All keys at once: SeaweedFS lets some losers of a key wait for seconds before they learn it.
        faults = await asyncio.gather(*(_race(storage, bucket, key) for key in keys), return_exceptions=True)
    finally:
        await storage.delete(bucket, keys)
    for fault in faults:
        if fault is not None:
            raise fault


async def _race(storage: Storage, bucket: str, key: str) -> None:
    bodies = [f"writer {number}".encode() for number in range(WRITERS)]
    won = await asyncio.gather(*(storage.create(bucket, key, body) for body in bodies))
    winners = [body for body, created in zip(bodies, won, strict=True) if created]
    try:
        found = await storage.read(bucket, key)
    except NotFoundError:
        found = None
    if winners == [found]:
        return
    if found is not None and not winners:
        raise TransientError(f"the winner of s3://{bucket}/{key} was not told: its put was sent twice")
    raise FatalError(
        f"the store can't be trusted with results: of {WRITERS} create-only puts of s3://{bucket}/{key} "
        f"at once {len(winners)} succeeded, and it holds {found!r}; exactly one may succeed. "
        "Use a store that supports If-None-Match on PUT",
        trouble=Trouble.STORE_UNSURE,
    )
