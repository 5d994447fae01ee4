"""A VPC's range -> the ranges of its subnets. Pure.

The first half of the range is for private subnets, where each node and pod takes an address; the last
quarter is for public ones. What a zone gets does not depend on how many there are: an added one moves none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

MOST_ZONES = 4
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html has /16 to /28: too little room
LARGEST, SMALLEST = 16, 20
_PRIVATE_BITS = 3  # eighths of the range
_PUBLIC_BITS = 6  # sixty-fourths


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """`zones` in an order that only grows at its end."""

    network: IPv4Network
    zones: Sequence[str]

    @property
    def private(self) -> Mapping[str, str]:
        """Zone -> range, each an eighth of the whole."""
        return self._taken(_PRIVATE_BITS, start=0)

    @property
    def public(self) -> Mapping[str, str]:
        """Zone -> range, each a sixty-fourth of the whole, from the last quarter."""
        return self._taken(_PUBLIC_BITS, start=3 * 2**_PUBLIC_BITS // 4)

    def _taken(self, bits: int, *, start: int) -> Mapping[str, str]:
        parts = list(self.network.subnets(prefixlen_diff=bits))[start:]
        return {zone: str(part) for zone, part in zip(self.zones, parts, strict=False)}
