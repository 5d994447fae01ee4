"""What is free of a node by now, whoever has the rest."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from headrace.kube.mirror import Mirror
from headrace.kube.port import Manifest
from headrace.model.resources import NOTHING, ResourceList, total
from headrace.nodes.cluster import by_node, sighting_of
from headrace.scaler.kubernetes.pods import WorkerPod


def free_rooms(nodes: Mirror, pods: Mirror, workers: Sequence[WorkerPod]) -> Callable[[str], ResourceList]:
    """By a node's name; nothing of one that is not ready. It is looked up when it is asked for.

    Workers count from the moment that they are created, leaving ones until they are gone.
    """

    @cache
    def others() -> Mapping[str, Sequence[Manifest]]:
        return by_node(pods)

    @cache
    def own() -> Mapping[str, Sequence[ResourceList]]:
        found: dict[str, list[ResourceList]] = defaultdict(list)
        for worker in workers:
            if not worker.ended:
                found[worker.node].append(worker.request)
        return found

    def free(name: str) -> ResourceList:
        node = nodes.get(name)
        if node is None:
            return NOTHING
        room = sighting_of(node, others().get(name, ())).allocatable
        return room.minus(total(own().get(name, ())))

    return free
