"""The document's GPUs: those of nodes and those of servers in one list. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from headrace.model.function import Access
from headrace.operations.gpus import LocalOffer, ServerGpu, ServerState, Use
from headrace.status.document import MOST_USERS, Gpu, Gpus, User
from headrace.status.sight import GpusSeen
from headrace.status.words import bounded


def gpus_shown(seen: GpusSeen | None) -> Gpus:
    """Local ones by pool, then those of servers by name; a server that shows no GPU is told nevertheless."""
    if seen is None:
        return Gpus(total=None, items=None)
    local = [_local(offer, seen.functions) for offer in seen.gpus.local]
    remote = [gpu for server in seen.gpus.servers for gpu in _of_server(server, seen.functions)]
    return Gpus(total=len(local) + len(remote), items=(*local, *remote))


def _local(offer: LocalOffer, functions: Mapping[str, str]) -> Gpu:
    return Gpu(
        place=offer.pool,
        is_remote=False,
        number=None,
        access=offer.access,
        resource=offer.resource,
        address=None,
        backend=None,
        isolation=None,
        model=offer.model,
        memory_bytes=offer.memory_bytes,
        free_bytes=None,
        nodes=offer.nodes,
        units=offer.total,
        free_units=offer.free,
        users_total=len(offer.uses),
        users=_users(offer.uses, functions),
        trouble=None,
    )


def _of_server(server: ServerState, functions: Mapping[str, str]) -> Iterator[Gpu]:
    if not server.gpus:
        yield _remote(server, None, functions)
    for gpu in server.gpus:
        yield _remote(server, gpu, functions)


def _remote(server: ServerState, gpu: ServerGpu | None, functions: Mapping[str, str]) -> Gpu:
    uses: Sequence[Use] = gpu.uses if gpu else ()
    return Gpu(
        place=server.name,
        is_remote=True,
        number=gpu.number if gpu else None,
        access=Access.REMOTE.value,
        resource=None,
        address=server.address,
        backend=server.backend,
        isolation=server.isolation,
        model=gpu.model if gpu else "",
        memory_bytes=gpu.memory_bytes if gpu else None,
        free_bytes=gpu.free_bytes if gpu else None,
        nodes=None,
        units=gpu.sessions if gpu else 0,
        free_units=max(0, gpu.sessions - len(uses)) if gpu else 0,
        users_total=len(uses),
        users=_users(uses, functions),
        trouble=bounded(server.trouble) or None,
    )


def _users(uses: Sequence[Use], functions: Mapping[str, str]) -> tuple[User, ...]:
    """Those with most of it first."""
    most = sorted(uses, key=lambda use: (-use.amount, use.pod))[:MOST_USERS]
    return tuple(User(pod=use.pod, function=functions.get(use.pod), amount=use.amount) for use in most)
