"""What the receiver's state says to Prometheus. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.metrics import catalogue
from headrace.metrics.family import Figure, Service
from headrace.model.backed import LastBackup


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands: which servers answer, whether it is the one that lists, its last listing's end.

    `backup` is the stack's last one; None: there is none, or it can't be read.
    """

    servers: Mapping[str, bool]
    is_leading: bool
    listed_at: float  # seconds since the epoch; 0: not yet
    listing_seconds: float
    dropped_spans: int
    backup: LastBackup | None = None


def figures(standing: Standing) -> Sequence[Figure]:
    """All of it."""
    return (
        Figure(catalogue.LEADING, standing.is_leading, (Service.RECEIVER.value,)),
        *(Figure(catalogue.SERVER_UP, is_up, (name,)) for name, is_up in standing.servers.items()),
        Figure(catalogue.LISTED, standing.listed_at),
        Figure(catalogue.LISTING_PERIOD, standing.listing_seconds),
        Figure(catalogue.SPANS_DROPPED, standing.dropped_spans),
        *_of_backup(standing.backup),
    )


def _of_backup(backup: LastBackup | None) -> Sequence[Figure]:
    if backup is None:
        return ()
    return (
        Figure(catalogue.BACKED, backup.began),
        Figure(catalogue.BACKUP_PERIOD, backup.period_seconds),
    )
