"""Who is meant by an address range, and which ports by an opening, of whatever kind."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from .tree import Node
from .values import Network, Ports

ALL_PORTS, NO_PORT_YET = Ports(0, 65535), Ports(-1, -1)
# A public range wider than any that a registry hands out is meant for everyone, in one piece or in several.
_WIDEST = {4: 8, 6: 16}
_OF_NO_INTERNET = (ipaddress.ip_network("fc00::/7"), ipaddress.ip_network("fe80::/10"))


def network(text: str) -> Network | None:
    """The range that a text spells out; none where it is no range, as before Pulumi knows it."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def is_everyone(range_: Network) -> bool:
    """Whether a range stands for the whole internet."""
    return range_.prefixlen < _WIDEST[range_.version] and not within(range_, _OF_NO_INTERNET)


def within(range_: Network, others: Iterable[Network]) -> bool:
    """Whether a range lies in one of others."""
    return any(_lies_in(range_, other) for other in others)


def beyond(texts: Iterable[str], others: Sequence[Network]) -> Iterator[str]:
    """Those ranges that lie in none of the others."""
    for text in texts:
        found = network(text)
        if found is not None and not within(found, others):
            yield text


def wide_open(texts: Iterable[str]) -> Iterator[str]:
    """Those ranges that stand for everyone."""
    for text in texts:
        found = network(text)
        if found is not None and is_everyone(found):
            yield text


def ports(first: Node, last: Node) -> Ports:
    """From two numbers; all where the first is no port."""
    if first.is_unknown:
        return NO_PORT_YET
    low, high = _number(first), _number(last)
    if low is None or low < 0:
        return ALL_PORTS
    return Ports(low, low if high is None else max(low, high))


def _number(node: Node) -> int | None:
    value = node.value
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return int(value) if isinstance(value, int | float) else None


def _lies_in(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False
