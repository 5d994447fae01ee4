"""What the controller sees and acts on. Every act asks first whether this process still leads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from headrace.controller.made import Made
from headrace.kube.kinds import Kind
from headrace.kube.naming import is_ending, key_of, uid_of, version_of
from headrace.kube.port import Kube, Manifest
from headrace.manifests.function_objects import MANAGER
from headrace.model.errors import TransientError
from headrace.model.labels import FINALIZER
from headrace.model.settings import KubernetesSettings, Settings
from headrace.model.value import StoredValue
from headrace.queue.port import Queue
from headrace.storage.port import Storage, Version


@dataclass(frozen=True, slots=True)
class World:
    """The servers. `now` gives seconds since the epoch, `monotonic` by a clock that is never set.

    `leading`: whether this process may act now.
    """

    kube: Kube
    queue: Queue
    storage: Storage
    settings: Settings
    kubernetes: KubernetesSettings
    now: Callable[[], float]
    monotonic: Callable[[], float]
    leading: Callable[[], bool] = lambda: True

    @property
    def made(self) -> Made:
        """Knows which of the store's buckets are the platform's to take away."""
        return Made(self.storage, self.settings.platform_bucket)

    @property
    def hands(self) -> "Hands":
        """What acts on them."""
        return Hands(self)


@dataclass(frozen=True, slots=True)
class Hands:
    """All that the controller changes: absolute or conditional, so that two at once do no harm.

    Every call raises TransientError when another leads by now, and what the ports raise.
    """

    world: World

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object. Raises ExistsError."""
        self._check()
        return await self.world.kube.create(kind, manifest)

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Make an object what it is to be."""
        self._check()
        return await self.world.kube.apply(kind, manifest, manager=MANAGER)

    async def tell(self, kind: Kind, found: Manifest, status: StoredValue) -> None:
        """Write the status of that very object."""
        self._check()
        namespace, name = key_of(found)
        metadata = {"name": name, "namespace": namespace, "uid": uid_of(found)}
        told = {"metadata": metadata, "status": orjson.loads(status.to_json())}
        await self.world.kube.apply_status(kind, told, manager=MANAGER)

    async def hold(self, kind: Kind, found: Manifest) -> None:
        """Put our finalizer on an object as it was found, unless it is there. Raises ChangedError."""
        held = finalizers(found)
        if FINALIZER not in held:
            await self._change(kind, found, {"metadata": {"finalizers": [*held, FINALIZER]}})

    async def release(self, kind: Kind, found: Manifest) -> None:
        """Take our finalizer off an object as it was found. Raises ChangedError."""
        held = finalizers(found)
        left = [each for each in held if each != FINALIZER]
        if left != held:
            await self._change(kind, found, {"metadata": {"finalizers": left}})

    async def let_data_go(self, kind: Kind, found: Manifest) -> None:
        """Have a bucket deleted with its data. Raises ChangedError."""
        await self._change(kind, found, {"spec": {"onDelete": "delete"}})

    async def delete(self, kind: Kind, found: Manifest) -> None:
        """Order the deletion of that very object; quiet when it was ordered already. Raises ChangedError."""
        if is_ending(found):
            return
        self._check()
        namespace, name = key_of(found)
        await self.world.kube.delete(kind, name, namespace=namespace, uid=uid_of(found))

    async def ensure_stream(self, function: str, *, max_leased: int) -> None:
        """Create or adapt a function's stream."""
        self._check()
        lease = self.world.settings.queue.lease_seconds
        await self.world.queue.ensure(function, lease_seconds=lease, max_leased=max_leased)

    async def drop_stream(self, function: str) -> None:
        """Delete a function's stream with what waits in it."""
        self._check()
        await self.world.queue.drop(function)

    async def ensure_bucket(self, real: str) -> None:
        """Create a bucket of the store, and note that the platform did."""
        self._check()
        await self.world.made.ensure(real)

    async def remove_bucket(self, real: str) -> None:
        """Delete an empty bucket of the store. Raises ChangedError when anything is in it."""
        self._check()
        await self.world.made.remove(real)

    async def remove_versions(self, real: str, versions: Sequence[Version]) -> None:
        """Delete objects and old versions of a bucket."""
        self._check()
        await self.world.storage.delete_versions(real, versions)

    async def _change(self, kind: Kind, found: Manifest, change: dict[str, Any]) -> None:
        self._check()
        namespace, name = key_of(found)
        metadata = {**change.get("metadata", {}), "resourceVersion": version_of(found)}
        await self.world.kube.patch(kind, name, {**change, "metadata": metadata}, namespace=namespace)

    def _check(self) -> None:
        if not self.world.leading():
            raise TransientError("another controller leads by now; this one stands by")


def finalizers(found: Manifest) -> list[str]:
    """Who has something to do before the object may go."""
    return list(found["metadata"].get("finalizers") or ())
