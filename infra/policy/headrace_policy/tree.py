"""A resource's inputs as a tree that is read without surprises: parts may be absent, or not known yet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final


class Unknown:
    """What a preview can't tell yet, as it is the output of a resource that is not there."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the tree. What is below an unknown part is unknown, what is below an absent one is absent."""

    value: object = None

    def at(self, *keys: str) -> "Node":
        """The part at this path."""
        value = self.value
        for key in keys:
            if isinstance(value, Unknown):
                break
            value = value.get(key) if isinstance(value, Mapping) else None
        return Node(value)

    @property
    def is_unknown(self) -> bool:
        return isinstance(self.value, Unknown)

    @property
    def is_absent(self) -> bool:
        """Whether nothing is written here; an empty text, list or mapping says nothing either."""
        return self.value is None or self.value in ("", [], (), {})

    @property
    def text(self) -> str:
        """The text; empty where it is none."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def told(self) -> str:
        """A plain value as messages show it."""
        if self.is_absent:
            return "nothing"
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)

    @property
    def is_true(self) -> bool:
        """AWS writes some booleans as texts."""
        return self.value is True or self.value == "true"

    @property
    def is_false(self) -> bool:
        return self.value is False or self.value == "false"

    @property
    def is_not_true(self) -> bool:
        """Whether this is known, and is false or absent."""
        return not (self.is_unknown or self.is_true)

    @property
    def is_not_false(self) -> bool:
        """Whether this is known, and is true or absent."""
        return not (self.is_unknown or self.is_false)

    def says(self, expected: str | int) -> bool:
        """Whether this is known and is that text or number."""
        return self.value == expected

    def denies(self, expected: str | int) -> bool:
        """Whether this is known and is not that; an absent part is known."""
        return not (self.is_unknown or self.says(expected))

    def entries(self) -> Sequence["Node"]:
        """Of a list; a single value counts as a list of one, as in documents of IAM."""
        if self.value is None or self.is_unknown:
            return ()
        if isinstance(self.value, list | tuple):
            return [Node(each) for each in self.value]
        return [self]

    def texts(self) -> frozenset[str]:
        """Of a list: the texts in it."""
        return frozenset(each.text for each in self.entries() if each.text)

    def fields(self) -> Iterator[tuple[str, "Node"]]:
        """Of a mapping: its parts by name."""
        if isinstance(self.value, Mapping):
            for key, value in self.value.items():
                yield str(key), Node(value)

    def holds_unknown(self) -> bool:
        """Whether anything in it is not known yet."""
        if isinstance(self.value, Mapping):
            return any(part.holds_unknown() for _, part in self.fields())
        if isinstance(self.value, list | tuple):
            return any(part.holds_unknown() for part in self.entries())
        return self.is_unknown
