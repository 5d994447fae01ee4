"""What became of the files that a demo uploaded: none lost, none twice. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.model.record import FailureRecord, Record
from headrace.model.task import Task


@dataclass(frozen=True, slots=True)
class Upload:
    """One file put into the store; `uploaded` is seconds since the epoch when the store confirmed it."""

    function: str
    bucket: str
    key: str
    uploaded: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The count of a demo, in files unless its name says otherwise.

    `lost` are uploads without any record, `twice` uploads with more than one, `strangers` records of
    files that nobody uploaded, `unpublished` final keys that do not hold what their record names.
    `extra_starts` counts handler starts beyond one a file: allowed, and told.
    """

    files: int
    records: int
    failures: tuple[FailureRecord, ...]
    lost: tuple[Upload, ...]
    twice: tuple[Upload, ...]
    strangers: tuple[Task, ...]
    unpublished: tuple[str, ...]
    extra_starts: int

    @property
    def good(self) -> bool:
        """Every file gave one record, and every record's outputs are where it says."""
        faults = (self.failures, self.lost, self.twice, self.strangers, self.unpublished)
        return self.files == self.records and not any(faults)


def audit(
    uploads: Sequence[Upload],
    done: Sequence[Record],
    failures: Sequence[FailureRecord],
    *,
    unpublished: Sequence[str] = (),
) -> Audit:
    """Count uploads against the records found in the store."""
    tasks = [r.task for r in done] + [f.task for f in failures]
    endings = Counter((task.function, task.bucket, task.key) for task in tasks)
    names = {(upload.function, upload.bucket, upload.key) for upload in uploads}
    return Audit(
        files=len(uploads),
        records=len(done),
        failures=tuple(failures),
        lost=tuple(u for u in uploads if endings[(u.function, u.bucket, u.key)] == 0),
        twice=tuple(u for u in uploads if endings[(u.function, u.bucket, u.key)] > 1),
        strangers=tuple(t for t in tasks if (t.function, t.bucket, t.key) not in names),
        unpublished=tuple(unpublished),
        extra_starts=sum(r.attempt_number - 1 for r in done) + sum(f.attempts - 1 for f in failures),
    )
