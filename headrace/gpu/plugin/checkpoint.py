"""What this node has prepared, in one file that is replaced in one step: a plugin that was killed goes on.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/ asks for calls that may
be repeated; the sessions of a claim must also be known when its object is gone.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from headrace.files.whole import write_private
from headrace.gpu.plugin.plan import Preparation
from headrace.model.errors import FatalError
from headrace.model.value import StoredValue


class _Kept(StoredValue):
    preparations: dict[str, Preparation] = Field(default_factory=dict)


class Checkpoint:
    """By uid of claims. Raises FatalError for a file that is no checkpoint: sessions would be lost unseen."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept = _read(file)

    @property
    def preparations(self) -> Mapping[str, Preparation]:
        """All of them."""
        return self._kept

    async def put(self, preparation: Preparation) -> None:
        """Keep it; it is on disk when this returns. Raises OSError."""
        self._write({**self._kept, preparation.uid: preparation})

    async def remove(self, uid: str) -> None:
        """Forget it; it is gone from disk when this returns. Raises OSError."""
        if uid in self._kept:
            self._write({known: each for known, each in self._kept.items() if known != uid})

    def _write(self, kept: Mapping[str, Preparation]) -> None:
        """Short enough for the event loop: a node has some dozens of claims."""
        write_private(self._file, _Kept(preparations=dict(kept)).to_json())
        self._kept = kept


def _read(file: Path) -> Mapping[str, Preparation]:
    try:
        return _Kept.from_json(file.read_bytes()).preparations
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise FatalError(
            f"the checkpoint {file} can't be read ({error}); drain the node's pods with GPUs of servers, "
            "remove the file, and start the plugin again"
        ) from error
