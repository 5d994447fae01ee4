"""How nodes stand, by the register, by AWS and by their Node objects. Pure."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.kube.naming import labels_of
from headrace.kube.port import Manifest
from headrace.model import labels
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from headrace.nodes.cluster import is_stopping, sighting_of
from headrace.nodes.eks.group import Phase
from headrace.nodes.eks.register import Slot
from headrace.nodes.eks.steering import Seen, counted
from headrace.nodes.port import Power, Sighting


@dataclass(frozen=True, slots=True)
class Body:
    """The Node object of an instance, and the pods on it."""

    node: Manifest
    pods: Sequence[Manifest] = ()


def instance_of(node: Manifest) -> str:
    """The id of its instance, aws:///<zone>/<id>; empty: it is none of AWS.

    https://github.com/kubernetes/cloud-provider-aws
    """
    scheme, _, place = str(node.get("spec", {}).get("providerID") or "").partition("://")
    return place.rpartition("/")[2] if scheme == "aws" else ""


def hindrance(seen: Seen, *, now: float) -> HeadraceError | None:
    """Why no node can be started now; None: one can, as far as is known."""
    view, pause = seen.view, seen.register.pause
    if view.held:
        return TransientError(f"{view.held}; nodes are started again after that")
    if now < pause.until:
        at = time.strftime("%H:%M:%S UTC", time.gmtime(pause.until))
        return TransientError(f"AWS launches no instance, tried again at {at}: {pause.reason}")
    if counted(seen.register.slots, view) >= view.most:
        return ConfigurationError(
            f"the node group has its greatest size, {view.most}; raise its maxSize to the pool's maxNodes"
        )
    return None


def sightings(
    names: Iterable[str], seen: Seen, bodies: Mapping[str, Body], *, pool: str, now: float
) -> list[Sighting]:
    """One of each name, in their order; `bodies` by instance."""
    fault = hindrance(seen, now=now)
    found = []
    for name in sorted(names):
        slot = seen.register.slots.get(name)
        if slot is None:
            why = seen.lost.get(name) or (str(fault) if fault else "")
            found.append(Sighting(name, Power.OFF, certain=True, hindrance=why))
        else:
            found.append(_of_slot(name, slot, seen, bodies.get(slot.instance), pool))
    return found


def _of_slot(name: str, slot: Slot, seen: Seen, body: Body | None, pool: str) -> Sighting:
    if slot.ending is not None:
        return Sighting(name, Power.STOPPING)
    if not slot.instance:
        return Sighting(name, Power.STARTING)
    instance = seen.view.instances.get(slot.instance)
    if instance is None or instance.phase is Phase.ASIDE:
        return Sighting(name, Power.UNKNOWN)
    if instance.phase is Phase.ENDING:
        return Sighting(name, Power.STOPPING)
    # What nothing protects yet takes no workers: its group may still choose it when it shrinks.
    if not instance.is_safe:
        stops = body is not None and is_stopping(body.node)
        return Sighting(name, Power.STOPPING if stops else Power.STARTING)
    return _of_body(name, body, pool) if body is not None else Sighting(name, Power.STARTING)


def _of_body(name: str, body: Body, pool: str) -> Sighting:
    marks = labels_of(body.node)
    seen = replace(sighting_of(body.node, body.pods), name=name)
    if marks.get(labels.POOL) != pool:
        return Sighting(name, Power.STOPPING if seen.power is Power.STOPPING else Power.UNKNOWN)
    if seen.joined and marks.get(labels.NODE) != name:
        return Sighting(name, Power.STARTING, address=seen.address)
    return seen
