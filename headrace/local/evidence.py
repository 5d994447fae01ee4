"""What a demo left in the store: records, results at their final keys, and whether the two agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headrace.model.errors import NotFoundError
from headrace.model.keys import MARK, mark_of
from headrace.model.record import FailureRecord, Output, Record
from headrace.operations.concurrently import concurrently
from headrace.operations.records import Records
from headrace.storage.port import Storage


class _Doppler(BaseModel):
    found: bool = False


class Finding(BaseModel):
    """What echo wrote about one clip; fields that the report does not need are left aside."""

    model_config = ConfigDict(frozen=True)

    view: str | None = None
    views: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    doppler: _Doppler = Field(default_factory=_Doppler)
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = Field(default_factory=dict)

    @property
    def probability(self) -> float | None:
        """The mean probability of the view found; None where there is none."""
        if self.view not in self.views or self.mean is None or len(self.mean) != len(self.views):
            return None
        return self.mean[self.views.index(self.view)]


@dataclass(frozen=True, slots=True)
class Worked:
    """A file that is done: its record, what was found, and its picture; None where it has none."""

    record: Record
    finding: Finding | None
    picture: bytes | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """`unpublished` names final keys that do not hold what their record says."""

    worked: tuple[Worked, ...]
    failures: tuple[FailureRecord, ...]
    unpublished: tuple[str, ...]

    @property
    def done(self) -> tuple[Record, ...]:
        """The records alone."""
        return tuple(each.record for each in self.worked)


async def gather_evidence(storage: Storage, platform_bucket: str, functions: Sequence[str]) -> Evidence:
    """Read every record of these functions, and all that they name. Raises TransientError."""
    records = Records(storage, platform_bucket)
    found: list[Record | FailureRecord | None] = []
    for function in functions:
        ids = sorted(await records.listed(function))
        found += await concurrently(lambda i, f=function: records.find(f, i), ids)  # type: ignore[misc]  # mypy can't type a default
    done = [each for each in found if isinstance(each, Record)]
    faults = await concurrently(lambda record: _misplaced(storage, record), done)
    return Evidence(
        worked=tuple(await concurrently(lambda record: _read(storage, record), done)),
        failures=tuple(each for each in found if isinstance(each, FailureRecord)),
        unpublished=tuple(key for keys in faults for key in keys),
    )


async def _misplaced(storage: Storage, record: Record) -> list[str]:
    """Final keys that do not carry this attempt's mark and bytes."""
    return [
        f"{output.bucket}/{output.key}"
        for output in record.outputs
        if not await _holds(storage, output, mark_of(record.task.id, record.attempt))
    ]


async def _holds(storage: Storage, output: Output, mark: str) -> bool:
    try:
        info = await storage.head(output.bucket, output.key)
    except NotFoundError:
        return False
    return info.etag == output.etag and info.size == output.size and info.metadata.get(MARK) == mark


async def _read(storage: Storage, record: Record) -> Worked:
    finding = picture = None
    for output in record.outputs:
        try:
            if output.name.endswith(".json"):
                finding = Finding.model_validate_json(await storage.read(output.bucket, output.key))
            elif output.name.endswith(".png"):
                picture = await storage.read(output.bucket, output.key)
        except (NotFoundError, ValidationError):
            continue  # a result that is missing is counted as unpublished; a foreign document has no finding
    return Worked(record, finding, picture)
