"""How often the API server is asked, by verb and kind: figures for logs and measurements."""

from collections import Counter
from collections.abc import AsyncGenerator

from headrace.kube.kinds import PODS, Kind
from headrace.kube.port import EVERYTHING, Event, Kube, Listing, Manifest, Selection


class CountedKube:
    """See the port. `calls` counts by what was asked, as `create pods`, whether it succeeded or not."""

    def __init__(self, kube: Kube) -> None:
        self.calls: Counter[str] = Counter()
        self._kube = kube

    async def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Manifest:
        """See the port."""
        self._count("get", kind)
        return await self._kube.get(kind, name, namespace=namespace)

    async def list(self, kind: Kind, selection: Selection = EVERYTHING) -> Listing:
        """See the port."""
        self._count("list", kind)
        return await self._kube.list(kind, selection)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See the port."""
        self._count("create", kind)
        return await self._kube.create(kind, manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See the port."""
        self._count("replace", kind)
        return await self._kube.replace(kind, manifest)

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """See the port."""
        self._count("apply", kind)
        return await self._kube.apply(kind, manifest, manager=manager)

    async def apply_status(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """See the port."""
        self._count("apply status of", kind)
        return await self._kube.apply_status(kind, manifest, manager=manager)

    async def patch(
        self, kind: Kind, name: str, change: Manifest, *, namespace: str | None = None
    ) -> Manifest:
        """See the port."""
        self._count("patch", kind)
        return await self._kube.patch(kind, name, change, namespace=namespace)

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        namespace: str | None = None,
        uid: str | None = None,
        version: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """See the port."""
        self._count("delete", kind)
        await self._kube.delete(
            kind, name, namespace=namespace, uid=uid, version=version, grace_seconds=grace_seconds
        )

    async def evict(self, name: str, *, namespace: str, uid: str | None = None) -> None:
        """See the port."""
        self._count("evict", PODS)
        await self._kube.evict(name, namespace=namespace, uid=uid)

    def watch(self, kind: Kind, selection: Selection, version: str) -> AsyncGenerator[Event, None]:
        """See the port."""
        self._count("watch", kind)
        return self._kube.watch(kind, selection, version)

    async def close(self) -> None:
        """See the port."""
        await self._kube.close()

    def _count(self, verb: str, kind: Kind) -> None:
        self.calls[f"{verb} {kind.plural}"] += 1
