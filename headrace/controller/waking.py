"""What happened to which object says whose turn it is. Our own writing of a status wakes nobody."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from headrace.controller.seen import Seen
from headrace.controller.turns import Turns
from headrace.controller.world import finalizers
from headrace.kube.kinds import BUCKETS, FUNCTIONS, NODE_POOLS, Kind
from headrace.kube.naming import Key, is_ending, key_of, labels_of, uid_of
from headrace.kube.port import Change, Event, Manifest
from headrace.model.labels import FUNCTION
from headrace.model.status import READY

TOGETHER_SECONDS = 0.5  # what happens to a function's pods or a pool's nodes within it is looked at together


@dataclass(frozen=True, slots=True)
class Whose:
    """An object that is reconciled."""

    kind: Kind
    namespace: str
    name: str

    @property
    def fields(self) -> dict[str, str]:
        """For a log line."""
        return {self.kind.name.lower(): self.name, "namespace": self.namespace}


class Waking:
    """Listens to the mirrors."""

    def __init__(self, seen: Seen, turns: Turns[Whose]) -> None:
        self._seen = seen
        self._turns = turns
        self._known: dict[tuple[Kind, Key], Hashable] = {}

    def listen(self) -> None:
        """From now on."""
        seen = self._seen
        seen.functions.listen(self._upon_news(FUNCTIONS, _outline, self._function))
        seen.buckets.listen(self._upon_news(BUCKETS, _bucket_outline, self._bucket))
        for view in (seen.pods, *seen.made.values()):
            view.listen(self._part)
        seen.pools.listen(self._upon_news(NODE_POOLS, _outline, self._pool))
        seen.tally.listen(self._nodes)

    def _upon_news(
        self, kind: Kind, outline: Callable[[Manifest], Hashable], wake: Callable[[Manifest], None]
    ) -> Callable[[Event], None]:
        def listener(event: Event) -> None:
            key = (kind, key_of(event.manifest))
            now = None if event.change is Change.GONE else outline(event.manifest)
            if self._known.pop(key, None) != now:
                wake(event.manifest)
            if now is not None:
                self._known[key] = now

        return listener

    def _function(self, found: Manifest) -> None:
        self._wake(FUNCTIONS, key_of(found))
        self._wake_platform()

    def _bucket(self, found: Manifest) -> None:
        self._wake(BUCKETS, key_of(found))
        namespace, _ = key_of(found)
        if namespace in self._seen.namespaces:
            for function in self._seen.functions_naming(key_of(found)):
                self._wake(FUNCTIONS, function)
        if namespace != self._seen.platform_namespace:
            self._wake_platform()

    def _part(self, event: Event) -> None:
        function = labels_of(event.manifest).get(FUNCTION, "")
        if function:
            whose = Whose(FUNCTIONS, key_of(event.manifest)[0], function)
            self._turns.add(whose, after_seconds=TOGETHER_SECONDS)

    def _pool(self, found: Manifest) -> None:
        self._wake(NODE_POOLS, key_of(found))

    def _nodes(self, pool: str) -> None:
        self._turns.add(Whose(NODE_POOLS, "", pool), after_seconds=TOGETHER_SECONDS)

    def _wake_platform(self) -> None:
        """Its bucket tells of all functions and buckets."""
        for key in self._seen.buckets.items:
            if key[0] == self._seen.platform_namespace:
                self._wake(BUCKETS, key)

    def _wake(self, kind: Kind, key: Key) -> None:
        self._turns.add(Whose(kind, *key))


def _outline(found: Manifest) -> tuple[Hashable, ...]:
    """What of an object the controller acts upon."""
    metadata = found["metadata"]
    return uid_of(found), metadata.get("generation"), is_ending(found), tuple(finalizers(found))


def _bucket_outline(found: Manifest) -> tuple[Hashable, ...]:
    """With what others wait for: whether it is ready, whether it holds data."""
    status = found.get("status") or {}
    ready = [each.get("status") for each in status.get("conditions") or () if each.get("type") == READY]
    return *_outline(found), tuple(ready), bool(status.get("objects"))
