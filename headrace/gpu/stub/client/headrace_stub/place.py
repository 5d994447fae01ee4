"""Where a GPU is: the text of an environment variable."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import PlaceError

VARIABLE = "HEADRACE_STUB_DEVICES"

# An IPv6 address stands in brackets; the characters of a session are those that the server takes.
_FORM = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})/([A-Za-z0-9._-]{1,128})")


class Place(NamedTuple):
    """A server's address and the session there, which has one GPU."""

    host: str
    port: int
    session: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """From `host:port/session`. Raises PlaceError."""
        match = _FORM.fullmatch(text.strip())
        if match is None or not 1 <= int(match[3]) <= 65535:
            raise PlaceError(
                f"{VARIABLE}: found {text[:80]!r}, allowed host:port/session, more of them after commas; "
                "it is set for a pod by what gives it a GPU"
            )
        return cls(match[1] or match[2], int(match[3]), match[4])

    @property
    def server(self) -> str:
        """The server for people: `host:port`."""
        return f"{self.host}:{self.port}"


def parse_places(text: str) -> list[Place]:
    """All of the variable's value, in the order of their numbers. Raises PlaceError."""
    return [Place.parse(each) for each in text.split(",")]
