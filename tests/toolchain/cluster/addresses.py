"""The addresses of a box, by its number, and the names of what this machine holds of it.

198.18.0.0/15 is set apart for measuring between devices (RFC 2544): no real network is hidden by it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

NUMBERS = range(1, 255)
# An address that nobody has (RFC 5737): the API server refuses to announce a loopback one.
NOWHERE = "192.0.2.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a box listens: `own` is reached by whoever uses it, `store` by its API server alone."""

    own: str
    store: str
    services: str  # the range of ClusterIPs
    first_service: str
    announced: str = NOWHERE

    @property
    def api(self) -> str:
        return f"https://{self.own}:6443"


@dataclass(frozen=True, slots=True)
class Subnets:
    """Box NUMBER of this machine: its services and its link are in 198.18.NUMBER.0/24, its pods beside it."""

    number: int

    @property
    def node(self) -> str:
        return f"198.18.{self.number}.253"

    @property
    def host(self) -> str:
        """This machine, as the box sees it."""
        return f"198.18.{self.number}.254"

    @property
    def services(self) -> str:
        return f"198.18.{self.number}.0/25"

    @property
    def pods(self) -> str:
        return f"198.19.{self.number}.0/24"

    @property
    def addresses(self) -> Addresses:
        first = f"198.18.{self.number}.1"
        return Addresses(self.node, "127.0.0.1", self.services, first, announced=self.node)


def loopback(root: Path) -> Addresses:
    """For a control plane: an address of 127.0.0.0/8 for this folder alone, so that ports never clash.

    127.0.* is left to everybody else.
    """
    first, second, third = hashlib.sha256(str(root).encode()).digest()[:3]
    own = f"127.{1 + first % 254}.{second}.{1 + third % 254}"
    return Addresses(own, own, services="10.96.0.0/16", first_service="10.96.0.1")


def tag(root: Path) -> str:
    """Names this box's link and control groups: short enough for a link, and found again by the folder."""
    return f"hr-{hashlib.sha256(str(root).encode()).hexdigest()[:10]}"


def candidates(root: Path) -> list[int]:
    """All numbers, beginning with one that other folders hardly begin with."""
    first = hashlib.sha256(str(root).encode()).digest()[3] % len(NUMBERS)
    return [*NUMBERS[first:], *NUMBERS[:first]]
