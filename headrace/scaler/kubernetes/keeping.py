"""What the scaler remembers, in a config map of the platform's namespace."""

import base64
import gzip
import logging
import zlib
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.naming import version_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import ChangedError, HeadraceError, NotFoundError, RejectedError
from headrace.scaler.memory import Remembered

KEY = "memory.json.gz"
# A config map's data may have a MiB; the memory of a thousand nodes takes some 20 KiB of it.
# https://kubernetes.io/docs/concepts/configuration/configmap/#motivation
MOST_BYTES = 1_000_000
MANAGER = f"{labels.HEADRACE}-scaler"

_log = logging.getLogger(__name__)


class MapKeeper:
    """See the scaler's port Keeper: what is kept is written by `write`, which its owner calls.

    A write is on condition that nobody else has written meanwhile: a leader that was late does not undo what
    the next one has learned.
    """

    def __init__(self, kube: Kube, namespace: str, remembered: Remembered, version: str = "") -> None:
        self._kube = kube
        self._namespace = namespace
        self._newest = remembered
        self._written = remembered
        self._version = version

    @classmethod
    async def load(cls, kube: Kube, namespace: str) -> "MapKeeper":
        """A keeper that knows what was written last. Raises HeadraceError."""
        found = await _found(kube, namespace)
        if found is None:
            return cls(kube, namespace, Remembered())
        return cls(kube, namespace, _remembered(found), version_of(found))

    def read(self) -> Remembered:
        """See the port."""
        return self._newest

    def keep(self, remembered: Remembered) -> None:
        """See the port."""
        self._newest = remembered

    async def write(self) -> None:
        """Write what is kept, if it changed; a fault is logged, and the next call tries again."""
        newest = self._newest
        if newest == self._written:
            return
        try:
            await self._write(newest)
        except HeadraceError as error:
            _log.warning("what was learned is not kept: %s", error, extra={"action": "scaler.keep_failed"})
        else:
            self._written = newest

    async def _write(self, newest: Remembered) -> None:
        try:
            written = await self._kube.apply(
                CONFIG_MAPS, _map(self._namespace, newest, self._version), manager=MANAGER
            )
        except ChangedError:
            # By our own write that was not confirmed, or by another leader: the fence says who may go on.
            found = await _found(self._kube, self._namespace)
            self._version = version_of(found) if found is not None else ""
            raise
        self._version = version_of(written)


def map_metadata(namespace: str, name: str) -> dict[str, Any]:
    """Of a config map that the scaler writes."""
    marks = {labels.PART_OF: labels.HEADRACE, labels.COMPONENT: "scaler"}
    return {"name": name, "namespace": namespace, "labels": marks}


async def _found(kube: Kube, namespace: str) -> Manifest | None:
    with suppress(NotFoundError):
        return await kube.get(CONFIG_MAPS, labels.SCALER_MEMORY, namespace=namespace)
    return None


def _map(namespace: str, remembered: Remembered, version: str) -> Manifest:
    """The config map; `version`: that of the one that it takes the place of. Raises RejectedError."""
    packed = base64.b64encode(gzip.compress(remembered.to_json(), mtime=0)).decode()
    if len(packed) > MOST_BYTES:
        raise RejectedError(
            f"{len(packed)} bytes are too many for config map {labels.SCALER_MEMORY}, "
            f"which holds {MOST_BYTES}"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **map_metadata(namespace, labels.SCALER_MEMORY),
            **({"resourceVersion": version} if version else {}),
        },
        "binaryData": {KEY: packed},
    }


def _remembered(found: Manifest) -> Remembered:
    """What a config map holds; nothing where it can't be read: it is learned anew then."""
    try:
        packed = base64.b64decode(found["binaryData"][KEY])
        return Remembered.from_json(gzip.decompress(packed))
    except (KeyError, ValueError, OSError, EOFError, zlib.error, ValidationError) as error:
        extra = {"action": "scaler.memory_unread"}
        _log.error("config map %s can't be read: %s", labels.SCALER_MEMORY, error, extra=extra)
        return Remembered()
