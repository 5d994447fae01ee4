"""What an API server does to an object when it is written: the rules of MemoryKube, without state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from headrace.kube.kinds import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    RESOURCE_CLAIMS,
    Kind,
)
from headrace.kube.merging import Path, value_at
from headrace.kube.naming import is_ending, key_of, told_as
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError

_HAVING_STATUS = frozenset({PODS, NODES, JOBS, NAMESPACES, CUSTOM_RESOURCE_DEFINITIONS, RESOURCE_CLAIMS})
_COUNTING = frozenset({PODS, JOBS, NETWORK_POLICIES, CUSTOM_RESOURCE_DEFINITIONS})  # that have a generation
_GIVEN = ("resourceVersion", "uid", "creationTimestamp", "generation", "deletionTimestamp",
          "deletionGracePeriodSeconds")  # fmt: skip
_POD_GRACE_SECONDS = 30  # where its spec says nothing


def has_status(kind: Kind) -> bool:
    """Whether its status is written apart; every definition of Headrace's own says so."""
    return kind in _HAVING_STATUS or _is_custom(kind)


def is_conditional(kind: Kind) -> bool:
    """Whether it can be replaced on condition of a version only."""
    return kind == LEASES or _is_custom(kind)


def is_counting(kind: Kind) -> bool:
    """Whether it has a generation."""
    return kind in _COUNTING or _is_custom(kind)


def _is_custom(kind: Kind) -> bool:
    return "." in kind.group and not kind.group.endswith(".k8s.io")


@dataclass(slots=True)
class Stored:
    """An object and which of its fields each manager has applied; `is_kept`: it has been written."""

    manifest: Manifest
    owned: dict[str, frozenset[Path]] = field(default_factory=dict)
    is_kept: bool = False

    def disown(self, after: Manifest, *, but: str) -> None:
        """Whatever a write changes belongs to its writer alone from then on."""
        for manager, paths in self.owned.items():
            if manager != but:
                same = (path for path in paths if value_at(self.manifest, path) == value_at(after, path))
                self.owned[manager] = frozenset(same)


def copied(manifest: Manifest) -> dict[str, Any]:
    """A copy that shares nothing, as JSON keeps it."""
    document: dict[str, Any] = orjson.loads(orjson.dumps(manifest))
    document["metadata"] = {**document.get("metadata", {})}
    document["metadata"].pop("managedFields", None)
    return document


def as_created(kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an object that is sent to be created. A node brings its status, as kubelet sends it."""
    if has_status(kind) and kind != NODES:
        manifest.pop("status", None)
    return manifest


def applicable(kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
    """What a manager may want of an object."""
    metadata = {name: each for name, each in manifest["metadata"].items() if name not in _GIVEN}
    bare = {name: each for name, each in manifest.items() if name != "status" or not has_status(kind)}
    return {**bare, "metadata": metadata}


def birth(kind: Kind, number: int, moment: str) -> dict[str, Any]:
    """The metadata that a new object gets."""
    made = {"uid": f"{number:08d}-0000-4000-8000-000000000000", "creationTimestamp": moment}
    return {**made, "generation": 1} if is_counting(kind) else made


def born(kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
    """A new object with what the server adds."""
    named = {"apiVersion": kind.api_version, "kind": kind.name, **manifest}
    return {**named, "status": {"phase": "Pending"}} if kind == PODS else named


def with_status_of(kind: Kind, stored: Stored, after: dict[str, Any]) -> dict[str, Any]:
    """An object as a write of all but its status leaves it."""
    if not has_status(kind):
        return after
    bare = {name: each for name, each in after.items() if name != "status"}
    kept = {name: each for name, each in stored.manifest.items() if name == "status"}
    return bare | kept


def with_same_identity(stored: Stored, after: dict[str, Any]) -> dict[str, Any]:
    """An object with the metadata that only the server writes."""
    before = stored.manifest["metadata"]
    given = {name: before[name] for name in _GIVEN if name in before}
    own = {name: each for name, each in after["metadata"].items() if name not in _GIVEN}
    named = {name: stored.manifest[name] for name in ("apiVersion", "kind")}
    return {**after, **named, "metadata": own | given}


def check_unchangeable(kind: Kind, before: Manifest, after: Manifest) -> None:
    """Raise ConfigurationError for a change of what can't be changed."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    sealed = kind == CONFIG_MAPS and before.get("immutable") and changed & {"data", "binaryData", "immutable"}
    if sealed or (kind == PODS and "spec" in changed):
        raise ConfigurationError(
            f"{told_as(kind, key_of(before))}: {', '.join(sorted(changed - {'metadata'}))} can't be changed; "
            "delete it and create another"
        )


def next_generation(kind: Kind, before: Manifest, after: Manifest) -> dict[str, int]:
    """The generation after an update: it counts changes of what is wanted, not of the status."""
    if not is_counting(kind):
        return {}
    ignored = ("metadata", "status")
    wanted = [{name: each for name, each in one.items() if name not in ignored} for one in (before, after)]
    generation: int = before["metadata"]["generation"]
    return {"generation": generation + (wanted[0] != wanted[1])}


def is_released(manifest: Manifest) -> bool:
    """Whether it is to go and nothing holds it any more."""
    metadata = manifest["metadata"]
    held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    return is_ending(manifest) and not held


def grace_seconds(kind: Kind, manifest: Manifest, asked: int | None) -> int:
    """How long an object may take to end; only a pod that has a node and has not ended may take any time."""
    over = manifest.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if kind != PODS or over or not manifest.get("spec", {}).get("nodeName"):
        return 0
    own: int = manifest["spec"].get("terminationGracePeriodSeconds", _POD_GRACE_SECONDS)
    return own if asked is None else asked


def ending(kind: Kind, manifest: Manifest, moment: str, grace: int) -> dict[str, Any]:
    """An object whose deletion is ordered; a second order may only make it sooner."""
    metadata = dict(manifest["metadata"])
    if not is_ending(manifest) and is_counting(kind):
        metadata["generation"] += 1
    metadata.setdefault("deletionTimestamp", moment)
    before = metadata.get("deletionGracePeriodSeconds", grace)
    metadata["deletionGracePeriodSeconds"] = min(before, grace)
    return {**manifest, "metadata": metadata}


def owners(manifest: Manifest) -> Sequence[str]:
    """The uids of those it belongs to."""
    return [each["uid"] for each in manifest["metadata"].get("ownerReferences") or ()]


def without_owner(manifest: Manifest, owner: str) -> dict[str, Any]:
    """An object that lost one of its owners."""
    references: Sequence[Mapping[str, Any]] = manifest["metadata"]["ownerReferences"]
    left = [each for each in references if each["uid"] != owner]
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": left}}
