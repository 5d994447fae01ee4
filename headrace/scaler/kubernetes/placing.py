"""Which worker pods to create and which to delete, so that there are as many as wanted. Pure.

Everything is absolute: names are the lowest free ordinals of a function's digest, so that two scalers at once
want the same pods, and a pod is deleted by its uid, so that nobody's successor is hit.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from headrace.model.labels import short_digest
from headrace.model.resources import ResourceList
from headrace.placement.ways import NO_GPU, Way
from headrace.scaler.kubernetes.pods import WorkerPod

Free = Callable[[str], ResourceList]  # node -> what pods may still take of it
Held = Callable[[WorkerPod], int]  # tasks in a worker's hands


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
    node: str
    abrupt: bool = False


@dataclass(frozen=True, slots=True)
class Actions:
    """What to do, in the order of functions and names."""

    births: Sequence[Birth] = ()
    farewells: Sequence[Farewell] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """Workers of one function: the digest that they are to have, how many on each node, what each needs.

    `way` is how they come to GPUs; those that go another end as those of another digest do. `held_up`: none
    is started now, as those before could not start.
    """

    digest: str
    on: Mapping[str, int]
    request: ResourceList
    held_up: bool = False
    way: Way = NO_GPU


def actions(
    pods: Sequence[WorkerPod], wishes: Mapping[str, Wish], *, nodes: Collection[str], held: Held, free: Free
) -> Actions:
    """What makes the pods as wished; `nodes` are those that exist. Pods of other functions leave.

    A pod is born only where there is room for it by now: one that leaves has its room until it is gone.
    """
    by_function: dict[str, list[WorkerPod]] = defaultdict(list)
    for pod in pods:
        by_function[pod.function].append(pod)
    rooms = _Rooms(free)
    births: list[Birth] = []
    farewells: list[Farewell] = []
    for function in sorted({*by_function, *wishes}):
        own, wish = by_function[function], wishes.get(function)
        leaving = _leaving(own, wish, nodes, held)
        farewells += sorted(leaving.values(), key=lambda each: each.name)
        if wish is not None and not wish.held_up:
            births += _births(function, wish, own, leaving, rooms)
    return Actions(tuple(births), tuple(farewells))


class _Rooms:
    """What is left of each node as pods are born; a node is looked at only when one is to be."""

    def __init__(self, free: Free) -> None:
        self._free = free
        self._left: dict[str, ResourceList] = {}

    def take(self, node: str, request: ResourceList) -> bool:
        """Whether there is room for one more, which then is taken."""
        left = self._left[node] if node in self._left else self._free(node)
        fits = request.fits(left)
        self._left[node] = left.minus(request) if fits else left
        return fits


def _leaving(
    pods: Sequence[WorkerPod], wish: Wish | None, nodes: Collection[str], held: Held
) -> Mapping[str, Farewell]:
    """By uid. One whose node is gone goes whatever was ordered of it before."""
    found: dict[str, Farewell] = {}
    living: list[WorkerPod] = []
    for pod in pods:
        if pod.out_of_reach:
            continue  # nobody may end it, and it may be wanted
        if pod.node and pod.node not in nodes:
            found[pod.uid] = Farewell(pod.name, pod.uid, pod.node, abrupt=True)
        elif not pod.leaving and not pod.ended and _is_of(pod, wish):
            living.append(pod)
        elif not pod.leaving:
            found[pod.uid] = Farewell(pod.name, pod.uid, pod.node)
    surplus = _surplus(living, wish, held) if wish is not None else ()
    return found | {pod.uid: Farewell(pod.name, pod.uid, pod.node) for pod in surplus}


def _is_of(pod: WorkerPod, wish: Wish | None) -> bool:
    return wish is not None and is_current(pod, wish.digest, wish.way)


def is_current(pod: WorkerPod, digest: str, way: Way) -> bool:
    """Whether a pod is as one would be made now."""
    return not pod.lost and (pod.digest, pod.way) == (short_digest(digest), way.mark)


def _surplus(pods: Iterable[WorkerPod], wish: Wish, held: Held) -> Iterator[WorkerPod]:
    """Beyond what is wished on a node: those that hold least, of these the highest ordinals."""
    by_node: dict[str, list[WorkerPod]] = defaultdict(list)
    for pod in pods:
        by_node[pod.node].append(pod)
    for node, there in by_node.items():
        number = len(there) - wish.on.get(node, 0)
        if number > 0:
            yield from sorted(there, key=lambda pod: (held(pod), -pod.ordinal))[:number]


def _births(
    function: str, wish: Wish, own: Sequence[WorkerPod], leaving: Collection[str], rooms: _Rooms
) -> Iterator[Birth]:
    """An ordinal is free once its pod is gone: till then nobody else can bear the name."""
    current = [pod for pod in own if _is_of(pod, wish)]
    staying = Counter(pod.node for pod in current if not (pod.leaving or pod.ended or pod.uid in leaving))
    taken = {pod.ordinal for pod in own if pod.digest == short_digest(wish.digest)}
    free = (number for number in count() if number not in taken)
    for node in sorted(wish.on):
        for _ in range(wish.on[node] - staying[node]):
            if not rooms.take(node, wish.request):
                break
            yield Birth(function, next(free), node)
