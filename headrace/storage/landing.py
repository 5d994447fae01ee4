"""A file that is whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def landing(path: Path) -> Iterator[BinaryIO]:
    """A file to write beside `path`, renamed to it at the end; after any exception neither is left."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.replace(partial, path)  # noqa: PTH105  (mkstemp gives a string; a Path would only cost time here)
    except BaseException:
        os.unlink(partial)  # noqa: PTH108  (as above)
        raise
