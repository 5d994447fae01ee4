"""Which slices to write, so that they say what servers have and which of them answer. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headrace.gpu.publisher.standing import Standing
from headrace.manifests.gpu_slices import Silence, resource_slice, slice_name
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import GPU_DRIVER
from headrace.model.quantity import parse_quantity
from headrace.model.status import moment
from headrace.placement.remoting import misfit

Manifest = Mapping[str, Any]

_PLACES = ("nodeSelector", "allNodes")  # of a slice, which the API server lets nobody change
_AMOUNTS = frozenset({"value", "default", "min", "max", "step"})  # which it spells in its own way


class Step(StrEnum):
    """What to do with a slice."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Action:
    """One write. A replacement is conditional on the version that it was decided from."""

    step: Step
    manifest: Manifest


def actions(
    servers: Iterable[GpuServer], standings: Mapping[str, Standing], slices: Iterable[Manifest]
) -> Sequence[Action]:
    """In the order of names. Servers that were not probed yet stay as they are."""
    found = {each["metadata"]["name"]: each for each in slices if each["spec"]["driver"] == GPU_DRIVER}
    known = {slice_name(each.name): each for each in sorted(servers, key=lambda each: each.name)}
    gone = [Action(Step.DELETE, found[name]) for name in sorted(found) if not _stays(known.get(name))]
    kept = (
        action
        for name, server in known.items()
        if _stays(server) and server.name in standings
        for action in _of_server(server, standings[server.name], found.get(name))
    )
    return [*gone, *kept]


def _stays(server: GpuServer | None) -> bool:
    """Whether a server is one that can serve at all."""
    return server is not None and not misfit(server)


def _of_server(server: GpuServer, standing: Standing, found: Manifest | None) -> Iterable[Action]:
    since = standing.silent_since
    silence = Silence(moment(since)) if since is not None else None
    if found is None:
        yield Action(Step.CREATE, resource_slice(server, generation=1, silence=silence))
        return
    generation = found["spec"]["pool"]["generation"] + 1
    wanted = resource_slice(server, generation=generation, silence=silence)
    if _meaning(found["spec"]) == _meaning(wanted["spec"]):
        return
    if any(found["spec"].get(each) != wanted["spec"].get(each) for each in _PLACES):
        yield Action(Step.DELETE, found)  # and made anew once it is gone
        return
    kept = {each: found["metadata"][each] for each in ("resourceVersion", "uid")}
    yield Action(Step.REPLACE, {**wanted, "metadata": {**wanted["metadata"], **kept}})


def _meaning(part: Any, name: str = "") -> Any:  # noqa: ANN401  (JSON has no narrower type)
    """A spec without its generation, with amounts as numbers and without the moment of a taint."""
    if isinstance(part, Mapping):
        left = part.keys() - {"generation", "timeAdded"}
        return {key: _meaning(part[key], key) for key in left}
    if isinstance(part, list):
        return [_meaning(each, name) for each in part]
    if name in _AMOUNTS or name == "validValues":
        return parse_quantity(str(part))
    return part
