"""Which worker pods to create and which to delete, so that there are as many as wanted. Pure.

Everything is absolute: names are the lowest free ordinals of a function's digest, so that two scalers at once
want the same pods, and a pod is deleted by its uid, so that nobody's successor is hit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.model.labels import short_digest
from headrace.model.observation import Standing
from headrace.scaler.kubernetes.pods import WorkerPod


@dataclass(frozen=True, slots=True)
class Birth:
    """A pod to create."""

    function: str
    ordinal: int
    node: str


@dataclass(frozen=True, slots=True)
class Farewell:
    """A pod to delete. `abrupt`: there is nobody who would let it end, as its node is gone."""

    name: str
    uid: str
    abrupt: bool = False


@dataclass(frozen=True, slots=True)
class Actions:
    """What to do, in the order of names."""

    births: Sequence[Birth] = ()
    farewells: Sequence[Farewell] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """Workers of one function: the digest that they are to have, how many on each node.

    `held_up`: none is started now, as those before could not start.
    """

    digest: str
    on: Mapping[str, int]
    held_up: bool = False


def actions(
    pods: Sequence[WorkerPod],
    wishes: Mapping[str, Wish],
    *,
    nodes: Collection[str],
    standings: Mapping[str, Standing],
) -> Actions:
    """What makes the pods as wished; `nodes` are those that exist. Pods of other functions leave."""
    by_function: dict[str, list[WorkerPod]] = defaultdict(list)
    for pod in pods:
        by_function[pod.function].append(pod)
    births: list[Birth] = []
    farewells: list[Farewell] = []
    for function in sorted({*by_function, *wishes}):
        own, wish = by_function[function], wishes.get(function, Wish("", {}))
        going = {
            pod.uid: Farewell(pod.name, pod.uid, abrupt=pod.node not in nodes) for pod in _done(own, nodes)
        }
        current = [pod for pod in own if _stays(pod, wish) and pod.uid not in going]
        surplus = [*_of_other_digests(own, wish), *_surplus(current, wish, standings)]
        going |= {pod.uid: Farewell(pod.name, pod.uid) for pod in surplus if pod.uid not in going}
        staying = [pod for pod in current if pod.uid not in going]
        births += _births(function, wish, own, staying)
        farewells += sorted(going.values(), key=lambda each: each.name)
    return Actions(tuple(births), tuple(farewells))


def _done(pods: Sequence[WorkerPod], nodes: Collection[str]) -> Iterator[WorkerPod]:
    """Pods that have ended, and those whose node is gone, whatever was ordered of them before."""
    for pod in pods:
        if (pod.ended and not pod.leaving) or (pod.node and pod.node not in nodes):
            yield pod


def _stays(pod: WorkerPod, wish: Wish) -> bool:
    return not pod.leaving and not pod.ended and pod.digest == short_digest(wish.digest)


def _of_other_digests(pods: Sequence[WorkerPod], wish: Wish) -> Iterator[WorkerPod]:
    for pod in pods:
        if not pod.leaving and not pod.ended and pod.digest != short_digest(wish.digest):
            yield pod


def _surplus(pods: Sequence[WorkerPod], wish: Wish, standings: Mapping[str, Standing]) -> Iterator[WorkerPod]:
    """Beyond what is wished on a node: those that hold least, of these the highest ordinals."""
    by_node: dict[str, list[WorkerPod]] = defaultdict(list)
    for pod in pods:
        by_node[pod.node].append(pod)
    for node, there in by_node.items():
        number = len(there) - wish.on.get(node, 0)
        if number > 0:
            yield from sorted(there, key=lambda pod: (_held(pod, standings), -pod.ordinal))[:number]


def _held(pod: WorkerPod, standings: Mapping[str, Standing]) -> int:
    """Tasks in its hands; none for a worker that has not told yet."""
    return standings[pod.name].held if pod.name in standings else 0


def _births(
    function: str, wish: Wish, own: Sequence[WorkerPod], staying: Sequence[WorkerPod]
) -> Iterator[Birth]:
    if wish.held_up:
        return
    there: dict[str, int] = defaultdict(int)
    for pod in staying:
        there[pod.node] += 1
    taken = {pod.ordinal for pod in own if pod.digest == short_digest(wish.digest)}
    free = (number for number in range(10**6) if number not in taken)
    for node in sorted(wish.on):
        for _ in range(wish.on[node] - there[node]):
            yield Birth(function, next(free), node)
