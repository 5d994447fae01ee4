"""Reads OCI archives: their digest, their configuration, and files as a container would see them."""

import json
import posixpath
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tools.images.faults import ImagesError

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"  # https://github.com/opencontainers/image-spec/blob/main/layer.md


@dataclass(slots=True)
class Tree:
    """Files and links by their path without a leading slash; `read` follows a linked folder."""

    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        folder, name = posixpath.split(path)
        if target := self.links.get(folder):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(folder), target, name)).lstrip("/")
        return self.files.get(path)

    def remove(self, path: str) -> None:
        """A file, or a folder with all that is in it."""
        for known in (self.files, self.links):
            for each in [name for name in known if name == path or name.startswith(f"{path}/")]:
                del known[each]


@dataclass(frozen=True, slots=True)
class Contents:
    """An image without its files: the manifest's digest, the configuration, the layers' compressed bytes."""

    digest: str
    config: Mapping[str, Any]
    layers: tuple[str, ...]
    compressed_bytes: int


def contents_of(archive: Path) -> Contents:
    """Raises ImagesError for a file that is no OCI archive of one image."""
    try:
        with tarfile.open(archive) as tar:
            (entry,) = json.load(_member(tar, "index.json"))["manifests"]
            manifest = json.load(_blob(tar, entry["digest"]))
            config = json.load(_blob(tar, manifest["config"]["digest"]))
            layers = manifest["layers"]
            return Contents(
                entry["digest"], config, tuple(each["digest"] for each in layers),
                sum(each["size"] for each in layers),
            )  # fmt: skip
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as fault:
        raise ImagesError(f"{archive} is no OCI archive of one image: {fault!r}; build it again") from fault


def tree_of(archive: Path, layers: tuple[str, ...], wanted: Callable[[str], bool]) -> Tree:
    """The wanted files after all layers, whatever an upper one took away being gone."""
    tree = Tree()
    with tarfile.open(archive) as tar:
        for digest in layers:
            with tarfile.open(fileobj=_blob(tar, digest), mode="r|*") as layer:
                for member in layer:
                    _apply(tree, layer, member, wanted)
    return tree


def _apply(
    tree: Tree, layer: tarfile.TarFile, member: tarfile.TarInfo, wanted: Callable[[str], bool]
) -> None:
    path = posixpath.normpath(member.name).lstrip("/")
    folder, name = posixpath.split(path)
    if name == OPAQUE:
        tree.remove(folder)
    elif name.startswith(WHITEOUT):
        tree.remove(posixpath.join(folder, name.removeprefix(WHITEOUT)))
    elif member.issym():
        tree.remove(path)
        tree.links[path] = member.linkname
    elif wanted(path) and (file := _body(tree, layer, member)) is not None:
        tree.links.pop(path, None)
        tree.files[path] = file


def _body(tree: Tree, layer: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    if member.islnk():
        return tree.files.get(posixpath.normpath(member.linkname).lstrip("/"))
    found = layer.extractfile(member) if member.isreg() else None
    return found.read() if found else None


def _blob(tar: tarfile.TarFile, digest: str) -> IO[bytes]:
    return _member(tar, f"blobs/{digest.replace(':', '/')}")


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found
