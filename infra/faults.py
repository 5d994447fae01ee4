"""Every fault of a configuration in one go, those of rules between its parts too.

A model judges such a rule only once its parts are sound. So what is faulty is taken out, or has its field's
example in its place where it can't be missing, and the rest is judged again, until nothing new is found.
"""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError

from headrace.catalog.document import Document, Route
from headrace.catalog.explain import explained, part_at
from headrace.model.value import Value

T = TypeVar("T", bound=Value)
Schema = Mapping[str, Any]
Told = tuple[Route, str]

JOINED = "; and "  # between the faults that one rule of a model finds
EMPTY = "found an empty"  # what a list or mapping is called whose entries were all taken out here
_DOCUMENT = Document(tree=None, lines={}, faults=(), broken=frozenset())


def every_fault(model: type[T], tree: Mapping[str, Any]) -> list[Told]:
    """(path, message) of each fault of a tree of plain values; none where it is sound."""
    schema = model.model_json_schema(by_alias=True)
    rest = _Rest(deepcopy(dict(tree)), schema)
    told: list[Told] = []
    while found := _judged(model, rest.tree, schema):
        told += [each for each in found if not rest.is_of_a_change(each)]
        mended = [rest.mend(rest.place_of(each)) for each in found]
        if not any(mended):
            break
    return told


def _judged(model: type[T], tree: Mapping[str, Any], schema: Schema) -> list[Told]:
    try:
        model.from_json(json.dumps(tree))
    except ValidationError as error:
        found = explained(error, schema, document=_DOCUMENT)
        return [(path, each) for path, message in found for each in message.split(JOINED)]
    return []


class _Rest:
    """What is left to be judged, and what was changed in it: path -> texts that were put there."""

    def __init__(self, tree: dict[str, Any], schema: Schema) -> None:
        self.tree = tree
        self._schema = schema
        self._changed: dict[Route, frozenset[str]] = {}

    def place_of(self, told: Told) -> Route:
        """What is to be mended: the first part that a rule names, or all it judges; a list as a whole."""
        path, message = told
        whole = path[: next((index for index, step in enumerate(path) if isinstance(step, int)), len(path))]
        named = (tuple(word.split(".")) for word in _words(message)) if whole else ()
        parts = ((*whole, *steps) for steps in named)
        return next((part for part in parts if self._has(part) and part not in self._changed), whole)

    def mend(self, path: Route) -> bool:
        """Take the value out, or put an example there, or do so with what holds it; whether that was done."""
        holder = self._holder(path)
        if not path or holder is None:
            return False
        key = str(path[-1])
        if path not in self._changed and key in holder:
            del holder[key]
            self._changed[path] = frozenset()
            return True
        examples = part_at(path, self._schema).get("examples")
        if examples and not self._changed.get(path):
            holder[key] = deepcopy(examples[0])
            self._changed[path] = frozenset(_texts(examples[0]))
            return True
        return self.mend(path[:-1])

    def is_of_a_change(self, told: Told) -> bool:
        """Whether a fault is there only because of what was changed."""
        return any(_is_of(told, path, texts) for path, texts in self._changed.items())

    def _has(self, path: Route) -> bool:
        return path[-1] in (self._holder(path) or {})

    def _holder(self, path: Route) -> dict[str, Any] | None:
        """The mapping with the path's last key; None: it was taken out itself."""
        found: Any = self.tree
        for step in path[:-1]:
            found = found.get(step) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None


def _is_of(told: Told, changed: Route, texts: frozenset[str]) -> bool:
    """At the place itself, or of a rule above it that names it or quotes what was put there."""
    path, message = told
    if changed[: len(path)] != path:
        return False
    if changed == path or message.startswith(EMPTY):
        return True
    name = ".".join(map(str, changed[len(path) :]))
    return any(word == name or word.startswith(f"{name}.") or word in texts for word in _words(message))


def _words(message: str) -> list[str]:
    """Names, also those of parts of parts with dots between, in their order."""
    return re.findall(r"[\w:/.-]*\w", message)


def _texts(value: object) -> Iterator[str]:
    """Every text in an example."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)
