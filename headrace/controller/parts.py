"""What a function needs, made where it is missing or other than wanted: its stream, objects, buckets."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.controller.seen import Seen
from headrace.controller.world import World
from headrace.kube.kinds import (
    BUCKETS,
    CONFIG_MAPS,
    NETWORK_POLICIES,
    RESOURCE_CLAIM_TEMPLATES,
    SERVICE_ACCOUNTS,
    Kind,
)
from headrace.kube.naming import is_ending, labels_of, uid_of
from headrace.kube.port import Manifest
from headrace.manifests.function_objects import (
    Owner,
    bucket,
    claim_template,
    config_map,
    network_policy,
    reaches_of,
    service_account,
)
from headrace.manifests.worker_pod import worker_pod
from headrace.model.errors import ExistsError
from headrace.model.function import Access, Function
from headrace.model.labels import DIGEST, short_digest
from headrace.model.settings import KubernetesSettings, SidecarSettings
from headrace.model.status import READY, Truth
from headrace.model.tenancy import tenant_of

STREAM_SECONDS = 60.0  # between two looks whether a stream is as wanted: others may have made it anew


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function, the digest of its spec, and whose object it is."""

    function: Function
    digest: str
    owner: Owner


class Parts:
    """Makes what functions need."""

    def __init__(self, world: World, seen: Seen) -> None:
        self._world = world
        self._seen = seen
        self._reaches = reaches_of(world.settings)
        self._streams: dict[str, tuple[int, float]] = {}  # by function: its bound, and when it was made sure

    def check(self, function: Function, digest: str) -> None:
        """Raise ConfigurationError for a function that can't run in a pod."""
        settings = self._world.kubernetes
        sidecar = settings.sidecar or SidecarSettings(image="none")
        worker_pod(
            function, digest, ordinal=0, node="", settings=settings.model_copy(update={"sidecar": sidecar})
        )

    async def make(self, deployed: Deployed) -> str:
        """Make what is missing; which buckets it still waits for, for people: empty when all is there."""
        owner, function, place = deployed.owner, deployed.function, self._world.kubernetes
        await self._ensure_stream(function)
        await self._ensure_sealed(CONFIG_MAPS, config_map(function, deployed.digest, owner), owner)
        remote = takes_remote(function, place)
        if remote:
            template = claim_template(function, deployed.digest, owner)
            await self._ensure_sealed(RESOURCE_CLAIM_TEMPLATES, template, owner)
        await self._ensure(SERVICE_ACCOUNTS, service_account(owner))
        networks = place.gpu_networks if remote else ()
        policy = network_policy(owner, self._reaches, place, networks)
        await self._ensure(NETWORK_POLICIES, policy)
        waits = [await self._bucket(logical, function, owner) for logical in function.bucket_names]
        return "; ".join(wait for wait in waits if wait)

    async def remove_old(self, deployed: Deployed) -> None:
        """Remove the texts of former specs, and their claims' templates, that no worker reads any more."""
        name = deployed.owner.namespace, deployed.owner.name
        read = {labels_of(pod).get(DIGEST) for pod in self._seen.pods_of(name)} | {
            short_digest(deployed.digest)
        }
        for kind in (CONFIG_MAPS, RESOURCE_CLAIM_TEMPLATES):
            for found in self._seen.made_for(kind, name):
                if labels_of(found).get(DIGEST) not in read:
                    await self._world.hands.delete(kind, found)

    def stream_is_lost(self, function: str) -> None:
        """The queue has no stream of it: make sure of it again."""
        self._streams.pop(function, None)

    async def _ensure_stream(self, function: Function) -> None:
        bound, now = self._world.settings.queue.most_leased(function), self._world.monotonic()
        before, moment = self._streams.get(function.name, (0, now))
        if bound == before and now - moment < STREAM_SECONDS:
            return
        await self._world.hands.ensure_stream(function.name, max_leased=bound)
        self._streams[function.name] = (bound, now)

    async def _ensure_sealed(self, kind: Kind, wanted: Manifest, owner: Owner) -> None:
        """One that belonged to a former function of this name can't be changed, so it goes first."""
        found = self._seen.made[kind].get(wanted["metadata"]["name"], owner.namespace)
        if found is not None and owner.uid not in _owners(found):
            await self._world.hands.delete(kind, found)
            found = None
        if found is None:
            with contextlib.suppress(ExistsError):  # the mirror is late
                await self._world.hands.create(kind, wanted)

    async def _ensure(self, kind: Kind, wanted: Manifest) -> None:
        metadata = wanted["metadata"]
        found = self._seen.made[kind].get(metadata["name"], metadata["namespace"])
        if found is None or not covers(found, wanted):
            await self._world.hands.apply(kind, wanted)

    async def _bucket(self, logical: str, function: Function, owner: Owner) -> str:
        """Make a bucket that nobody declared; why it is not ready, empty when it is."""
        namespace = owner.namespace
        found = self._seen.bucket(logical, namespace)
        if found is None:
            real = self._world.settings.real_bucket(logical, tenant_of(function.name))
            with contextlib.suppress(ExistsError):  # the mirror is late
                await self._world.hands.create(BUCKETS, bucket(logical, real, namespace))
            return f"bucket {logical} is being made"
        if is_ending(found):
            return f"bucket {logical} is being deleted; take it out of the function or wait"
        return _unready(found)


def takes_remote(function: Function, place: KubernetesSettings) -> bool:
    """Whether its workers may be given GPUs of servers, where the stack has these."""
    wish = function.spec.gpu
    return bool(place.gpu_networks) and wish is not None and Access.REMOTE in wish.access


def owner_of(found: Manifest) -> Owner:
    """Whose parts belong to a function's object."""
    metadata = found["metadata"]
    return Owner(metadata["name"], metadata["namespace"], uid_of(found))


def covers(found: object, wanted: object) -> bool:
    """Whether a document has all that is wanted of it; what a server adds is put aside."""
    if isinstance(wanted, dict):
        inner = found if isinstance(found, dict) else {}
        return all(covers(inner.get(key), each) for key, each in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        listed = found if isinstance(found, list) else []
        return len(listed) == len(wanted) and all(map(covers, listed, wanted))
    return found == wanted


def _owners(found: Manifest) -> list[str]:
    return [each["uid"] for each in found["metadata"].get("ownerReferences") or ()]


def _unready(found: Manifest) -> str:
    name = found["metadata"]["name"]
    for each in (found.get("status") or {}).get("conditions") or ():
        if each.get("type") == READY:
            said = each.get("message") or each.get("reason", "")
            return "" if each.get("status") == Truth.TRUE else f"bucket {name}: {said}"
    return f"bucket {name} is not ready yet"
