"""Saves a record's outputs in a local folder."""

from pathlib import Path, PurePosixPath

from headrace.model.errors import RejectedError
from headrace.model.record import Output, Record
from headrace.operations.concurrently import concurrently
from headrace.operations.stack import Stack

MOST_AT_ONCE = 8


async def fetch(stack: Stack, record: Record, folder: Path) -> tuple[Path, ...]:
    """Each output under the name that the function gave it; an older file of that name is replaced.

    Raises RejectedError for a name that would leave the folder, NotFoundError and ChangedError for an
    output that is removed or overwritten meanwhile.
    """
    # An output may be published in several places; one copy of it is enough here.
    outputs = {output.name: output for output in record.outputs}

    async def one(output: Output) -> Path:
        path = folder / inside(output.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A copy's ETag may differ from the staged object's, so the final key is asked for its own.
        info = await stack.storage.head(output.bucket, output.key)
        await stack.storage.download(output.bucket, output.key, path, version=info.version, etag=info.etag)
        return path

    return tuple(await concurrently(one, outputs.values(), most=MOST_AT_ONCE))


def inside(name: str) -> PurePosixPath:
    """An output's name as a relative path. Raises RejectedError for one that leads out of its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise RejectedError(
            f"output {name!r} has a name that leads out of a folder; fetch it by an S3 client"
        )
    return path
