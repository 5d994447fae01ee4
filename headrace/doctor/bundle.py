"""A support bundle: findings, versions, settings without secrets, the ends of logs, in one .tar.gz.

No secret of the settings is in it, wherever it stood. What is in objects of a cluster is not, but for what
findings tell.
"""

import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.doctor.checkup import Patient
from headrace.doctor.finding import Finding
from headrace.local.state import StateDirectory
from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings

TAIL_BYTES = 200_000  # of each log
HIDDEN = "(secret)"
_LOGS = ("logs/*.log", "nats/nats.log", "seaweedfs/seaweedfs.log", "seaweedfs/logs/*")
_SECRET_NAMES = ("secret", "password", "token", "key")


def write_bundle(path: Path, patient: Patient, findings: Sequence[Finding]) -> None:
    """Write it, mode 0600; a file that is there is left as it is. Raises ConfigurationError."""
    secrets = patient.settings.secrets if patient.settings else ()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, body in _entries(patient, findings):
                _add(archive, name, redacted(body, secrets))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written ({error.strerror}); name another file") from error


def _entries(patient: Patient, findings: Sequence[Finding]) -> Iterator[tuple[str, bytes]]:
    told = [
        {"code": f.code, "group": f.group, "severity": f.severity, "found": f.found, "remedy": f.remedy}
        for f in findings
    ]
    yield "findings.json", _json(told)
    versions = {
        "headrace": patient.client,
        "python": platform.python_version(),
        "system": platform.platform(),
        "target": "cluster" if patient.ground.is_cluster else "machine",
    }
    yield "versions.json", _json(versions)
    if patient.settings is not None:
        yield "settings.json", _json(without_secrets(patient.settings))
    yield from _logs(StateDirectory(Path(patient.ground.state)))


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()


def without_secrets(settings: Settings) -> Any:  # noqa: ANN401  (JSON)
    """The settings document; what is named like a secret is hidden, whatever it holds."""
    return _hidden(json.loads(settings.to_json()))


def _hidden(value: Any) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(value, Mapping):
        return {name: HIDDEN if _is_secret(name, each) else _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list) else value


def _is_secret(name: str, value: object) -> bool:
    """By its name; where a secret lies is none."""
    place = name.endswith(("Directory", "File", "Secret"))
    named = any(word in name.lower() for word in _SECRET_NAMES)
    return isinstance(value, str) and bool(value) and named and not place


def _logs(state: StateDirectory) -> Iterator[tuple[str, bytes]]:
    for pattern in _LOGS:
        for path in sorted(state.path.glob(pattern)):
            if path.is_file() and not path.is_symlink():
                yield f"logs/{path.relative_to(state.path).as_posix()}", tail(path)


def tail(path: Path) -> bytes:
    """The end of a file; of one that can't be read, why."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read()
    except OSError as error:
        return f"can't be read: {error.strerror}\n".encode()


def redacted(body: bytes, secrets: Iterable[str]) -> bytes:
    """The text with every secret hidden; the longest first, as one may be in another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        body = body.replace(secret.encode(), HIDDEN.encode())
    return body


def _add(archive: tarfile.TarFile, name: str, body: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(body), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(body))
