"""Reading what every manifest has: its name, its versions, its labels."""

from collections.abc import Mapping

from headrace.kube.kinds import Kind
from headrace.kube.port import Manifest, Selection
from headrace.model.errors import ConfigurationError

Key = tuple[str, str]  # namespace and name; the namespace of what lives in none is empty


def key_of(manifest: Manifest) -> Key:
    """Where an object is."""
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(manifest: Manifest) -> str:
    """Its resourceVersion; empty where it has none."""
    version: str = manifest["metadata"].get("resourceVersion", "")
    return version


def uid_of(manifest: Manifest) -> str:
    """Its uid; empty where it has none yet."""
    uid: str = manifest["metadata"].get("uid", "")
    return uid


def labels_of(manifest: Manifest) -> Mapping[str, str]:
    """Its labels; empty where it has none."""
    found: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    return found


def annotations_of(manifest: Manifest) -> Mapping[str, str]:
    """Its annotations; empty where it has none."""
    found: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return found


def is_ending(manifest: Manifest) -> bool:
    """Whether its deletion is ordered."""
    return "deletionTimestamp" in manifest["metadata"]


def is_selected(manifest: Manifest, selection: Selection) -> bool:
    """Whether a selection takes it."""
    namespace, _ = key_of(manifest)
    labels = labels_of(manifest)
    return selection.namespace in (None, namespace) and all(
        labels.get(name) == value for name, value in selection.labels.items()
    )


def told_as(kind: Kind, key: Key) -> str:
    """An object in a message for people: Pod headrace-functions/echo-1."""
    namespace, name = key
    return f"{kind.name} {namespace}/{name}" if namespace else f"{kind.name} {name}"


def check_unversioned(kind: Kind, manifest: Manifest) -> None:
    """Raise ConfigurationError for an object to be created at a version; the server calls that a 500."""
    if version_of(manifest):
        raise ConfigurationError(
            f"{told_as(kind, key_of(manifest))}: found resourceVersion {version_of(manifest)}, allowed none "
            "where an object is created; remove it, or replace the object"
        )
