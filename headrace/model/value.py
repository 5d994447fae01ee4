"""The bases of every persisted value: strict, frozen, camelCase on the wire."""

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """A frozen value.

    In Python its fields are built by their own names; on the wire (`from_json`, `to_json`) they are
    camelCase and only that, so that a misspelt or Python-spelt key is refused instead of ignored.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Parse a JSON document. Raises pydantic.ValidationError, which names every fault."""
        return cls.model_validate_json(data, by_alias=True, by_name=False)

    def to_json(self) -> bytes:
        """One JSON document; fields that are None are left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class ConsistentValue(Value):
    """A value whose fields must fit one another; what does not is told all at once."""

    def _faults(self) -> Iterator[str]:
        """Each with what was found, what is allowed, what to do."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if faults := tuple(self._faults()):
            raise ValueError("; and ".join(faults))
        return self


class StoredValue(Value):
    """A value that services write for one another.

    Keys that a newer version added are read over: while a stack is brought up to date, old workers meet
    what new ones wrote, and a task must not be stuck between them.
    """

    model_config = ConfigDict(extra="ignore")
