"""What the log tells of a notification that was taken, whichever way it came."""

import logging

from headrace.events.intake import Report

_log = logging.getLogger(__name__)


def tell(report: Report) -> None:
    """One line for each task that was stored."""
    for task in report.stored:
        _log.info(
            "task stored",
            extra={"action": "events.task_stored", "function": task.function, "task": task.id}
            | {"bucket": task.bucket, "key": task.key},
        )
    for each in report.held:
        _log.info(
            "held back until its tenant has room, when the listing brings it: %s",
            each.reason,
            extra={"action": "events.task_held", "function": each.task.function, "task": each.task.id}
            | {"bucket": each.task.bucket, "key": each.task.key},
        )
    for event in report.ignored:
        _log.debug(
            "ignored: %s",
            event.reason,
            extra={"action": "events.ignored", "bucket": event.bucket, "key": event.key},
        )
