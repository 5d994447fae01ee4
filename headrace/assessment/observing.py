"""What the cluster and its GPU servers tell of one copy's workers while they are there."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.assessment import prices
from headrace.assessment.candidates import Candidate
from headrace.catalog.deployed import gpu_server_of, pool_of, sound
from headrace.gpu.backends.port import claim_of
from headrace.gpu.backends.table import Backends
from headrace.kube.kinds import GPU_SERVERS, NODE_POOLS, NODES, PODS, RESOURCE_CLAIMS, Kind
from headrace.kube.port import EVERYTHING, Kube, Selection
from headrace.manifests.gpu_slices import Held, held_in
from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import FUNCTION
from headrace.model.pool import NodePool
from headrace.nodes.cluster import is_over

Manifest = Mapping[str, Any]

ANSWER_SECONDS = 5.0  # for a GPU server; from where this runs it may be out of reach


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. `claims` are those of the pods."""

    pods: Sequence[Manifest]
    nodes: Mapping[str, Manifest]
    pools: Mapping[str, NodePool]
    servers: Mapping[str, GpuServer]
    claims: Sequence[Held]

    @property
    def serving(self) -> Sequence[GpuServer]:
        """The GPU servers that the claims are of."""
        names = {grant.server for held in self.claims for grant in held.grants}
        return [self.servers[name] for name in sorted(names & self.servers.keys())]

    def price_an_hour(self, candidate: Candidate) -> float:
        """Of all these workers together. Raises UnpricedError, which says what has no price."""
        own = sum(prices.of_pod(pod, self.nodes, self.pools) for pod in self.pods)
        claim = candidate.way.claim
        return own + (
            len(self.pods) * prices.of_claim(claim, self.serving, self.pools) if claim is not None else 0.0
        )


async def workers_of(kube: Kube, namespace: str, function: str) -> Sequence[Manifest]:
    """The pods of a function that run."""
    pods = (await kube.list(PODS, Selection(namespace, {FUNCTION: function}))).items
    return [pod for pod in pods if not is_over(pod) and pod.get("status", {}).get("phase") == "Running"]


async def look(kube: Kube, namespace: str, function: str) -> Sight:
    """Raises what the port raises."""
    pods = await workers_of(kube, namespace, function)
    named = {pod["metadata"]["name"] for pod in pods}
    claims = held_in(await _all(kube, RESOURCE_CLAIMS, Selection(namespace)))
    return Sight(
        pods,
        {node["metadata"]["name"]: node for node in await _all(kube, NODES)},
        {pool.name: pool for pool in sound(await _all(kube, NODE_POOLS), pool_of)},
        {server.name: server for server in sound(await _all(kube, GPU_SERVERS), gpu_server_of)},
        [held for held in claims if named.intersection(held.pods)],
    )


async def _all(kube: Kube, kind: Kind, selection: Selection = EVERYTHING) -> Sequence[Manifest]:
    try:
        return (await kube.list(kind, selection)).items
    except NotFoundError:  # an older cluster does not have the kind
        return ()


async def counted_seconds(sight: Sight, backends: Backends) -> float | None:
    """GPU seconds of all these workers, by the servers' own count; None where one does not tell."""
    claims = {held.uid for held in sight.claims}
    lists = await asyncio.gather(*(_sessions(server, backends) for server in sight.serving))
    if not lists or any(found is None for found in lists):
        return None
    return sum(
        seconds
        for found in lists
        for session, seconds in (found or {}).items()
        if claim_of(session) in claims
    )


async def _sessions(server: GpuServer, backends: Backends) -> Mapping[str, float] | None:
    spec = server.spec
    try:
        return await backends[spec.backend].sessions(spec.address, spec.port, seconds=ANSWER_SECONDS)
    except HeadraceError:
        return None
