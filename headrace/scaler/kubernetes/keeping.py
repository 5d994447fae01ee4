"""What the scaler remembers, in a config map of the platform's namespace."""

import asyncio
import base64
import gzip
import logging
import zlib

from pydantic import ValidationError

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import HeadraceError, NotFoundError
from headrace.scaler.memory import Remembered

NAME = "headrace-scaler-memory"
KEY = "memory.json.gz"
MANAGER = f"{labels.HEADRACE}-scaler"

_log = logging.getLogger(__name__)


class MapKeeper:
    """See the scaler's port Keeper: what is kept is written by `write`, which its owner calls."""

    def __init__(self, kube: Kube, namespace: str, remembered: Remembered) -> None:
        self._kube = kube
        self._namespace = namespace
        self._newest = remembered
        self._written = remembered
        self._writing = asyncio.Lock()

    @classmethod
    async def load(cls, kube: Kube, namespace: str) -> "MapKeeper":
        """A keeper that knows what was written last. Raises TransientError."""
        try:
            found = await kube.get(CONFIG_MAPS, NAME, namespace=namespace)
        except NotFoundError:
            return cls(kube, namespace, Remembered())
        return cls(kube, namespace, _remembered(found))

    def read(self) -> Remembered:
        """See the port."""
        return self._newest

    def keep(self, remembered: Remembered) -> None:
        """See the port."""
        self._newest = remembered

    async def write(self) -> None:
        """Write what is kept, if it changed; a fault is logged, and the next call tries again."""
        async with self._writing:
            newest = self._newest
            if newest == self._written:
                return
            try:
                await self._kube.apply(CONFIG_MAPS, _map(self._namespace, newest), manager=MANAGER)
            except HeadraceError as error:
                _log.warning(
                    "what was learned is not kept: %s", error, extra={"action": "scaler.keep_failed"}
                )
            else:
                self._written = newest


def _map(namespace: str, remembered: Remembered) -> Manifest:
    # Thousands of nodes are some hundred KiB of JSON, and a config map holds a MiB.
    packed = gzip.compress(remembered.to_json(), mtime=0)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {labels.PART_OF: labels.HEADRACE, labels.COMPONENT: "scaler"},
        },
        "binaryData": {KEY: base64.b64encode(packed).decode()},
    }


def _remembered(found: Manifest) -> Remembered:
    """What a config map holds; nothing where it can't be read: it is learned anew then."""
    try:
        packed = base64.b64decode(found["binaryData"][KEY])
        return Remembered.from_json(gzip.decompress(packed))
    except (KeyError, ValueError, OSError, EOFError, zlib.error, ValidationError) as error:
        _log.error("config map %s can't be read: %s", NAME, error, extra={"action": "scaler.memory_unread"})
        return Remembered()
