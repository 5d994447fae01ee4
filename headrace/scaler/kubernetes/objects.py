"""Functions and pools from their objects: parsed once a change, unsound ones told once and left out."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace.catalog.deployed import function_of, pool_of
from headrace.kube.mirror import Mirror
from headrace.kube.naming import key_of, uid_of, version_of
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, digest_of
from headrace.model.pool import NodePool

_log = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function, the digest of its spec, and whether the controller has made ready what its workers need."""

    function: Function
    digest: str
    ready: bool


class Parsed(Generic[Found]):
    """Values of the objects of a mirror, each parsed anew only when it has changed."""

    def __init__(self, mirror: Mirror, parse: Callable[[Manifest], Found]) -> None:
        self._mirror = mirror
        self._parse = parse
        self._known: dict[tuple[str, str], Found | None] = {}

    @property
    def values(self) -> list[Found]:
        """Those that are sound and stay, in the order of names."""
        there = [
            item
            for _, item in sorted(self._mirror.items.items())
            if "deletionTimestamp" not in item["metadata"]
        ]
        self._known = {
            key: self._value(key, item) for item in there for key in [(uid_of(item), version_of(item))]
        }
        return [value for value in self._known.values() if value is not None]

    def _value(self, key: tuple[str, str], item: Manifest) -> Found | None:
        if key in self._known:
            return self._known[key]
        try:
            return self._parse(item)
        except ConfigurationError as error:
            name = "/".join(filter(None, key_of(item)))
            _log.error("%s is left out: %s", name, error, extra={"action": "scaler.object_unsound"})
            return None


def deployed_of(manifest: Manifest) -> Deployed:
    """A Function object as workers see it. Raises ConfigurationError."""
    function = function_of(manifest)
    digest = digest_of(function, {})
    return Deployed(function, digest, ready=manifest.get("status", {}).get("digest") == digest)


def functions_in(mirror: Mirror) -> Parsed[Deployed]:
    """The functions of a mirror of Function objects."""
    return Parsed(mirror, deployed_of)


def pools_in(mirror: Mirror) -> Parsed[NodePool]:
    """The pools of a mirror of NodePool objects."""
    return Parsed(mirror, pool_of)


def by_name(deployed: list[Deployed]) -> Mapping[str, Deployed]:
    """Functions by their names, which are unique in their namespace."""
    return {each.function.name: each for each in deployed}
