"""What Headrace needs of Kubernetes' API server: documents, conditional writes, watches that resume."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from headrace.kube.kinds import Kind

Manifest = Mapping[str, Any]  # one object, as JSON has it; one handed out is not to be changed in place


class Change(StrEnum):
    """What happened to a watched object."""

    PUT = "put"  # it came or changed
    GONE = "gone"
    BOOKMARK = "bookmark"  # nothing did; the manifest bears the version from which a watch may go on


@dataclass(frozen=True, slots=True)
class Event:
    """One change; `manifest` is the object after it, of one that is gone its last state."""

    change: Change
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects at one moment, in the order of namespaces and names; `version` is where a watch goes on."""

    items: Sequence[Manifest]
    version: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: of one namespace or of all (None), with all of these labels."""

    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


EVERYTHING = Selection()


class Kube(Protocol):
    """An API server.

    Manifests carry their own apiVersion, kind, name and namespace. Every call raises TransientError, after
    some seconds at most, when the server can't be reached, is overloaded or does not confirm (what was asked
    may have been done nevertheless); ConfigurationError when it refuses us (401, 403) or what we send (400,
    422, a denying admission policy), with the server's own message; NotFoundError when the object, its kind
    or its namespace is not there. Whatever comes out lacks metadata.managedFields.
    """

    async def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Manifest:
        """The object as it is now."""
        ...

    async def list(self, kind: Kind, selection: Selection = EVERYTHING) -> Listing:
        """Every object selected. For a view that lasts, use a Mirror: it lists once and watches."""
        ...

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create it. Raises ExistsError when the name is taken."""
        ...

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replace all but its status, on condition of metadata.resourceVersion. Raises ChangedError.

        The server demands that condition for most kinds; without one: ConfigurationError.
        """
        ...

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """Server-side apply, taking over fields that others own; creates what is not there.

        With metadata.resourceVersion or metadata.uid it is conditional: ChangedError. Only the uid keeps the
        server from creating anew what is gone.
        """
        ...

    async def apply_status(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """The same for the sub-resource `status`; raises NotFoundError when the object is not there."""
        ...

    async def patch(
        self, kind: Kind, name: str, change: Manifest, *, namespace: str | None = None
    ) -> Manifest:
        """A JSON merge patch; with metadata.resourceVersion or uid in it, conditional: ChangedError."""
        ...

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
        """Order its deletion. Quiet when it is not there.

        With `uid` only that very object, with `version` only as it was then (its resourceVersion): otherwise
        ChangedError. `grace_seconds` is a pod's time to end; 0: it goes at once, whatever its node does.
        """
        ...

    async def evict(self, name: str, *, namespace: str, uid: str | None = None) -> None:
        """Evict a pod, as a drain does; quiet when it is not there.

        Raises TransientError where a disruption budget forbids it now.
        """
        ...

    def watch(self, kind: Kind, selection: Selection, version: str) -> AsyncGenerator[Event, None]:
        """Every change since a version, in order, for as long as the connection lasts.

        First comes a bookmark of that very version, once the watch stands. It ends quietly when the server
        closes it; the caller goes on at the last event's resourceVersion, that of a bookmark included. What
        the selection no longer takes is gone for it. Raises ChangedError when the server has forgotten that
        version: list anew. Close what is not read to its end (`contextlib.aclosing`).
        """
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...
