"""What a container may take of its node: without a limit it may take all."""

from collections.abc import Iterator

from .kubernetes import Container, Pod, pods
from .tree import Node
from .values import Fault, Resource, Rule, Surroundings


def _unlimited(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for pod in pods(resource):
        if pod.is_patch:
            continue
        for container in pod.containers():
            if not container.is_ephemeral:
                yield from _missing(pod, container)


def _missing(pod: Pod, container: Container) -> Iterator[Fault]:
    """A limit stands for a missing request, and a pod's own amounts for those of its containers."""
    places = [container.body.at("resources"), pod.spec.at("resources")]
    if not any(_is_there(place.at("limits", "memory")) for place in places):
        yield Fault(
            container.where, "no memory limit", "one", "write resources.limits.memory: what it needs at most"
        )
    cpu = [place.at(part, "cpu") for place in places for part in ("requests", "limits")]
    if not any(_is_there(each) for each in cpu):
        yield Fault(container.where, "no cpu request", "one", "write resources.requests.cpu: what it needs")


def _is_there(node: Node) -> bool:
    return not node.is_absent


LIMITS = Rule(
    "pod-limits",
    "A container says what it needs, and what memory it may take at most",
    "pods",
    "a container without `limits.memory` or without `requests.cpu`, init containers too",
    each=_unlimited,
)
