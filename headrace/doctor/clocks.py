"""Clocks: how far those of store, queue, API server and nodes are from this machine's. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from headrace.doctor.finding import Check, Finding, Ground, listed

GROUP = "clocks"
# Waits and ages are told from several clocks: beyond this they read wrong.
SKEW_SECONDS = 5.0
# Certificates are given five minutes of slack where they are made (infra/credentials/making.py); S3 refuses
# requests from 15 minutes on:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)
BROKEN_SECONDS = 300.0
# A kubelet renews its lease every 10 s and counts as lost after 40:
# https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats
SILENT_SECONDS = 60.0
STORE, QUEUE, CLUSTER = "the store", "the queue", "the API server"

SERVERS = Check(
    "clock-servers", GROUP,
    "Do the clocks of store, queue and API server agree with this machine's?",
    "timedatectl set-ntp true  # on {host}",
)  # fmt: skip
NODES = Check(
    "clock-nodes", GROUP,
    "Do the nodes renew their leases by clocks that agree with the API server's?",
    "timedatectl set-ntp true  # on {host}, if it runs: systemctl status kubelet",
)  # fmt: skip
CHECKS = (SERVERS, NODES)


@dataclass(frozen=True, slots=True)
class Reading:
    """A server's clock minus this machine's, in seconds, and by how much that may be wrong."""

    offset: float
    error: float


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """By server what was read, or why nothing could be. `renewed`: by node that is ready, its lease's age.

    An age is by the API server's clock, in seconds, and negative for a lease from its future. None: there
    are no nodes to ask about, or `unread` says why they can't be.
    """

    servers: Mapping[str, Reading | str] = field(default_factory=dict)
    renewed: Mapping[str, float] | None = None
    unread: str = ""


def judged(facts: ClockFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of them."""
    return (_servers(facts.servers, ground), _nodes(facts, ground))


def _servers(found: Mapping[str, Reading | str], ground: Ground) -> Finding:
    read = {name: each for name, each in found.items() if isinstance(each, Reading)}
    unread = {name: each for name, each in found.items() if isinstance(each, str)}
    if not read:
        return SERVERS.skipped(
            "; ".join(f"{name}: {why}" for name, why in unread.items()) or "no server is known"
        )
    told = ", ".join(f"{name} {_offset(each)}" for name, each in sorted(read.items()))
    off = {name: _least(each) for name, each in read.items() if _least(each) > SKEW_SECONDS}
    if not off:
        return SERVERS.ok(f"within {SKEW_SECONDS:g} s: {told}")
    host = "this machine" if _is_ours(read) else listed(sorted(off))
    broken = max(off.values()) > BROKEN_SECONDS
    return (SERVERS.fault if broken else SERVERS.warning)(ground, told, host=host)


def _least(reading: Reading) -> float:
    """How far it is off at least."""
    return max(0.0, abs(reading.offset) - reading.error)


def _is_ours(read: Mapping[str, Reading]) -> bool:
    """Whether several servers agree with one another, and not with this machine."""
    middle = median(each.offset for each in read.values())
    agree = all(abs(each.offset - middle) - each.error <= SKEW_SECONDS for each in read.values())
    return len(read) > 1 and agree


def _offset(reading: Reading) -> str:
    if abs(reading.offset) <= reading.error:
        return f"agrees within {reading.error:.1f} s"
    return f"is {abs(reading.offset):,.1f} s {'ahead' if reading.offset > 0 else 'behind'}"


def _nodes(facts: ClockFacts, ground: Ground) -> Finding:
    if facts.renewed is None:
        return NODES.skipped(facts.unread or "a stack of this machine has no other nodes")
    ahead = {node: -age for node, age in facts.renewed.items() if age < -SKEW_SECONDS}
    late = {node: age for node, age in facts.renewed.items() if age > SILENT_SECONDS}
    if not ahead and not late:
        return NODES.ok(f"{len(facts.renewed):,} nodes renew theirs in time")
    told = listed(_off(ahead, late))
    host = sorted({**ahead, **late})[0]
    broken = any(each > BROKEN_SECONDS for each in ahead.values())
    return (NODES.fault if broken else NODES.warning)(ground, told, host=host)


def _off(ahead: Mapping[str, float], late: Mapping[str, float]) -> Iterator[str]:
    for node, seconds in sorted(ahead.items()):
        yield f"the clock of {node} is {seconds:,.0f} s ahead"
    for node, seconds in sorted(late.items()):
        yield f"{node} is ready, and its lease {seconds:,.0f} s old: its clock is behind, or it went just now"
