"""What each backend of remote GPUs really gives: facts that choices are made from, before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.model.function import Isolation
from headrace.model.gpu_server import Backend, GpuServer

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """`cuda`: the oldest and newest version that it is known to serve; None: any."""

    isolation: Isolation
    default_port: int
    cuda: tuple[Version, Version] | None = None


FACTS: Mapping[Backend, Facts] = {
    # No quota: a grant of memory is a figure in the books. 9.0 is documented for v20.07, and 10.0 was built
    # by users; of 11 and later nothing is known.
    Backend.RCUDA: Facts(Isolation.NONE, 8308, ((8, 0), (10, 2))),
    # A process a connection, and so a CUDA context each, but no quota.
    Backend.LUPINE: Facts(Isolation.NONE, 14833, ((11, 8), (13, 3))),
    Backend.STUB: Facts(Isolation.MEMORY, 9393),
}

_RANK = {Isolation.NONE: 0, Isolation.MEMORY: 1, Isolation.FULL: 2}


def isolates(given: Isolation, wanted: Isolation) -> bool:
    """Whether what is given is at least what is wanted."""
    return _RANK[given] >= _RANK[wanted]


def misfit(server: GpuServer) -> str:
    """Why its backend can't serve its GPUs, for people, its name before it; empty: it can."""
    if server.spec.backend is Backend.LUPINE and len(server.spec.devices) > 1:
        return (
            f"has {len(server.spec.devices)} devices, allowed 1 with backend lupine, whose clients see every "
            "GPU of a server"
        )
    bounds = FACTS[server.spec.backend].cuda
    for number, device in enumerate(server.spec.devices if bounds else ()):
        if device.cuda_version is not None and bounds is not None:
            least, most = bounds
            if not least <= version_of(device.cuda_version) <= most:
                return (
                    f"says CUDA {device.cuda_version} on device {number}, allowed {_spelt(least)} to "
                    f"{_spelt(most)} with backend {server.spec.backend}"
                )
    return ""


def version_of(text: str) -> Version:
    """A CUDA version, its minor 0 where nothing is said."""
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _spelt(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
