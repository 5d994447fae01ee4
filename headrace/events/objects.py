"""Functions that are objects of Kubernetes, as a mirror of the API server shows them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from headrace.catalog.deployed import function_of
from headrace.kube.mirrors import View
from headrace.kube.naming import Key, is_ending, key_of, uid_of
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.function import Function
from headrace.model.judging import judge
from headrace.model.settings import KubernetesSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of an object; `generation` counts what people change of it, not its status."""

    uid: str
    generation: int
    function: Function | None  # None: it has had faults ever since it came, or is not allowed


class ObjectSource:
    """See the port FunctionSource. `functions` shows the namespaces of `place`, started by whoever made it.

    A function whose deletion is ordered is none any more: it shall come to its end, not get more files.
    """

    def __init__(self, functions: View, place: KubernetesSettings | None = None) -> None:
        self._mirror = functions
        self._place = place
        self._revision = -1
        self._read: Mapping[Key, _Read] = {}
        self._functions: tuple[Function, ...] = ()

    async def functions(self) -> tuple[Function, ...]:
        """See the port."""
        if not self._mirror.synced:
            raise TransientError("the API server has not listed the functions yet")
        if self._mirror.revision != self._revision:
            self._revision = self._mirror.revision
            self._look()
        return self._functions

    async def changed(self, seconds: float) -> None:
        """See the port."""
        await self._mirror.changed(seconds)

    def _look(self) -> None:
        living = (each for each in self._mirror.items.values() if not is_ending(each))
        self._read = {key_of(each): self._of(each) for each in living}
        read = (each.function for each in self._read.values() if each.function is not None)
        found = tuple(sorted(read, key=lambda function: function.name))
        if found != self._functions:  # else only the status of one has changed, or its annotations
            self._functions = found

    def _of(self, manifest: Manifest) -> _Read:
        metadata = manifest["metadata"]
        before = self._read.get(key_of(manifest))
        uid, generation = uid_of(manifest), metadata.get("generation", 0)
        if before is not None and (before.uid, before.generation) == (uid, generation):
            return before
        try:
            return _Read(uid, generation, self._allowed(function_of(manifest, self._place)))
        except ConfigurationError as error:
            _log.error("%s", error, extra={"action": "events.function_refused"})
            same = before is not None and before.uid == uid
            return _Read(uid, generation, before.function if before is not None and same else None)

    def _allowed(self, function: Function) -> Function | None:
        """A function, unless its tenant may not have it: then it gets no more files."""
        refusal = judge(function, self._place) if self._place else ""
        if refusal:
            extra = {"action": "events.function_refused", "function": function.name}
            _log.error("function %s gets no files: %s", function.name, refusal, extra=extra)
        return None if refusal else function
