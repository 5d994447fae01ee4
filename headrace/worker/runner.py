"""Runs a handler beside the worker: loads the class once, then calls it with batches of staged files.

One module of the standard library, Python 3.8 or later, so that it can be copied into any image. It talks
over two named pipes: a line of JSON for each batch in, a line of JSON for each outcome out.

    in   {"files": [{"input", "output", "key", "bucket", "task_id", "attempt", "environment"}], "log": PATH}
    out  {"ready": SECONDS} once the class is loaded, or {"broken": REASON}
    out  {"code": 0} when the call returned, else {"code": 1, "reason": REASON}
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Iterator  # noqa: UP035  (Python 3.8 has no collections.abc.Iterator[...])

REASON_CHARACTERS = 2000  # the log has the rest


class File:
    """One staged file, as a handler sees it.

    `input` is the file, `output` an empty folder for results; `attempt` counts from 1 and `task_id` stays
    the same over attempts; `environment` holds the variables that OSCAR's supervisor gives.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.input = Path(fields["input"])
        self.output = Path(fields["output"])
        self.key = fields["key"]
        self.bucket = fields["bucket"]
        self.task_id = fields["task_id"]
        self.attempt = fields["attempt"]
        self.environment = fields["environment"]

    def __repr__(self) -> str:
        return f"File({self.key!r})"


def _one_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()[:REASON_CHARACTERS]


@contextlib.contextmanager
def _printing_to(path: str) -> Iterator[None]:
    """Send file descriptors 1 and 2 to a log, so that output of C libraries and children is kept too."""
    saved = [os.dup(1), os.dup(2)]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in [*saved, log]:
            os.close(descriptor)


def _call(handler: Any, request: dict[str, Any]) -> dict[str, object]:  # noqa: ANN401  (any callable)
    files = [File(fields) for fields in request["files"]]
    if len(files) == 1:
        os.environ.update(files[0].environment)
    with _printing_to(request["log"]):
        try:
            handler(files)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (sys.exit in a handler is a failure of its batch)
            traceback.print_exc()
            return {"code": 1, "reason": _one_line(error)}
    return {"code": 0}


def _load(folder: str, name: str) -> Any:  # noqa: ANN401  (whatever the author's class is)
    own = str(Path(__file__).parent)  # whose modules are none of the function's
    sys.path[:] = [folder, *(each for each in sys.path if each != own)]
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)()


def main(requests: str, replies: str, folder: str, name: str) -> int:
    """Serve until the request pipe closes."""
    with Path(replies).open("w", buffering=1) as answers, Path(requests).open() as lines:
        began = time.monotonic()
        try:
            handler = _load(folder, name)
        except BaseException as error:  # noqa: BLE001  (whatever hinders loading is told to the worker)
            traceback.print_exc()
            answers.write(json.dumps({"broken": _one_line(error)}) + "\n")
            return 1
        sys.stdout.flush()  # or it would come into the first file's log
        answers.write(json.dumps({"ready": time.monotonic() - began}) + "\n")
        for line in lines:
            answers.write(json.dumps(_call(handler, json.loads(line))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
