"""What services write for one another is read by older and newer ones, too; what people write is not."""

import json

import pytest
from pydantic import ValidationError

from headrace.model.function import Function
from headrace.model.record import AttemptNote, Ending, FailureRecord, Output, Record, Times, read_record
from headrace.model.task import Task
from headrace.model.value import StoredValue

TASK = Task(id="0" * 32, function="echo", bucket="uploads", key="a", etag="e", size=1, received=1.0)
TIMES = Times(received=1.0, pulled=1.0, staged=1.0, started=1.0, finished=1.0, committed=1.0)
OUTPUT = Output(name="o", bucket="results", key="o", staging_key="s", etag="e", size=1)
RECORD = Record(
    task=TASK, attempt="x", attempt_number=1, outputs=(OUTPUT,), function_digest="d", worker="w", times=TIMES
)
FAILURE = FailureRecord(
    state=Ending.FAILED, task=TASK, reason="r", attempts=1, function_digest="d", worker="w", ended=1.0
)


def newer(document: dict) -> dict:
    """The same as a later version might write it: one key more at each level."""
    inner = {name: newer(value) if isinstance(value, dict) else value for name, value in document.items()}
    return inner | {"added": True}


@pytest.mark.parametrize("document", [TASK, AttemptNote(failures=("x",)), RECORD, FAILURE], ids=type)
def test_what_a_newer_version_added_is_read_over(document: StoredValue) -> None:
    later = json.dumps(newer(json.loads(document.to_json())))
    assert type(document).from_json(later) == document


def test_a_newer_record_is_told_from_a_newer_failure() -> None:
    for record in (RECORD, FAILURE):
        assert read_record(json.dumps(newer(json.loads(record.to_json()))).encode()) == record


def test_a_key_that_is_unknown_in_a_function_is_refused() -> None:
    with pytest.raises(ValidationError, match="added"):
        Function.from_json(json.dumps({"added": True}))
