"""The fault that a person reads."""

import re

# A build fetches nothing but what it stands on. As buildah and podman say it, and docker with buildx:
_BASE_AWAY = re.compile(
    r"initializing source docker://(\S+):\s|failed to resolve source metadata for (\S+):\s"
)
_BASE_TOLD = """{base} can't be fetched from its registry. If that is out of reach, name a copy in another:
  make images ARGS="--base registry.example/python:3.13-slim-bookworm"
docs/images.md#the-base tells more. A cluster in a box needs none: make cluster ARGS=images"""


class ImagesError(Exception):
    """An image can't be built or pushed; the message says which, why and what to do."""


def with_base_told(fault: ImagesError) -> ImagesError:
    """The same fault; where a build lacked what it stands on, with what to do."""
    found = _BASE_AWAY.search(str(fault))
    if found is None:
        return fault
    return ImagesError(f"{fault}\n{_BASE_TOLD.format(base=found[1] or found[2])}")
