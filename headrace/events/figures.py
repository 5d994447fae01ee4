"""What the receiver's state says to Prometheus. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.metrics import catalogue
from headrace.metrics.family import Figure, Service


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands: which servers answer, whether it is the one that lists, its last listing's end."""

    servers: Mapping[str, bool]
    is_leading: bool
    listed_at: float  # seconds since the epoch; 0: not yet
    listing_seconds: float
    dropped_spans: int


def figures(standing: Standing) -> Sequence[Figure]:
    """All of it."""
    return (
        Figure(catalogue.LEADING, standing.is_leading, (Service.RECEIVER.value,)),
        *(Figure(catalogue.SERVER_UP, is_up, (name,)) for name, is_up in standing.servers.items()),
        Figure(catalogue.LISTED, standing.listed_at),
        Figure(catalogue.LISTING_PERIOD, standing.listing_seconds),
        Figure(catalogue.SPANS_DROPPED, standing.dropped_spans),
    )
