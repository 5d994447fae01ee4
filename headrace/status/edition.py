"""The newest document as bytes, and what of it is other than in an earlier one. Pure.

A reader is told whole sections, each as it is now. So nothing is kept for slow readers: who comes late gets
the newest state of all that has changed since, once.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import orjson

from headrace.status.document import Document

_PACKING = 5  # gzip's level: beyond it a document is hardly smaller
_HEAD = ("version", "instance", "sequence", "at")  # which document it is; all other fields are sections


@dataclass(frozen=True, eq=False)
class Edition:
    """One document. `changed`: by section the sequence number since which it is as it is."""

    head: Mapping[str, object]
    sections: Mapping[str, bytes] = field(repr=False)
    changed: Mapping[str, int] = field(repr=False)

    @property
    def sequence(self) -> int:
        return int(str(self.head["sequence"]))

    @property
    def mark(self) -> str:
        """The id of an event that brings a reader here."""
        return f"{self.head['instance']}-{self.sequence}"

    @property
    def tag(self) -> str:
        """An ETag."""
        return f'"{self.mark}-{self.head["at"]}"'

    @cached_property
    def body(self) -> bytes:
        """The whole document."""
        return _joined(self.head, self.sections)

    @cached_property
    def packed(self) -> bytes:
        """The same, compressed by gzip."""
        return gzip.compress(self.body, _PACKING, mtime=0)

    @cached_property
    def beat(self) -> bytes:
        """Only which document it is."""
        return _joined(self.head, {})

    @cached_property
    def _newest(self) -> bytes:
        return self._since(self.sequence - 1)

    def since(self, sequence: int) -> bytes:
        """What has changed since the document of that number, as one JSON object of whole sections."""
        return self._newest if sequence == self.sequence - 1 else self._since(sequence)

    def _since(self, sequence: int) -> bytes:
        new = {name: body for name, body in self.sections.items() if self.changed[name] > sequence}
        return _joined(self.head, new)

    def knows(self, mark: str) -> int | None:
        """The sequence number of an event's id; None: it is not one of this process up to now."""
        instance, _, number = mark.rpartition("-")
        if instance != self.head["instance"] or not (number.isascii() and number.isdigit()):
            return None
        return int(number) if int(number) <= self.sequence else None


def edition_of(document: Document, before: Edition | None) -> Edition:
    """The next one after `before`: its number is greater by one if any section has changed."""
    tree = document.model_dump(mode="json", by_alias=True)
    sections = {name: orjson.dumps(part) for name, part in tree.items() if name not in _HEAD}
    head = {name: tree[name] for name in _HEAD}
    if before is None:
        return Edition({**head, "sequence": 1}, sections, dict.fromkeys(sections, 1))
    new = [name for name, body in sections.items() if before.sections[name] != body]
    sequence = before.sequence + 1 if new else before.sequence
    changed = {**before.changed, **dict.fromkeys(new, sequence)}
    return Edition({**head, "sequence": sequence}, sections, changed)


def _joined(head: Mapping[str, object], sections: Mapping[str, bytes]) -> bytes:
    """One JSON object of parts that are JSON already."""
    parts = [f'"{name}":'.encode() + orjson.dumps(value) for name, value in head.items()]
    parts += [f'"{name}":'.encode() + body for name, body in sections.items()]
    return b"{" + b",".join(parts) + b"}"
