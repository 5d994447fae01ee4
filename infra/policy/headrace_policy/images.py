"""Images: in production a reference names one image for ever, which only a digest does."""

import re
from collections.abc import Iterator

from .kubernetes import manifests, pods
from .tree import Node
from .values import Fault, Resource, Rule, Surroundings

# https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
_DIGEST = re.compile(r"@(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")


def is_pinned(reference: str) -> bool:
    """Whether a reference has a digest, and so names one image for ever."""
    return bool(_DIGEST.search(reference))


def _floating(resource: Resource, surroundings: Surroundings) -> Iterator[Fault]:
    if not surroundings.production:
        return
    for where, image in _images(resource):
        if image.text and not is_pinned(image.text):
            yield Fault(
                where,
                f"image {image.text}, which may be another one tomorrow",
                "in production a reference with a digest, NAME@sha256:…",
                "write the digest that the registry tells (docker buildx imagetools inspect)",
            )


def _images(resource: Resource) -> Iterator[tuple[str, Node]]:
    for pod in pods(resource):
        for container in pod.containers():
            yield container.where, container.body.at("image")
        for volume in pod.spec.at("volumes").entries():
            yield f"volume {volume.at('name').text}", volume.at("image", "reference")
    for manifest in manifests(resource):
        if manifest.is_function:
            yield "spec", manifest.body.at("spec", "image")


DIGEST = Rule(
    "image-digest",
    "In production an image is pinned by its digest",
    "pods, functions",
    "in a [production stack](#production): a reference without a digest, whatever its tag",
    each=_floating,
)
