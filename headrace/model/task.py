"""A task: one function on one version of one file."""

import hashlib

from headrace.model.value import StoredValue

TASK_ID_LENGTH = 32  # hexadecimal digits: 128 bits of SHA-256


class Task(StoredValue):
    """What the queue carries. `received` is seconds since the epoch, `size` is bytes."""

    id: str
    function: str
    bucket: str
    key: str
    version: str | None = None
    etag: str
    size: int
    run: int = 0
    received: float

    @property
    def identity(self) -> str:
        """The version id where the bucket keeps versions, else the normalised ETag."""
        return self.version or self.etag


def task_id(function: str, bucket: str, key: str, identity: str, *, run: int = 0) -> str:
    """The same for the same function, object version and run, whoever computes it.

    Fields are joined by their lengths, so that no two different tuples give the same text.
    """
    digest = hashlib.sha256()
    for field in (function, bucket, key, identity, str(run)):
        raw = field.encode("utf-8", "surrogatepass")
        digest.update(f"{len(raw)}:".encode() + raw)
    return digest.hexdigest()[:TASK_ID_LENGTH]
