"""Container images of single files, made without any engine: OCI archives that `ctr images import` takes.

https://github.com/opencontainers/image-spec
"""

import hashlib
import io
import json
import platform
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.toolchain.running import output_of

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Image:
    """`name` is the full reference; `files` and `links` by their path in the image, no slash before it."""

    name: str
    files: Mapping[str, bytes]
    command: Sequence[str]
    links: Mapping[str, str]
    machine: str

    @classmethod
    def of_programs(cls, name: str, command: Sequence[str], *programs: Path) -> "Image":
        """Programs of this machine in /bin, with the libraries that they load; no shell is added.

        Raises ToolchainError for one that can't be read.
        """
        files: dict[str, bytes] = {}
        for program in programs:
            files[f"bin/{program.name}"] = program.read_bytes()
            files |= {str(path).lstrip("/"): path.read_bytes() for path in libraries(program)}
        return cls(name, files, command, {}, platform.machine())

    def write(self, archive: Path) -> None:
        """The same bytes for the same image."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        layer = _tar(self.files, self.links)
        config = json.dumps(self._config(layer)).encode()
        manifest = json.dumps(_manifest(config, layer)).encode()
        index = json.dumps(_index(self.name, manifest)).encode()
        blobs = {f"blobs/sha256/{_sha(blob)}": blob for blob in (layer, config, manifest)}
        layout = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **blobs}
        archive.write_bytes(_tar(layout, {}))

    def _config(self, layer: bytes) -> dict[str, Any]:
        return {
            "architecture": ARCHITECTURES[self.machine],
            "os": "linux",
            "config": {"Cmd": list(self.command), "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha(layer)}"]},
        }


def libraries(program: Path) -> list[Path]:
    """What the loader would load for it, by their paths on this machine; nothing for a static one."""
    told = output_of(["ldd", str(program)], codes=(0, 1))  # 1: it is static
    return loaded(told)


def loaded(told: str) -> list[Path]:
    """The files in what ldd prints."""
    return [Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+) \(", told, re.MULTILINE)]


def _manifest(config: bytes, layer: bytes) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _descriptor("config.v1+json", config),
        "layers": [_descriptor("layer.v1.tar", layer)],
    }


def _index(name: str, manifest: bytes) -> dict[str, Any]:
    named = {"annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}}
    return {"schemaVersion": 2, "manifests": [_descriptor("manifest.v1+json", manifest) | named]}


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{_sha(blob)}", "size": len(blob)}


def _tar(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """In order of names; of nobody's time and owner."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted({*files, *links}):
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if name in links:
                entry.type, entry.linkname = tarfile.SYMTYPE, links[name]
                tar.addfile(entry)
            else:
                entry.size = len(files[name])
                tar.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def _sha(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
