"""The rules by which one of several processes leads, on a Lease of Kubernetes: client-go's, without I/O.

https://pkg.go.dev/k8s.io/client-go/tools/leaderelection

- The holder renews the lease every `retry_seconds`. It leads until `deadline_seconds` after it has sent its
  last renewal that was confirmed, and not a moment longer, whatever it waits for.
- Any other takes the lease when it has seen no change of it for as long as the lease itself says. It has
  seen the last renewal after that was sent, so that between the one's end and the other's beginning there
  are `duration_seconds` less `deadline_seconds`, in which a call that the one has begun may end.
- No clock is compared with another: the times in the lease are for people.
- Every write is on condition of the version read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headrace.kube.naming import version_of
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError

RELEASED_SECONDS = 1  # the length of a lease that nobody holds; the API allows none of 0


@dataclass(frozen=True, slots=True)
class Terms:
    """In seconds; client-go's defaults."""

    duration_seconds: float = 15.0
    deadline_seconds: float = 10.0
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Raises ConfigurationError for terms that can't hold."""
        if not 2 * self.retry_seconds < self.deadline_seconds < self.duration_seconds:
            raise ConfigurationError(
                f"found a lease of {self.duration_seconds} s, renewed within {self.deadline_seconds} s, by a "
                f"try each {self.retry_seconds} s; allowed is twice the try < the renewal < the lease"
            )


CLIENT_GO = Terms()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a candidate knows; times are of its own monotonic clock.

    `seen`: the version of the lease that it has seen last, `seen_at` since when. `renewed_at`: when it sent
    its last confirmed renewal; None while it does not hold the lease. `term` counts how often it began to
    lead.
    """

    identity: str
    terms: Terms = CLIENT_GO
    seen: str = ""
    seen_at: float = 0.0
    renewed_at: float | None = None
    term: int = 0

    def leads(self, now: float) -> bool:
        """Whether it may act now."""
        return self.renewed_at is not None and now < self.renewed_at + self.terms.deadline_seconds

    def is_free(self, lease: Manifest | None, now: float) -> bool:
        """Whether it may write the lease: there is none, it is its own, nobody's, or over."""
        if lease is None or holder_of(lease) in ("", self.identity):
            return True
        length = float(lease["spec"].get("leaseDurationSeconds", self.terms.duration_seconds))
        return now >= self.seen_at + length

    def wanted(self, lease: Manifest | None, wall: float) -> dict[str, Any]:
        """The `spec` with which it holds the lease; `wall`: seconds since the epoch."""
        spec: Mapping[str, Any] = lease.get("spec", {}) if lease else {}
        moment = micro_time(wall)
        own = lease is not None and holder_of(lease) == self.identity
        transitions = int(spec.get("leaseTransitions", 0))
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": round(self.terms.duration_seconds),
            "acquireTime": spec.get("acquireTime", moment) if own else moment,
            "renewTime": moment,
            "leaseTransitions": transitions if own or lease is None else transitions + 1,
        }


def released(lease: Manifest, wall: float) -> dict[str, Any]:
    """The `spec` of a lease that its holder gives back, so that nobody has to wait for its end."""
    given = {"holderIdentity": "", "leaseDurationSeconds": RELEASED_SECONDS, "renewTime": micro_time(wall)}
    return {**lease["spec"], **given}


def holder_of(lease: Manifest) -> str:
    """Who holds it; empty: nobody."""
    holder: str = lease.get("spec", {}).get("holderIdentity") or ""
    return holder


def micro_time(wall: float) -> str:
    """As the API has it."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def version(lease: Manifest | None) -> str:
    """What tells one state of the lease from another."""
    return version_of(lease) if lease is not None else ""
