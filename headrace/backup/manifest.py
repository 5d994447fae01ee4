"""What a backup consists of: the one document that makes it whole, and is written last."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError

from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.value import StoredValue

FORMAT: Literal[1] = 1


class Part(StoredValue):
    """A list of at most some thousand lines, kept as content of its own."""

    sha256: str
    size: int  # bytes
    lines: int


class BucketState(StoredValue):
    """A bucket by the store's name. `made`: the platform made it, and so may delete it."""

    name: str
    objects: int
    size: int  # bytes
    made: bool
    parts: tuple[Part, ...]


class QueueState(StoredValue):
    """What waited of a function, the oldest first: its tasks have no record in this backup."""

    function: str
    paused: bool
    tasks: int
    parts: tuple[Part, ...]


class Manifest(StoredValue):
    """A backup. `began` and `ended` in seconds since the epoch; `version` of Headrace.

    `buckets` maps logical to real names, where they differ. `platform` describes the platform bucket.
    `functions` are Function documents as the model writes them, `objects` those of Kubernetes. `owners` are
    the tenants whose functions they are, one for each; none: all are the stack's own.
    """

    format: Literal[1] = FORMAT
    version: str
    began: float
    ended: float
    buckets: Mapping[str, str]
    functions: tuple[Mapping[str, Any], ...]
    objects: tuple[Mapping[str, Any], ...]
    owners: tuple[str, ...] | None = None
    queues: tuple[QueueState, ...]
    platform: BucketState
    data: tuple[BucketState, ...]

    def read_functions(self) -> tuple[Function, ...]:
        """Raises ConfigurationError for one that this version can't read."""
        owners = self.owners or ("",) * len(self.functions)
        pairs = zip(self.functions, owners, strict=True)
        return tuple(_function(document).owned_by(owner) for document, owner in pairs)

    @property
    def lists(self) -> tuple[Part, ...]:
        """Every list of entries, those of tasks aside."""
        return tuple(part for state in (self.platform, *self.data) for part in state.parts)

    @property
    def logical(self) -> Mapping[str, str]:
        """Logical names by real ones, where they differ."""
        return {real: logical for logical, real in self.buckets.items()}


def _function(document: Mapping[str, Any]) -> Function:
    try:
        return Function.model_validate(document, strict=False, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ConfigurationError(
            f"the backup's function {document.get('metadata')} can't be read by this version of headrace: "
            f"{error.errors()[0]['msg']}; use the version that wrote the backup, or a newer one"
        ) from error
