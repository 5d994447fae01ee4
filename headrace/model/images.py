"""Names of container images, and where they may come from. Pure.

A name is judged as it is written: what a short one means (`echo:1`, without a registry), each container
runtime decides for itself, so only a rule that is as short takes it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headrace.model.value import Value

# https://github.com/distribution/reference: the grammar of names
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"
_IMAGE = re.compile(
    rf"(?P<repository>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{DIGEST}))?",
    re.ASCII,
)
_STARS = re.compile(r"(\*\*|\*)")
MOST_REPOSITORY = 255  # letters of a repository's name
MOST_NAME = 512  # letters of all of it: more than a repository, a tag and a digest have


@dataclass(frozen=True, slots=True)
class Image:
    """A name in its parts; the tag counts for nothing where there is a digest."""

    repository: str
    tag: str = ""
    digest: str = ""


def parse_image(text: str) -> Image:
    """Raises ValueError for what is no image's name."""
    match = _IMAGE.fullmatch(text) if len(text) <= MOST_NAME else None
    if match is None or len(match["repository"]) > MOST_REPOSITORY:
        raise ValueError(
            f"found {text[:300]!r}, allowed an image's name, like registry.example/echo@sha256:…; correct it"
        )
    return Image(match["repository"], match["tag"] or "", match["digest"] or "")


class Pinned(StrEnum):
    """Whether an image must be named by its digest, which no one can move."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class ImageRule(Value):
    """Images of some repositories."""

    repository: str = Field(
        min_length=1,
        max_length=MOST_REPOSITORY,
        pattern=r"^[A-Za-z0-9._:*/\[\]-]+$",
        description="registry and path without tag and digest, as functions write it: `*` stands for any "
        "letters up to the next /, `**` for any, and a / at the end for all below",
    )
    digest: Pinned = Field(
        default=Pinned.REQUIRED,
        description="`required`: by digest only, as a tag can be moved; `optional`: a tag will do",
    )
    digests: tuple[Annotated[str, Field(pattern=rf"^{DIGEST}$")], ...] = Field(
        default=(), description="only these, whatever the tag; none: any"
    )

    def takes(self, image: Image) -> bool:
        """Whether the image is one of these."""
        return self.covers(image.repository) and not self._amiss(image)

    def covers(self, repository: str) -> bool:
        """Whether the rule is about a repository."""
        pattern = f"{self.repository}**" if self.repository.endswith("/") else self.repository
        reached = {0}  # letters of the name that what was read of the pattern may stand for
        for part in _STARS.split(pattern):
            reached = {end for begin in reached for end in _ends(part, repository, begin)}
        return len(repository) in reached

    @property
    def told(self) -> str:
        """For people."""
        if self.digests:
            return f"{self.repository} by {' or '.join(self.digests)}"
        return f"{self.repository} by digest" if self.digest is Pinned.REQUIRED else self.repository

    def _amiss(self, image: Image) -> bool:
        if self.digests:
            return image.digest not in self.digests
        return self.digest is Pinned.REQUIRED and not image.digest


def _ends(part: str, text: str, begin: int) -> Iterable[int]:
    """Where a part of a pattern may end that begins there."""
    if part == "**":
        return range(begin, len(text) + 1)
    if part == "*":
        slash = text.find("/", begin)
        return range(begin, (len(text) if slash < 0 else slash) + 1)
    return (begin + len(part),) if text.startswith(part, begin) else ()


def judge_image(image: str, rules: Sequence[ImageRule]) -> str:
    """Why an image is not allowed, for people; empty: it is. Without rules every image is."""
    if not rules:
        return ""
    try:
        parsed = parse_image(image)
    except ValueError as error:
        return f"image: {error}"
    if any(rule.takes(parsed) for rule in rules):
        return ""
    about = [rule for rule in rules if rule.covers(parsed.repository)]
    advice = "name it by its digest" if about and not parsed.digest else "take one of these"
    allowed = ", ".join(rule.told for rule in about or rules)
    return f"image: found {image[:300]}, allowed {allowed}; {advice}, or have the tenant's images extended"
