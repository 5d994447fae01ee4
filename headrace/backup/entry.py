"""An object as a backup has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from headrace.model.errors import RejectedError
from headrace.storage.port import ObjectInfo

Place = tuple[str, str]  # bucket and key


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an object lay, what the store told of it as in ObjectInfo, and its content's SHA-256."""

    bucket: str
    key: str
    etag: str
    size: int
    modified: float
    sha256: str
    version: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, info: ObjectInfo, sha256: str) -> "Entry":
        """Of an object as `head` or `download` tells of it."""
        return cls(
            bucket=info.bucket,
            key=info.key,
            etag=info.etag,
            size=info.size,
            modified=info.modified,
            sha256=sha256,
            version=info.version,
            metadata=dict(info.metadata),
            headers=dict(info.headers),
        )

    @property
    def place(self) -> Place:
        return self.bucket, self.key

    @property
    def identity(self) -> str:
        """The version id where the bucket kept versions, else the normalised ETag."""
        return self.version or self.etag

    @property
    def unportable(self) -> frozenset[str]:
        """Names of metadata that a store may tell but no request may carry to one: they are not ASCII."""
        return frozenset(name for name, value in self.metadata.items() if not value.isascii())

    def is_still(self, info: ObjectInfo) -> bool:
        """Whether a listing tells of this very put."""
        return self.has_content_of(info) and (self.modified, self.version) == (info.modified, info.version)

    def has_content_of(self, info: ObjectInfo) -> bool:
        """Whether the bytes are the same; metadata may be another's."""
        return (self.etag, self.size) == (info.etag, info.size)

    def to_json(self) -> bytes:
        """One line."""
        return _entry.dump_json(self, exclude_defaults=True)


_entry = TypeAdapter(Entry)


def read_entry(line: bytes) -> Entry:
    """Parse what `to_json` wrote. Raises RejectedError."""
    try:
        return _entry.validate_json(line)
    except ValidationError as error:
        raise RejectedError(f"{line[:80]!r} describes no object of a backup") from error
