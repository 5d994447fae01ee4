"""OSCAR's places in stores (`storage_provider` and `path`) -> a bucket and a prefix, or why not."""

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.oscar.finding import (
    Finding,
    marked_placeholder,
    plain,
    refused,
    shown,
    warning,
    worded_placeholder,
)
from headrace.oscar.service import Storage

DEFAULT = "default"  # what `minio` alone stands for: minio.default, the cluster's own store
OWN = "minio.default"
_S3 = ("minio", "s3")
_FOREIGN = ("onedata", "webdav", "rucio")


@dataclass(frozen=True, slots=True)
class Site:
    """What a definition does not say of the stack that it comes to.

    `stores`: the storage providers that stand for the stack's own store, as `provider_of` spells them.
    `entrance`: the bucket whose folder NAME/ starts a service that has no input; empty: there is none.
    """

    stores: frozenset[str] = frozenset({OWN})
    entrance: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """`prefix` is empty or ends with a slash, so that it takes no folder beside it of a longer name."""

    bucket: str
    prefix: str


def provider_of(text: str) -> str:
    """`minio` is minio.default: https://github.com/grycap/oscar/blob/master/pkg/types/storage.go."""
    kind, _, name = text.strip().partition(".")
    return f"{kind.lower()}.{name or DEFAULT}"


def place_of(storage: Storage) -> Place:
    """OSCAR takes the path's first folder for the bucket, and slashes at either end for nothing."""
    bucket, _, folder = storage.path.strip(" /").partition("/")
    folder = folder.strip(" /")
    return Place(bucket, f"{folder}/" if folder else "")


def judge_storage(field: str, storage: Storage, site: Site) -> Iterator[Finding]:
    """What is amiss with a place."""
    if fault := _provider_fault(storage.storage_provider, site):
        yield refused(f"{field}.storage_provider", fault)
    mark = marked_placeholder(storage.path)
    if mark:
        yield refused(f"{field}.path", f"found the placeholder {shown(mark)}; fill it in")
    elif not storage.path.strip(" /"):
        yield refused(f"{field}.path", "is missing; write BUCKET/FOLDER, or BUCKET alone for all of it")
    elif worded_placeholder(storage.path):
        yield warning(f"{field}.path", f"found {shown(storage.path)}, which looks like a placeholder")
    if not storage.options:
        yield plain(f"{field}.options")
    else:
        yield warning(f"{field}.options", "only OSCAR's mounts have options; it is not taken")


def _provider_fault(text: str, site: Site) -> str:
    """Why a provider can't be read or written, for people; empty: it is the stack's store."""
    if not text.strip():
        return "is missing; write minio.default for the stack's store"
    if provider_of(text) in site.stores:
        return ""
    kind = provider_of(text).partition(".")[0]
    stores = ", ".join(sorted(site.stores))
    if kind in _S3:
        return (
            f"found {shown(text)}, allowed {stores}: a stack reads and writes one store. Import with --store "
            f"{provider_of(text)} if it is the stack's; else name the stack's, and copy between the two"
        )
    if kind in _FOREIGN:
        return (
            f"found {shown(text)}, allowed {stores}: Headrace speaks S3 alone. Let a tool like rclone copy "
            "between it and a bucket of the stack's, and name the bucket here"
        )
    return f"found {shown(text)}, allowed {stores}; name one of these"
