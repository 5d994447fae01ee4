"""`python -m tests.toolchain.images [NAME ...]`: builds the tests' images; prints their archives."""

import os
import sys
import time
from collections.abc import Sequence

from tests.toolchain.images.store import Images, lacking
from tests.toolchain.places import Places
from tests.toolchain.running import ToolchainError


def main(names: Sequence[str]) -> int:
    """Returns the exit code."""
    images = Images(Places.of(os.environ))
    if unknown := sorted(set(names) - set(images)):
        sys.stderr.write(f"images: there is no {', '.join(unknown)}; known: {', '.join(images)}\n")
        return 2
    if lacks := lacking():
        sys.stderr.write(f"images: they can't be built here; missing: {', '.join(lacks)}\n")
        return 1
    try:
        for name in names or images:
            start = time.monotonic()
            archive, reference = images[name]
            sys.stdout.write(f"{reference} {archive} {time.monotonic() - start:.1f} s\n")
            sys.stdout.flush()
    except ToolchainError as fault:
        sys.stderr.write(f"images: {fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
