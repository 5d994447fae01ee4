"""Values of objects that a mirror shows: parsed once a change, unsound ones told once and left out."""

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from headrace.kube.mirrors import View
from headrace.kube.naming import key_of, uid_of, version_of
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError

_log = logging.getLogger(__name__)
Found = TypeVar("Found")


class Parsed(Generic[Found]):
    """What `parse` makes of the objects of a mirror, each parsed anew only when `mark` of it changes.

    Objects of which it makes None are none of ours; it raises ConfigurationError for unsound ones.
    """

    def __init__(
        self,
        mirror: View,
        parse: Callable[[Manifest], Found | None],
        *,
        mark: Callable[[Manifest], Hashable] = version_of,
    ) -> None:
        self._mirror = mirror
        self._parse = parse
        self._mark = mark
        self._revision = -1
        self._known: dict[Hashable, Found | None] = {}
        self._values: Sequence[Found] = ()

    @property
    def values(self) -> Sequence[Found]:
        """In the order of names; the very same as before while nothing has changed."""
        if self._mirror.revision != self._revision:
            self._revision = self._mirror.revision
            self._read()
        return self._values

    def _read(self) -> None:
        known: dict[Hashable, Found | None] = {}
        for _, item in sorted(self._mirror.items.items()):
            mark = (uid_of(item), self._mark(item))
            known[mark] = self._known[mark] if mark in self._known else self._value(item)
        self._known = known
        values = tuple(value for value in known.values() if value is not None)
        if values != self._values:
            self._values = values

    def _value(self, item: Manifest) -> Found | None:
        try:
            return self._parse(item)
        except ConfigurationError as error:
            name = "/".join(filter(None, key_of(item)))
            _log.error("%s is left out: %s", name, error, extra={"action": "kube.object_unsound"})
            return None
