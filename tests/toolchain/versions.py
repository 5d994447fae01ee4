"""Versions of programs: read from what they print, judged by a range."""

import re
from dataclasses import dataclass

Version = tuple[int, ...]
_VERSION = re.compile(r"(?<![\w.])v?(?:go)?(\d+)\.(\d+)(?:\.(\d+))?")


def version_in(text: str) -> Version | None:
    """The first version in a program's output; None where it holds none.

    A pre-release or a vendor's rebuild counts as the release it is named after.
    """
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.groups() if part) if found else None


def told(version: Version) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True, slots=True)
class Range:
    """Versions from `least` on and below `below`."""

    least: Version
    below: Version

    def __contains__(self, version: Version) -> bool:
        return self.least <= version < self.below

    def __str__(self) -> str:
        return f"{told(self.least)} or later, below {told(self.below)}"
