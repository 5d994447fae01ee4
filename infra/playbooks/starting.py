"""Starts the process that plays, and reads what it tells. It ends with this one, however that ends."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from headrace.plays.events import Ended, Event, Status, told_by
from headrace.plays.play import COMMAND, Play


def started(play: Play) -> Iterator[Event | Ended]:
    """Events as they come; the last one is the end."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
            start_new_session=True,  # Pulumi kills its own group at once, and this one has to tidy up
        )
        last: Ended | None = None
        with process:
            _input(process).write(play.to_json() + b"\n")
            _input(process).flush()
            for line in process.stdout or ():
                told = told_by(line)
                last = told if isinstance(told, Ended) else None
                yield told
        if last is None:
            complaints.seek(0)
            output = complaints.read().decode(errors="replace")
            yield Ended(status=Status.ERROR, output=output or f"exit code {process.returncode}")


def _input(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    """Its standard input, kept open while it is to run."""
    if process.stdin is None:
        raise TypeError("the process was started without a pipe; this is a fault of infra/")
    return process.stdin
