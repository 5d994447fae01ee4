"""What the cluster and its GPU servers tell of one copy's workers while they are there."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.assessment import prices
from headrace.assessment.candidates import Candidate
from headrace.catalog.deployed import gpu_server_of, pool_of, sound
from headrace.gpu.backends.port import claim_of
from headrace.gpu.backends.table import Backends
from headrace.kube.kinds import PODS
from headrace.kube.naming import is_selected, key_of
from headrace.kube.port import Kube, Selection
from headrace.manifests.gpu_slices import Held, held_in
from headrace.model.errors import HeadraceError
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import FUNCTION
from headrace.model.pool import NodePool
from headrace.operations.gpus import read_objects

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
    return _running((await kube.list(PODS, _pods_of(namespace, function))).items)


async def look(kube: Kube, namespace: str, function: str) -> Sight:
    """Raises what the port raises."""
    found = await read_objects(kube)
    wanted = _pods_of(namespace, function)
    pods = _running(pod for pod in found.pods if is_selected(pod, wanted))
    named = {key_of(pod) for pod in pods}
    return Sight(
        pods,
        {key_of(node)[1]: node for node in found.nodes},
        {pool.name: pool for pool in sound(found.pools, pool_of)},
        {server.name: server for server in sound(found.servers, gpu_server_of)},
        [held for held in held_in(found.claims) if named & {(held.namespace, pod) for pod in held.pods}],
    )


def _pods_of(namespace: str, function: str) -> Selection:
    return Selection(namespace, {FUNCTION: function})


def _running(pods: Iterable[Manifest]) -> Sequence[Manifest]:
    return [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]


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
