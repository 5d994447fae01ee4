"""What `/run` answers once a task has ended, as OSCAR's supervisor does.

One file in base64, several as a zip in base64, and where there is none what the function printed.

https://github.com/grycap/faas-supervisor/blob/master/faassupervisor/faas/binary/supervisor.py
"""

import asyncio
import base64
import zipfile
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from headrace.health.faults import Fault
from headrace.model.record import FailureRecord, Output, Record
from headrace.operations.fetch import fetch, inside
from headrace.operations.stack import Stack

PIECE_BYTES = 3 * 2**18  # a multiple of three: so much has a base64 text without padding
LOG_CHARACTERS = 10_000  # of the end of a failed file's log


def outputs_of(record: Record) -> Sequence[Output]:
    """Each output once, wherever it is published."""
    return tuple({output.name: output for output in record.outputs}.values())


async def answer_file(stack: Stack, record: Record, folder: Path) -> Path:
    """The outputs of a record as one file in a folder: the only one, or a zip of all.

    Raises NotFoundError and ChangedError for an output that is gone or overwritten meanwhile.
    """
    fetched = folder / "outputs"
    paths = await fetch(stack, record, fetched)
    if len(paths) == 1:
        return paths[0]
    return await asyncio.to_thread(_zipped, record, fetched, folder / "outputs.zip")


def _zipped(record: Record, fetched: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for output in outputs_of(record):
            name = inside(output.name)
            archive.write(fetched / name, name.as_posix())
    return target


def base64_of(path: Path) -> Iterator[bytes]:
    """A file's base64 text, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield base64.b64encode(piece)


def base64_length(size: int) -> int:
    """Of the text for so many bytes."""
    return -(-size // 3) * 4


def failure(record: FailureRecord, log: str) -> Fault:
    """What is answered for a file that gave no result."""
    more = {
        "task": record.task.id,
        "state": record.state.value,
        "attempts": record.attempts,
        "log": log[-LOG_CHARACTERS:],
    }
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "the file has failed", record.reason, more)
