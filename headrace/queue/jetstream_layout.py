"""How a function's tasks lie on a NATS server: names, settings, and what a stored message must be.

In a tenant's account streams and subjects have the functions' own names: the account says whose they are.
"""

import logging

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from pydantic import ValidationError

from headrace.model.task import Task
from headrace.model.tenancy import own_name

log = logging.getLogger(__name__)

STREAMS = "tasks-"  # what the name of each stream of tasks begins with
CONSUMER = "workers"
MOST_WAITING = 10_000  # pulls that wait for a task, one of each idle worker; unsaid: 512


class RubbishError(ValueError):
    """A message in a stream of tasks that is no task of this stream."""


def stream_name(function: str) -> str:
    """The stream that holds a function's tasks."""
    return f"{STREAMS}{own_name(function)}"


def subject(function: str, task_id: str) -> str:
    """The subject of a task; with `*` for the id, that of all tasks of the function."""
    return f"tasks.{own_name(function)}.{task_id}"


def stream(function: str) -> StreamConfig:
    """A stream that refuses a subject for as long as a message is in it, and forgets what is acknowledged."""
    return StreamConfig(
        name=stream_name(function),
        subjects=[subject(function, "*")],
        storage=StorageType.FILE,
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        discard_new_per_subject=True,
        max_msgs_per_subject=1,
        allow_direct=True,
        num_replicas=1,
    )


def consumer(lease_seconds: float, max_leased: int) -> ConsumerConfig:
    """The one durable consumer that all workers of a function share."""
    return ConsumerConfig(
        name=CONSUMER,
        durable_name=CONSUMER,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=lease_seconds,
        max_deliver=-1,
        max_ack_pending=max_leased,
        max_waiting=MOST_WAITING,
    )


def read_task(function: str, on_subject: str, body: bytes) -> Task:
    """Parse a stored message. Raises RubbishError with the reason."""
    try:
        task = Task.from_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise RubbishError(f"it is no task: {fault['msg']}") from error
    if (task.function, subject(function, task.id)) != (function, on_subject):
        raise RubbishError(f"its task {task.id} of {task.function} does not belong there")
    return task


def report_rubbish(function: str, on_subject: str, reason: RubbishError) -> None:
    """Log a message that nobody can work; its body is not shown."""
    log.error(
        "%s in %s: %s", on_subject, stream_name(function), reason,
        extra={"action": "queue.rubbish", "function": function, "subject": on_subject},
    )  # fmt: skip
