"""What a playbook reads, as digests: a changed one makes it run again, and its name tells what changed."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from headrace.model.errors import ConfigurationError

Digests = dict[str, str]

BESIDE_INVENTORY = ("group_vars", "host_vars")
BESIDE_PLAYBOOK = (*BESIDE_INVENTORY, "files", "handlers", "library", "roles", "tasks", "templates", "vars")
_LENGTH = 16
IN_COLLECTION = ("playbooks", "plugins", "roles")
_UNREAD = ("__pycache__", "CHANGELOG.md", "README.md", "story.md")  # nothing of these reaches a host
_UNREAD_SUFFIXES = (".pyc", ".retry", ".swp", "~")


def inventory(path: Path) -> Digests:
    """Digests by file: of a folder all of it, of a file what Ansible reads beside it, too."""
    return {name: _digest(each.read_bytes()) for name, each in inventory_files(path).items()}


def inventory_files(path: Path) -> Mapping[str, Path]:
    """What Ansible reads of an inventory, by its place beside it, or in it where it is a folder."""
    _look("inventory", path, "an inventory's file or folder")
    if path.is_dir():
        return _files(path, [path])
    return _files(path.parent, [path, *(path.parent / each for each in BESIDE_INVENTORY)])


def playbook(path: Path) -> Digests:
    """Digests by file: the playbook and the folders beside it that it may read."""
    _look("playbook", path, "a name of the collection's or the path of a file")
    found = _files(path.parent, [path, *(path.parent / each for each in BESIDE_PLAYBOOK)])
    return {name: _digest(each.read_bytes()) for name, each in found.items()}


def collection(folder: Path) -> Digests:
    """Digests by role, playbook and kind of plugin; the same of its source and of what is installed."""
    _look("collections", folder / "roles", "a folder with ansible_collections/headrace/hosts in it")
    groups: dict[str, list[str]] = {}
    for name, path in _files(folder, [folder / each for each in IN_COLLECTION]).items():
        line = f"{name} {_digest(path.read_bytes())}"
        groups.setdefault("/".join(name.split("/")[:2]), []).append(line)
    return {group: _digest("\n".join(lines).encode()) for group, lines in sorted(groups.items())}


def _look(what: str, path: Path, allowed: str) -> None:
    if not path.exists():
        raise ConfigurationError(f"{what}: found nothing at {path}, allowed {allowed}; write where it is")


def _files(top: Path, places: Iterable[Path]) -> Mapping[str, Path]:
    found = {path.relative_to(top).as_posix(): path for place in places for path in _under(place)}
    return {name: found[name] for name in sorted(found)}


def _under(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        for path in place.iterdir():
            if not _is_unread(path.name):
                yield from _under(path)


def _is_unread(name: str) -> bool:
    return name.startswith(".") or name in _UNREAD or name.endswith(_UNREAD_SUFFIXES)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_LENGTH]
