"""Kubeconfig files: everything inside, so that one can be handed to a pod or another machine."""

import base64
from pathlib import Path
from typing import Any

import yaml

from tests.toolchain.cluster.certificates import Pair, write_key


def document(server: str, authority: bytes, pair: Pair, user: str) -> dict[str, Any]:
    """The file's content; `server` is the API server's address, `authority` its PEM."""
    cluster = {"server": server, "certificate-authority-data": _text(authority)}
    credentials = {"client-certificate-data": _text(pair.certificate), "client-key-data": _text(pair.key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "box", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "box", "context": {"cluster": "box", "user": user}}],
        "current-context": "box",
    }


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_key(path, yaml.safe_dump(content).encode())


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
