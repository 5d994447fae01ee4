"""What Kubernetes' dynamic resource allocation is told of GPU servers, and what it tells of them. Pure.

A server is one pool of one slice, as it has at most 64 GPUs. A GPU may be allocated several times: what is
taken of it is memory, and one session each time.
https://kubernetes.io/docs/reference/kubernetes-api/resource/resource-slice-v1/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.model.function import Isolation
from headrace.model.gpu_server import Device, GpuServer
from headrace.model.labels import GPU_DRIVER, HEADRACE, MANAGED_BY, PART_OF, SILENT
from headrace.model.quantity import parse_bytes, parse_quantity
from headrace.placement.remoting import FACTS, isolates, version_of

Manifest = Mapping[str, Any]

API = "resource.k8s.io/v1"
MEBI = 2**20  # memory is granted in whole ones
ZONES = ("topology.kubernetes.io/zone", "zone")  # labels that tell a server's zone, the first one first
MEMORY, SESSIONS = "memory", "sessions"


@dataclass(frozen=True, slots=True)
class Silence:
    """A server does not answer, since when (RFC 3339, in UTC)."""

    since: str


def slice_name(server: str) -> str:
    """Of the ResourceSlice of a server."""
    return f"{HEADRACE}-{server}"


def device_name(number: int) -> str:
    """Of a server's GPU."""
    return f"gpu-{number}"


def device_number(name: str) -> int:
    """The number of the GPU that a device is. Raises ValueError for a name that is none of ours."""
    return int(name.removeprefix("gpu-"))


def resource_slice(server: GpuServer, *, generation: int, silence: Silence | None = None) -> Manifest:
    """The pool of a server."""
    selector = server.spec.node_selector
    return {
        "apiVersion": API,
        "kind": "ResourceSlice",
        "metadata": {
            "name": slice_name(server.name),
            "labels": {PART_OF: HEADRACE, MANAGED_BY: f"{HEADRACE}-publisher"},
        },
        "spec": {
            "driver": GPU_DRIVER,
            "pool": {"name": server.name, "generation": generation, "resourceSliceCount": 1},
            **({"nodeSelector": _terms(selector)} if selector else {"allNodes": True}),
            "devices": _devices(server, silence),
        },
    }


def _terms(selector: Mapping[str, str]) -> Manifest:
    wanted = [{"key": key, "operator": "In", "values": [selector[key]]} for key in sorted(selector)]
    return {"nodeSelectorTerms": [{"matchExpressions": wanted}]}


def _devices(server: GpuServer, silence: Silence | None) -> list[Manifest]:
    """Its GPUs; one for which no session is left is none that anybody could take."""
    taint = {"key": SILENT, "effect": "NoSchedule"}
    taints = {"taints": [{**taint, "timeAdded": silence.since}]} if silence else {}
    shares = sessions_by_gpu(server)
    return [
        {
            "name": device_name(number),
            "allowMultipleAllocations": True,
            "attributes": _attributes(server, number, device),
            "capacity": _capacity(device, shares[number]),
            **taints,
        }
        for number, device in enumerate(server.spec.devices)
        if shares[number]
    ]


def sessions_by_gpu(server: GpuServer) -> Sequence[int]:
    """The server's sessions, shared out to its GPUs: a limit of several GPUs together can't be told."""
    number = len(server.spec.devices)
    each, more = divmod(server.spec.max_sessions, number)
    return [each + (place < more) for place in range(number)]


def _attributes(server: GpuServer, number: int, device: Device) -> Manifest:
    isolation = FACTS[server.spec.backend].isolation
    texts = {
        "id": f"{server.name}-{number}",
        "model": device.model,
        "backend": server.spec.backend.value,
        "isolation": isolation.value,
        **({"zone": zone} if (zone := zone_of(server)) else {}),
    }
    found: dict[str, Any] = {name: {"string": text} for name, text in texts.items()}
    found["isolatesMemory"] = {"bool": isolates(isolation, Isolation.MEMORY)}
    if device.cuda_version is not None:
        major, minor = version_of(device.cuda_version)
        found["cudaVersion"] = {"version": f"{major}.{minor}.0"}
    return found


def zone_of(server: GpuServer) -> str:
    """Where a server is, by its own labels or by those of the nodes that reach it; empty: nobody has said."""
    told = (*(server.metadata.labels or {}).items(), *server.spec.node_selector.items())
    return next((text for zone in ZONES for key, text in told if key == zone), "")


def _capacity(device: Device, sessions: int) -> Manifest:
    """Who asks for no memory gets all of it, and so the whole GPU."""
    memory = f"{parse_bytes(device.memory) // MEBI}Mi"
    grains = {"min": "1Mi", "step": "1Mi"}
    return {
        MEMORY: {"value": memory, "requestPolicy": {"default": memory, "validRange": grains}},
        SESSIONS: {"value": str(sessions), "requestPolicy": {"default": "1", "validValues": ["1"]}},
    }


# What Kubernetes tells


@dataclass(frozen=True, slots=True)
class Published:
    """One GPU as a slice tells it; amounts in bytes and sessions. `silent`: it is tainted."""

    server: str
    number: int
    memory_bytes: int
    sessions: int
    backend: str = ""
    model: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What an allocated claim holds of one GPU, by which of its requests."""

    server: str
    number: int
    memory_bytes: int
    share: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """An allocated claim: what it holds, and the pods that it is for."""

    namespace: str
    name: str
    uid: str
    grants: tuple[Grant, ...]
    pods: tuple[str, ...] = field(default=())

    @property
    def told(self) -> str:
        """As people name it."""
        return f"claim {self.namespace}/{self.name}"


def published_in(slices: Iterable[Manifest]) -> tuple[Published, ...]:
    """The GPUs of all our slices, in the order of servers and numbers."""
    found = [gpu for each in slices if each["spec"]["driver"] == GPU_DRIVER for gpu in _published(each)]
    return tuple(sorted(found, key=lambda gpu: (gpu.server, gpu.number)))


def _published(found: Manifest) -> Iterator[Published]:
    server = found["spec"]["pool"]["name"]
    for device in found["spec"].get("devices") or ():
        attributes, capacity = device.get("attributes", {}), device.get("capacity", {})
        yield Published(
            server,
            device_number(device["name"]),
            parse_bytes(capacity[MEMORY]["value"]),
            int(parse_quantity(capacity[SESSIONS]["value"])),
            attributes.get("backend", {}).get("string", ""),
            attributes.get("model", {}).get("string", ""),
            silent=any(taint["key"] == SILENT for taint in device.get("taints") or ()),
        )


def held_in(claims: Iterable[Manifest]) -> tuple[Held, ...]:
    """The claims that hold GPUs of ours."""
    return tuple(held for claim in claims if (held := held_by(claim)) is not None)


def held_by(claim: Manifest) -> Held | None:
    """What a claim holds; None: nothing of ours."""
    status, metadata = claim.get("status") or {}, claim["metadata"]
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    grants = tuple(_grant(each) for each in results if each["driver"] == GPU_DRIVER)
    if not grants:
        return None
    pods = tuple(each["name"] for each in status.get("reservedFor") or () if each.get("resource") == "pods")
    return Held(metadata["namespace"], metadata["name"], metadata["uid"], grants, pods)


def _grant(result: Manifest) -> Grant:
    taken = (result.get("consumedCapacity") or {}).get(MEMORY, "0")
    number, share = device_number(result["device"]), result.get("shareID") or ""
    return Grant(result["pool"], number, parse_bytes(taken), share, result["request"])
