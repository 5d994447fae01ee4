"""The platform bucket's areas, in the order in which a backup copies them, and what is left out. Pure.

What is written first is read last (ADR 17). History comes after records: a replay and a worker that reopens
an ending write the history first and take the record away then, so that a task is seen in the one or the
other, whenever it is moved. Logs and the numbers of reruns come after both, as a worker stores a log before
the record that points to it, and a rerun takes its number before any of its tasks can have a record.
"""

from headrace.model import keys

READ = (
    keys.FUNCTIONS,
    keys.BUCKETS,
    keys.IGNORED,
    keys.NOTES,
    keys.RECORDS,
    keys.HISTORY,
    keys.LOGS,
    keys.RUNS,
)
LEFT_OUT = {
    keys.FAILURES: "the records tell",
    keys.REPLAYS: "a task whose replay had begun is put into the queue",
    keys.STAGING: "what was recorded and not yet published is among the results",
    keys.RESTORES: "they concern this stack",
    keys.DISMISSED: "it only shortens a list",
    keys.STATUS: "how this stack went says nothing of another",
    keys.BACKUPS: "it tells of backups of this stack",
}


def area_of(key: str) -> str:
    """The area that a key of the platform bucket lies in."""
    return key.partition("/")[0]


def function_of(key: str) -> str:
    """The function that a key of the platform bucket is about."""
    return key.split("/", 2)[1].removesuffix(".json")


def task_of(key: str) -> str:
    """The id of the task that a key of records, notes, logs or history is about."""
    return key.split("/", 3)[2].removesuffix(".json")


def bucket_of(key: str) -> str:
    """The real name of the bucket that a note is about."""
    return key.partition("/")[2]


def staged_task_of(key: str) -> str:
    """The id of the task that a key of staging is about."""
    return key.split("/", 3)[2].partition("-")[0]
