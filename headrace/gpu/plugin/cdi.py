"""Specifications of the Container Device Interface: what containers of a claim get. One file a claim.

https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from headrace.files.whole import write_whole
from headrace.gpu.backends.port import Injection
from headrace.model.labels import GPU_DRIVER

VERSION = "0.6.0"  # containerd 1.7 and later read it
KIND = f"{GPU_DRIVER}/claim"
_PREFIX, _SUFFIX = f"{GPU_DRIVER}-claim_", ".json"
_READABLE = 0o644  # by the container runtime, whoever runs it; it holds no secret


def device_name(uid: str, request: str) -> str:
    """The name of what containers get that use one request of a claim."""
    return f"{uid}-{request}"


def device_id(uid: str, request: str) -> str:
    """The same as the kubelet hands it to the container runtime."""
    return f"{KIND}={device_name(uid, request)}"


def specification(uid: str, requests: Sequence[str], injection: Injection) -> Mapping[str, Any]:
    """The same for each request: a container that uses several is given the same twice, which is once."""
    edits = {
        "env": [f"{name}={value}" for name, value in sorted(injection.environment.items())],
        "mounts": [
            {"hostPath": each.host_path, "containerPath": each.container_path, "options": ["ro", "rbind"]}
            for each in injection.mounts
        ],
    }
    devices = [{"name": device_name(uid, request), "containerEdits": edits} for request in requests]
    return {"cdiVersion": VERSION, "kind": KIND, "devices": devices}


class CdiFolder:
    """The folder that the container runtime reads, like /var/run/cdi."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, uid: str, requests: Sequence[str], injection: Injection) -> None:
        """Lay out what a claim's containers get. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = orjson.dumps(specification(uid, requests, injection), option=orjson.OPT_INDENT_2)
        write_whole(self._file(uid), content, mode=_READABLE)

    async def remove(self, uid: str) -> None:
        """Quiet where it is not there."""
        self._file(uid).unlink(missing_ok=True)

    def sweep(self, known: Collection[str]) -> Sequence[str]:
        """Remove those of other claims than these; their uids."""
        found = [
            file.name[len(_PREFIX) : -len(_SUFFIX)] for file in self._folder.glob(f"{_PREFIX}*{_SUFFIX}")
        ]
        strange = sorted(set(found) - set(known))
        for uid in strange:
            self._file(uid).unlink(missing_ok=True)
        return strange

    def _file(self, uid: str) -> Path:
        return self._folder / f"{_PREFIX}{uid}{_SUFFIX}"
