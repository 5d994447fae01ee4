"""Strict reading of a JSON document's fields: what is not as it must be is refused by name.

Every function raises RejectedError. `where` is the path of the parent, for the message.
"""

from typing import TypeAlias

from headrace.model.errors import RejectedError
from headrace.model.event import normalised_etag

Document: TypeAlias = dict[str, object]  # a JSON object, parsed

_SHOWN_CHARACTERS = 80
_NO_VERSION = "null"  # the version id of an object that was put while versioning was off


def path_of(where: str, name: str) -> str:
    """A field's full path, as messages name it."""
    return f"{where}.{name}" if where else name


def refusal(where: str, name: str, found: object, allowed: str) -> RejectedError:
    """The error for a field whose value is not allowed; long values are cut short."""
    shown = repr(found)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}…"
    return RejectedError(f"{path_of(where, name)} is {shown}; it must be {allowed}")


def optional_section(parent: Document, name: str, where: str) -> Document | None:
    """An object below `parent`; None when it is missing or null."""
    found = parent.get(name)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise refusal(where, name, found, "an object")
    return found


def section(parent: Document, name: str, where: str) -> Document:
    """An object below `parent` that must be there."""
    found = optional_section(parent, name, where)
    if found is None:
        raise RejectedError(f"{path_of(where, name)} is missing; it must be an object")
    return found


def optional_list(parent: Document, name: str, where: str) -> list[object]:
    """A list below `parent`; empty when it is missing or null."""
    found = parent.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise refusal(where, name, found, "a list")
    return found


def optional_text(parent: Document, name: str, where: str) -> str | None:
    """A text; None when it is missing, null or empty."""
    found = parent.get(name)
    if found is None:
        return None
    if not isinstance(found, str):
        raise refusal(where, name, found, "a text")
    return found or None


def text(parent: Document, name: str, where: str) -> str:
    """A text that must be there and not be empty."""
    found = optional_text(parent, name, where)
    if found is None:
        raise RejectedError(f"{path_of(where, name)} is missing or empty; it must be a text")
    return found


def optional_size(parent: Document, name: str, where: str) -> int | None:
    """A whole number of bytes that is not negative; None when it is missing or null."""
    found = parent.get(name)
    if found is None:
        return None
    # True is an int in Python, but no size.
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise refusal(where, name, found, "a whole number of bytes, 0 or more")
    return found


def flag(parent: Document, name: str, where: str) -> bool:
    """A truth value; False when it is missing or null."""
    found = parent.get(name)
    if found is None:
        return False
    if not isinstance(found, bool):
        raise refusal(where, name, found, "true or false")
    return found


def version_of(told: str | None) -> str | None:
    """A version id as a sender tells it; None where the bucket kept no versions at the put."""
    return None if told == _NO_VERSION else told


def etag_of(told: str | None) -> str | None:
    """An ETag as a sender tells it, normalised; None where that leaves nothing."""
    return None if told is None else normalised_etag(told) or None
