"""What workers tell of their work while they work; nothing is decided by it but how much is planned."""

from pydantic import Field

from headrace.model.value import StoredValue


class Finished(StoredValue):
    """A batch that ran well.

    `seconds` is computing alone, of all files of the batch together: from their hand-over to the loaded
    runner until its answer. `load_seconds` is what the runner needed to be ready for its first batch,
    the model included and the interpreter's own start not; None for every later batch.
    """

    function: str
    worker: str
    files: int = Field(ge=1)
    bytes: int = Field(ge=0)  # of the batch's inputs
    seconds: float = Field(gt=0, allow_inf_nan=False)
    load_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class Standing(StoredValue):
    """How a worker stands now; told at each change and every few seconds: silence says something too.

    `held`: tasks it has leased and not ended; `since`: seconds since the epoch since when it holds any, or
    none.
    """

    function: str
    worker: str
    held: int = Field(ge=0)
    since: float = Field(allow_inf_nan=False)
