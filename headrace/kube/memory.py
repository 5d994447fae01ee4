"""An API server in memory, on a clock that is given: for unit tests and the simulator. Nothing survives it.

It has the habits that Headrace relies on: versions, uids, generations, finalizers, owners whose end takes
what they own along, a status of its own, server-side apply, watches that resume. It validates no schema,
schedules no pod and runs none: `bind` and deletions with `grace_seconds=0` play the scheduler and a kubelet.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from headrace.kube import objects
from headrace.kube.history import History, Step
from headrace.kube.kinds import NAMESPACES, PODS, Kind
from headrace.kube.merging import Path, laid_over, leaves, patched, without
from headrace.kube.naming import Key, check_unversioned, is_selected, key_of, told_as, uid_of, version_of
from headrace.kube.objects import Stored
from headrace.kube.port import EVERYTHING, Event, Listing, Manifest, Selection
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    NotFoundError,
    TransientError,
)
from headrace.model.status import moment

Admission = Callable[[str, Kind, Manifest | None, Manifest | None], str | None]


def _admit_all(verb: str, kind: Kind, before: Manifest | None, after: Manifest | None) -> str | None:
    del verb, kind, before, after
    return None


class MemoryKube:
    """See the port; `now` gives seconds since the epoch. It belongs to one event loop.

    While `unreachable` is set, every call raises TransientError and changes nothing. Of namespaces that are
    `hidden`, list and watch raise ConfigurationError, as where a role is missing. `admit` plays the
    admission policies: it gets create, update or delete, the kind, the object before and after, and returns
    why it refuses, or None. `budgeted` are the pods (namespace, name) that a disruption budget protects.
    `requests` counts calls by verb and plural.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = lambda: 0.0,
        namespaces: tuple[str, ...] = ("default", "headrace", "headrace-functions"),
        remembered: int = 10_000,
    ) -> None:
        self.unreachable = False
        self.hidden: set[str] = set()
        self.admit: Admission = _admit_all
        self.budgeted: set[Key] = set()
        self.requests: Counter[tuple[str, str]] = Counter()
        self._now = now
        self._stored: dict[Kind, dict[Key, Stored]] = {}
        self._history = History(remembered)
        self._uids = 0
        for name in namespaces:
            self._create(NAMESPACES, {"metadata": {"name": name}})

    async def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Manifest:
        """See the port."""
        self._reach("get", kind)
        return self._known(kind, (namespace or "", name)).manifest

    async def list(self, kind: Kind, selection: Selection = EVERYTHING) -> Listing:
        """See the port."""
        self._reach("list", kind)
        self._show(kind, selection)
        found = sorted((key, each.manifest) for key, each in self._all(kind).items())
        items = [manifest for _, manifest in found if is_selected(manifest, selection)]
        return Listing(items, str(self._history.version))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See the port."""
        self._reach("create", kind)
        check_unversioned(kind, manifest)
        return self._create(kind, objects.as_created(kind, objects.copied(manifest)))

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See the port."""
        self._reach("replace", kind)
        stored = self._conditional(kind, manifest)
        if not version_of(manifest) and objects.is_conditional(kind):
            raise ConfigurationError(
                f"{told_as(kind, key_of(manifest))}: found no metadata.resourceVersion, which must be "
                "specified for an update; read the object and send its version along"
            )
        return self._change(kind, stored, objects.with_status_of(kind, stored, objects.copied(manifest)))

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """See the port."""
        self._reach("apply", kind)
        wanted = objects.applicable(kind, objects.copied(manifest))
        if key_of(manifest) in self._all(kind):
            stored = self._conditional(kind, manifest)
            after = objects.with_status_of(kind, stored, self._applied(stored, wanted, manager))
            return self._change(kind, stored, after, manager=manager, owned=leaves(wanted))
        if uid_of(manifest):
            raise ChangedError(f"{told_as(kind, key_of(manifest))}: uid {uid_of(manifest)} is gone")
        made = self._create(kind, wanted)
        self._known(kind, key_of(made)).owned[manager] = leaves(wanted)
        return made

    async def apply_status(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """See the port."""
        self._reach("apply_status", kind)
        stored = self._conditional(kind, manifest)
        if not objects.has_status(kind):
            raise NotFoundError(f"{kind.name} has no sub-resource status")
        wanted = {"status": objects.copied(manifest).get("status", {})}
        writer = f"{manager}/status"
        merged = self._applied(stored, wanted, writer)
        after = {**stored.manifest, "status": merged.get("status", {})}
        return self._change(kind, stored, after, manager=writer, owned=leaves(wanted))

    async def patch(
        self, kind: Kind, name: str, change: Manifest, *, namespace: str | None = None
    ) -> Manifest:
        """See the port."""
        self._reach("patch", kind)
        stored = self._known(kind, (namespace or "", name))
        conditions = change.get("metadata", {})
        self._check_uid(kind, stored.manifest, conditions.get("uid"))
        self._check_version(kind, stored.manifest, conditions.get("resourceVersion", ""))
        after = patched(stored.manifest, objects.copied(change))
        return self._change(kind, stored, objects.with_status_of(kind, stored, after))

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
        self._reach("delete", kind)
        stored = self._all(kind).get((namespace or "", name))
        if stored is None:
            return
        self._check_uid(kind, stored.manifest, uid)
        self._check_version(kind, stored.manifest, version or "")
        self._admit("delete", kind, stored.manifest, None)
        self._delete(kind, stored, grace_seconds)

    async def evict(self, name: str, *, namespace: str, uid: str | None = None) -> None:
        """See the port."""
        self._reach("evict", PODS)
        stored = self._all(PODS).get((namespace, name))
        if stored is None:
            return
        self._check_uid(PODS, stored.manifest, uid)
        if (namespace, name) in self.budgeted:
            raise TransientError(f"Pod {namespace}/{name}: a disruption budget forbids its eviction now")
        self._delete(PODS, stored, None)

    async def watch(self, kind: Kind, selection: Selection, version: str) -> AsyncGenerator[Event, None]:
        """See the port."""
        self._reach("watch", kind)
        self._show(kind, selection)
        async with aclosing(self._history.follow(kind, selection, int(version))) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """See the port."""

    # What a test does to the server

    def bind(self, name: str, node: str, *, namespace: str) -> Manifest:
        """Put a pod on a node, as the scheduler does."""
        stored = self._known(PODS, (namespace, name))
        after = {**stored.manifest, "spec": {**stored.manifest["spec"], "nodeName": node}}
        return self._write(PODS, stored, after)

    def forget(self) -> None:
        """Lose the history: a watch that is not up to date must list anew."""
        self._history.forget(self._history.version)

    def bookmark(self) -> None:
        """Tell every watch the version that it has come to."""
        self._history.add(Step(None))

    def cut(self, *, quietly: bool = True) -> None:
        """End every watch."""
        self._history.cut(quietly=quietly)

    # Inside

    def _reach(self, verb: str, kind: Kind) -> None:
        if self.unreachable:
            raise TransientError("the API server in memory was made unreachable; try again later")
        self.requests[verb, kind.plural] += 1

    def _show(self, kind: Kind, selection: Selection) -> None:
        if selection.namespace in self.hidden:
            raise ConfigurationError(
                f"{kind.plural} is forbidden: this user cannot list it in the namespace {selection.namespace}"
            )

    def _all(self, kind: Kind) -> dict[Key, Stored]:
        return self._stored.setdefault(kind, {})

    def _known(self, kind: Kind, key: Key) -> Stored:
        stored = self._all(kind).get(key)
        if stored is None:
            raise NotFoundError(f"{told_as(kind, key)} is not there; check its name and namespace")
        return stored

    def _conditional(self, kind: Kind, manifest: Manifest) -> Stored:
        """The object that a manifest names, if it is still as its metadata demand."""
        stored = self._known(kind, key_of(manifest))
        self._check_uid(kind, stored.manifest, uid_of(manifest) or None)
        self._check_version(kind, stored.manifest, version_of(manifest))
        return stored

    def _check_uid(self, kind: Kind, manifest: Manifest, uid: str | None) -> None:
        if uid is not None and uid != uid_of(manifest):
            found = uid_of(manifest)
            raise ChangedError(
                f"{told_as(kind, key_of(manifest))}: found uid {found}, asked for {uid}; read it anew"
            )

    def _check_version(self, kind: Kind, manifest: Manifest, version: str) -> None:
        found = version_of(manifest)
        if version and version != found:
            raise ChangedError(
                f"{told_as(kind, key_of(manifest))}: found version {found}, asked for {version}; read it anew"
            )

    def _admit(self, verb: str, kind: Kind, before: Manifest | None, after: Manifest | None) -> None:
        reason = self.admit(verb, kind, before, after)
        if reason is not None:
            named = before or after or {}
            raise ConfigurationError(f"{told_as(kind, key_of(named))}: {reason}")

    def _create(self, kind: Kind, manifest: dict[str, Any]) -> Manifest:
        key = key_of(manifest)
        if kind.namespaced and ("", key[0]) not in self._all(NAMESPACES):
            raise NotFoundError(f"{told_as(kind, key)}: namespace {key[0]!r} is not there; create it first")
        if key in self._all(kind):
            raise ExistsError(f"{told_as(kind, key)} is there already")
        self._admit("create", kind, None, manifest)
        self._uids += 1
        made = objects.born(kind, manifest)
        made["metadata"] |= objects.birth(kind, self._uids, self._moment())
        return self._write(kind, Stored(made), made)

    def _applied(self, stored: Stored, wanted: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """The object with a manager's whole will: what it no longer wants and nobody else holds goes."""
        others = frozenset().union(*(held for name, held in stored.owned.items() if name != manager))
        dropped = stored.owned.get(manager, frozenset()) - leaves(wanted) - others
        return laid_over(without(stored.manifest, dropped), wanted)

    def _change(
        self,
        kind: Kind,
        stored: Stored,
        after: dict[str, Any],
        *,
        manager: str = "",
        owned: frozenset[Path] = frozenset(),
    ) -> Manifest:
        """Write an update, if it is one: what stays as it is gets no new version."""
        after = objects.with_same_identity(stored, after)
        changes = after != stored.manifest
        if changes:
            objects.check_unchangeable(kind, stored.manifest, after)
            self._admit("update", kind, stored.manifest, after)
            after["metadata"] |= objects.next_generation(kind, stored.manifest, after)
            stored.disown(after, but=manager)
        if manager:
            stored.owned[manager] = owned
        if not changes:
            return stored.manifest
        return self._remove(kind, after) if objects.is_released(after) else self._write(kind, stored, after)

    def _write(self, kind: Kind, stored: Stored, after: dict[str, Any]) -> Manifest:
        before = stored.manifest if stored.is_kept else None
        version = str(self._history.version + 1)
        after["metadata"] = {**after["metadata"], "resourceVersion": version}
        stored.manifest, stored.is_kept = after, True
        self._all(kind)[key_of(after)] = stored
        self._history.add(Step(kind, before, after))
        return after

    def _delete(self, kind: Kind, stored: Stored, asked: int | None) -> None:
        grace = objects.grace_seconds(kind, stored.manifest, asked)
        if not grace and not stored.manifest["metadata"].get("finalizers"):
            self._remove(kind, stored.manifest)
            return
        after = objects.ending(kind, stored.manifest, self._moment(), grace)
        if after != stored.manifest:
            self._write(kind, stored, after)

    def _remove(self, kind: Kind, last: Manifest) -> Manifest:
        del self._all(kind)[key_of(last)]
        self._history.add(Step(kind, last, None))
        self._remove_owned(uid_of(last))
        return last

    def _remove_owned(self, owner: str) -> None:
        """End what belongs to an object that is gone; what has another owner only loses this one."""
        owned = [
            (kind, stored)
            for kind, each in self._stored.items()
            for stored in each.values()
            if owner in objects.owners(stored.manifest)
        ]
        for kind, stored in owned:
            if len(objects.owners(stored.manifest)) == 1:
                self._delete(kind, stored, None)
            else:
                self._write(kind, stored, objects.without_owner(stored.manifest, owner))

    def _moment(self) -> str:
        return moment(self._now())
