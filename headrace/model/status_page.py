"""The settings of the status service: where it listens, who may act, what others may see."""

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import ip_network

from pydantic import Field

from headrace.model.value import ConsistentValue

SHORTEST_SECRET = 16  # characters
_HEADER = r"^[A-Za-z0-9-]+$"
_ORIGIN = re.compile(r"https?://[^/\s]+")


class Names(StrEnum):
    """What is shown of files to somebody who has not logged in."""

    SHOWN = "shown"  # their names, and why they failed
    HIDDEN = "hidden"  # how many they are


class StatusProxy(ConsistentValue):
    """A proxy before the service that lets people log in, and tells in a header who asks.

    It is believed by its secret, by its address, or by both. A browser sends its login with whatever any page
    makes it ask for: so only pages of `origins` may act.
    """

    identity_header: str = Field(
        pattern=_HEADER, description="the header that tells who asks", examples=["X-Forwarded-Email"]
    )
    secret_header: str = Field(
        default="X-Headrace-Proxy", pattern=_HEADER, description="the header that holds `secret`"
    )
    secret: str = Field(
        default="",
        repr=False,
        description="what the proxy sends to be believed, 16 characters or more; empty: it is believed by "
        "its address",
    )
    addresses: tuple[str, ...] = Field(
        default=(), description="address ranges of the proxy; none: it is believed by its secret"
    )
    origins: tuple[str, ...] = Field(
        min_length=1,
        description="where pages may act from, as the browser calls them",
        examples=[["https://status.example.org"]],
    )
    users: tuple[str, ...] = Field(
        default=(), description="who may act, as the header tells; none: everybody whom the proxy lets in"
    )

    def _faults(self) -> Iterator[str]:
        if not self.secret and not self.addresses:
            yield "secret and addresses are both missing: anybody could say who he is; give one of them"
        if 0 < len(self.secret) < SHORTEST_SECRET:
            yield f"secret has {len(self.secret)} characters, allowed {SHORTEST_SECRET} or more"
        for each in self.addresses:
            if not _is_network(each):
                yield f"addresses: found {each}, allowed a range as 10.0.0.0/24"
        for each in self.origins:
            if not _ORIGIN.fullmatch(each):
                yield f"origins: found {each}, allowed https://host or https://host:port, without a path"


class StatusSettings(ConsistentValue):
    """Kept in a file of mode 0600. Without a token and a proxy nobody can act, and all can look."""

    host: str = "127.0.0.1"
    port: int
    title: str = ""  # how the page calls the stack; empty: by its host's name or its namespace
    token: str = Field(default="", repr=False)  # who sends it may act, and see all
    names: Names = Names.SHOWN
    proxy: StatusProxy | None = None
    refresh_seconds: float = Field(default=1.0, ge=0.2, le=60.0)  # between two editions of the document
    # Of a stack on one machine: where its scaler tells what it has decided, and reads what people wish.
    plan_file: str = ""
    wishes_file: str = ""

    @property
    def passwords(self) -> tuple[str, ...]:
        """Values that no log may show; those that are not set are empty."""
        return self.token, self.proxy.secret if self.proxy else ""

    def _faults(self) -> Iterator[str]:
        if 0 < len(self.token) < SHORTEST_SECRET:
            yield f"token has {len(self.token)} characters, allowed {SHORTEST_SECRET} or more"


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
