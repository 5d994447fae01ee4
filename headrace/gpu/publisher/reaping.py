"""Which sessions nobody has any more: their claim is gone, and no plugin was there to close them. Pure.

A claim may be allocated and its session be opened before this process hears of it: a session is closed only
when it had no owner at two looks that are some time apart.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from headrace.gpu.backends.port import claim_of

GRACE_SECONDS = 60.0

Session = tuple[str, str]  # a server, and the session's name


@dataclass(frozen=True, slots=True)
class Orphans:
    """Sessions without an owner, and since when they are seen so."""

    since: Mapping[Session, float] = field(default_factory=dict)

    def seen(self, found: Iterable[Session], claims: Collection[str], now: float) -> "Orphans":
        """After a look at which sessions are open and which claims are allocated, by uid."""
        orphans = (each for each in found if claim_of(each[1]) not in claims)
        return Orphans({each: self.since.get(each, now) for each in orphans})

    def due(self, now: float, *, grace_seconds: float = GRACE_SECONDS) -> list[Session]:
        """Those that are to be closed."""
        return sorted(each for each, since in self.since.items() if now - since >= grace_seconds)
