"""Gives a box's node what a platform runs in: the images of this checkout, and stand-ins of the servers'."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.toolchain.cluster.box import Box
from tests.toolchain.images.recipes import PREFIX
from tests.toolchain.images.store import Images
from tests.toolchain.running import ToolchainError

SERVERS = ("nats", "seaweedfs")
PLATFORM = ("headrace", *SERVERS)
FILE = "images.json"  # as `make images` writes it, for `imagesFile` of a stack of functions


def known(images: Images) -> tuple[str, ...]:
    """The services, their servers, and each function with a Containerfile."""
    ours = [name for name in images if not name.startswith(PREFIX)]
    return (*PLATFORM, *sorted(set(ours) - set(PLATFORM)))


def give(box: Box, images: Images, names: Sequence[str]) -> tuple[Path, Mapping[str, str]]:
    """Build these, or all, and load them; the file that names all the node has, and the references of these.

    Raises ToolchainError, for a name that is none too.
    """
    there = known(images)
    if unknown := sorted(set(names) - set(there)):
        raise ToolchainError(
            f"there is no image {', '.join(unknown)}; known: {', '.join(there)}; "
            "a function has one if its folder has a Containerfile"
        )
    built = {}
    for name in names or there:
        archive, built[name] = images[f"{PREFIX}{name}" if name in SERVERS else name]
        box.load_image(archive)
    path = box.place.root / FILE
    given = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**given, **built}, indent=1) + "\n")
    return path, built


def settings(built: Mapping[str, str]) -> list[str]:
    """The commands that put the platform's images into its stack."""
    return [f"pulumi config set --path images.{name} {built[name]}" for name in PLATFORM if name in built]
