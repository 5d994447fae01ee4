"""What the controller knows of the cluster: mirrors, and the few questions that it asks of them."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from headrace.catalog.deployed import gpu_server_of, pool_of, sound
from headrace.controller.tally import Tally
from headrace.kube.kinds import (
    BUCKETS,
    CONFIG_MAPS,
    FUNCTIONS,
    GPU_SERVERS,
    NETWORK_POLICIES,
    NODE_POOLS,
    NODES,
    PODS,
    RESOURCE_CLAIM_TEMPLATES,
    SERVICE_ACCOUNTS,
    Kind,
)
from headrace.kube.mirror import Mirror
from headrace.kube.mirrors import Together, View, mirror_of
from headrace.kube.naming import Key, labels_of
from headrace.kube.port import Kube, Manifest
from headrace.manifests.function_objects import MANAGER
from headrace.model.labels import COMPONENT, FUNCTION, HEADRACE, MANAGED_BY, PART_OF
from headrace.model.settings import KubernetesSettings
from headrace.placement.inventory import Inventory, inventory_of

OWN = (CONFIG_MAPS, SERVICE_ACCOUNTS, NETWORK_POLICIES)  # kinds that are made for functions


class Seen:
    """The objects of functions' namespaces and the platform's, pools and nodes, some milliseconds late."""

    def __init__(self, kube: Kube, settings: KubernetesSettings) -> None:
        self.namespaces, self.platform_namespace = settings.namespaces, settings.platform_namespace
        within, made = settings.namespaces, {MANAGED_BY: MANAGER}
        self.functions = mirror_of(kube, FUNCTIONS, within)
        self.pods = mirror_of(kube, PODS, within, {PART_OF: HEADRACE, COMPONENT: "worker"})
        # Only a stack with remote GPUs is sure to have a server that knows these.
        remote = (RESOURCE_CLAIM_TEMPLATES,) if settings.gpu_networks else ()
        self.made = {kind: mirror_of(kube, kind, within, made) for kind in (*OWN, *remote)}
        self.servers = Mirror(kube, GPU_SERVERS) if settings.gpu_networks else None
        # Not only tenants' buckets: neither the stack's own nor the platform's may be left out.
        spaces = tuple(dict.fromkeys((settings.platform_namespace, *within)))
        self.buckets = mirror_of(kube, BUCKETS, spaces, needed=(settings.namespace,))
        self.pools, self.nodes = Mirror(kube, NODE_POOLS), Mirror(kube, NODES)
        self.tally = Tally(self.nodes)
        own = (self.functions, self.pods, *self.made.values(), self.buckets, self.pools, self.nodes)
        self._all = Together((*own, self.servers) if self.servers else own)

    @property
    def synced(self) -> bool:
        """Whether every first list has come."""
        return self._all.synced

    @property
    def silent_seconds(self) -> float:
        """How long the API server has been out of reach."""
        return self._all.silent_seconds

    @property
    def left_out(self) -> Mapping[str, str]:
        """By tenant's namespace of which not everything can be seen now, why: nothing may be done there."""
        return self._all.left_out

    async def __aenter__(self) -> Self:
        await self._all.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._all.__aexit__(kind, error, trace)

    def bucket(self, name: str, namespace: str) -> Manifest | None:
        return self.buckets.get(name, namespace)

    def pool(self, name: str) -> Manifest | None:
        return self.pools.get(name)

    def gpus(self) -> Inventory:
        """What the sound ones of all pools and GPU servers have."""
        servers = self.servers.items.values() if self.servers else ()
        return inventory_of(sound(self.pools.items.values(), pool_of), sound(servers, gpu_server_of))

    def all_buckets(self) -> list[Manifest]:
        """Of all namespaces."""
        return list(self.buckets.items.values())

    def made_for(self, kind: Kind, function: Key) -> list[Manifest]:
        """What there is of a kind among the objects that were made for a function."""
        return _of(self.made[kind], function) if kind in self.made else []

    def pods_of(self, function: Key) -> list[Manifest]:
        return _of(self.pods, function)

    def functions_naming(self, bucket: Key) -> Iterator[Key]:
        """Functions that read or write a bucket, by its logical name; invalid objects are looked at too."""
        namespace, logical = bucket
        for key, found in self.functions.items.items():
            if key[0] == namespace and logical in _named(found):
                yield key


def _of(view: View, function: Key) -> list[Manifest]:
    """Objects of a function's namespace that say that they are for it."""
    namespace, name = function
    return [
        each for (space, _), each in view.items.items()
        if space == namespace and labels_of(each).get(FUNCTION) == name
    ]  # fmt: skip


def _named(function: Manifest) -> set[Any]:
    spec = function.get("spec")
    parts = [spec.get(key) for key in ("input", "output")] if isinstance(spec, dict) else []
    places = [place for part in parts if isinstance(part, list) for place in part]
    return {place.get("bucket") for place in places if isinstance(place, dict)}
