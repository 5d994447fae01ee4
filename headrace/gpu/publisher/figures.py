"""What the publisher's state says to Prometheus. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.manifests.gpu_slices import Held, Published
from headrace.metrics import catalogue
from headrace.metrics.family import Figure, Service


@dataclass(frozen=True, slots=True)
class ServerStanding:
    """Of one GPU server: whether it answers, and whether its host is switched off on purpose."""

    is_answering: bool
    is_stopping: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """How the publisher stands, the servers that it probes, what slices offer and claims hold."""

    is_leading: bool
    silent_seconds: float
    servers: Mapping[str, ServerStanding]
    published: Sequence[Published]
    held: Sequence[Held]


def figures(seen: Seen) -> Sequence[Figure]:
    """Of servers only the one that leads tells: each probes for itself."""
    own = (Service.PUBLISHER.value,)
    return (
        Figure(catalogue.LEADING, seen.is_leading, own),
        Figure(catalogue.KUBE_SILENT, seen.silent_seconds, own),
        *(_of_servers(seen) if seen.is_leading else ()),
    )


def _of_servers(seen: Seen) -> Iterator[Figure]:
    for name, standing in seen.servers.items():
        if standing.is_answering or not standing.is_stopping:
            yield Figure(catalogue.GPU_SERVER_UP, standing.is_answering, (name,))
    limits: Counter[str] = Counter()
    for gpu in seen.published:
        limits[gpu.server] += gpu.sessions
    sessions = Counter(grant.server for held in seen.held for grant in held.grants)
    for server, limit in limits.items():
        yield Figure(catalogue.GPU_SESSIONS, sessions[server], (server,))
        yield Figure(catalogue.GPU_SESSIONS_LIMIT, limit, (server,))
