"""What people wish of the nodes of a stack on one machine, in a file."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from headrace.files.whole import write_private
from headrace.model.value import StoredValue

_log = logging.getLogger(__name__)
Kept = TypeVar("Kept", bound=StoredValue)


class NodeWishes(StoredValue):
    """What people said of nodes: name -> whether it may be used."""

    enabled: Mapping[str, bool] = Field(default_factory=dict)


def wish(path: Path, node: str, *, enabled: bool) -> None:
    """Say whether a node may be used; a running stack heeds it at once, one that starts later as well."""
    known = read_or_set_aside(path, NodeWishes.from_json) or NodeWishes()
    write_private(path, NodeWishes(enabled={**known.enabled, node: enabled}).to_json())


class WishesFile:
    """See the scaler's port Wishes. The file is read again when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._wishes = NodeWishes()

    def enabled(self) -> Mapping[str, bool]:
        """See the port."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return self._wishes.enabled
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._wishes = read_or_set_aside(self._path, NodeWishes.from_json) or self._wishes
            self._stamp = stamp
        return self._wishes.enabled


def read_or_set_aside(path: Path, parse: Callable[[bytes], Kept]) -> Kept | None:
    """A file's value; None where there is no file, or a broken one, which is renamed. Raises OSError."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        aside = path.with_name(f"{path.name}.broken")
        path.replace(aside)
        _log.warning(
            "%s is set aside as %s, and begun anew: %s", path, aside.name, error,
            extra={"action": "stack.file_set_aside"},
        )  # fmt: skip
        return None
