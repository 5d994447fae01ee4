"""How documents are put together as the API server does it: merge patches and server-side apply.

Server-side apply here knows the lists that Headrace applies; every other list is taken as a whole.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from collections.abc import Collection, Mapping
from typing import Any

from headrace.kube.port import Manifest

_KEYED = {"conditions": "type", "ownerReferences": "uid"}  # lists of objects that are told apart by a field
_SETS = frozenset({"finalizers"})  # lists of texts that many writers share

Path = tuple[str, ...]


def patched(document: object, change: Manifest) -> dict[str, Any]:
    """A JSON merge patch, applied: RFC 7396."""
    base = dict(document) if isinstance(document, Mapping) else {}
    for name, value in change.items():
        if value is None:
            base.pop(name, None)
        elif isinstance(value, Mapping):
            base[name] = patched(base.get(name), value)
        else:
            base[name] = value
    return base


def leaves(value: object, path: Path = ()) -> frozenset[Path]:
    """The paths of all fields that a document says something of."""
    children = _children(value, path)
    if not children:
        return frozenset({path})
    return frozenset().union(*(leaves(each, (*path, name)) for name, each in children.items()))


def laid_over(live: Manifest, applied: Manifest, path: Path = ()) -> dict[str, Any]:
    """`live` with all that `applied` says."""
    said = {name: _said(live.get(name), each, (*path, name)) for name, each in applied.items()}
    return {**live, **said}


def without(document: Manifest, dropped: Collection[Path], path: Path = ()) -> dict[str, Any]:
    """A document without some fields, and without what is empty for lack of them."""
    kept = {}
    for name, each in document.items():
        below = (*path, name)
        children = _children(each, below)
        left = without(children, dropped, below)
        if below not in dropped and (left or not children):
            kept[name] = _whole(each, left, below) if children else each
    return kept


def value_at(document: object, path: Path) -> object:
    """What stands at a path; None where nothing does."""
    value = document
    for depth, name in enumerate(path):
        value = _children(value, path[:depth]).get(name)
    return value


def _said(live: object, applied: object, path: Path) -> object:
    if not isinstance(applied, Mapping) and not _is_shared(applied, path):
        return applied
    return _whole(applied, laid_over(_children(live, path), _children(applied, path), path), path)


def _children(value: object, path: Path) -> Mapping[str, Any]:
    """The parts of a value by what tells them apart; nothing for what is a whole."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list) or not _is_shared(value, path):
        return {}
    if path[-1] in _SETS:
        return {each: each for each in value}
    return {each[_KEYED[path[-1]]]: each for each in value}


def _is_shared(value: object, path: Path) -> bool:
    if not isinstance(value, list) or not path:
        return False
    key = _KEYED.get(path[-1])
    return path[-1] in _SETS or (key is not None and all(key in each for each in value))


def _whole(like: object, children: Mapping[str, Any], path: Path) -> object:
    """The mapping or the list back from its parts."""
    if isinstance(like, Mapping):
        return children
    return list(children) if path[-1] in _SETS else list(children.values())
