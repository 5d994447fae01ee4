"""The document's failed files, and what somebody who may not see names gets of them. Pure."""

from urllib.parse import quote

from headrace.model.record import Ending, FailureRecord
from headrace.status.document import MOST_FAILED, MOST_WORDS, Document, Failed, FailedFiles
from headrace.status.sight import Counts
from headrace.status.words import bounded


def failed_shown(counts: Counts | None) -> FailedFiles:
    """The newest ones, with all that is known of them."""
    if counts is None:
        return FailedFiles(total=None, items=())
    total = sum(each.endings.get(Ending.FAILED, 0) for each in counts.functions.values())
    return FailedFiles(total=total, items=tuple(_failed(each) for each in counts.failed[:MOST_FAILED]))


def _failed(record: FailureRecord) -> Failed:
    task = record.task
    return Failed(
        function=task.function,
        task=task.id,
        bucket=task.bucket,
        key=task.key,
        size=task.size,
        run=task.run,
        attempts=record.attempts,
        at=round(record.ended),
        reason=bounded(record.reason, MOST_WORDS),
        log=log_address(task.function, task.id),
    )


def log_address(function: str, task: str) -> str:
    """Where the end of a failed file's log is, relative to the document."""
    return f"failed/{quote(function)}/{task}/log"


def without_names(document: Document) -> Document:
    """For somebody who has not logged in, where names of files are hidden: reasons may hold names, too."""
    nameless = {"bucket": None, "key": None, "reason": None}
    items = tuple(each.model_copy(update=nameless) for each in document.failed.items)
    return document.model_copy(
        update={
            "stack": document.stack.model_copy(update={"names_hidden": True}),
            "failed": document.failed.model_copy(update={"items": items}),
        }
    )
