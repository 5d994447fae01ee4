"""Where things lie in the platform bucket. None of these keys ever starts a task."""

RECORDS = "records"
FAILURES = "failures"
STAGING = "staging"
NOTES = "notes"
LOGS = "logs"
HISTORY = "history"
FUNCTIONS = "functions"
BUCKETS = "buckets"
REPLAYS = "replays"
RUNS = "runs"
IGNORED = "ignored"
RESTORES = "restores"
DISMISSED = "dismissed"
STATUS = "status"
BACKUPS = "backups"
WORKERS_AREAS = (RECORDS, FAILURES, STAGING, NOTES, LOGS, HISTORY)  # what a worker reads and writes

MARK = "headrace-attempt"  # user metadata on every output: "<task id>/<attempt>"


def record_key(function: str, task_id: str) -> str:
    """The one record of a task, done or not; created only if absent."""
    return f"{RECORDS}/{function}/{task_id}.json"


def failure_key(function: str, task_id: str) -> str:
    """An empty object beside a failure record, so that failures can be listed without reading all."""
    return f"{FAILURES}/{function}/{task_id}"


def staging_key(function: str, task_id: str, attempt: str, name: str) -> str:
    """An attempt's own copy of one output.

    No folder of its own: a store that is like a file system would have to make two for each file.
    """
    return f"{STAGING}/{function}/{task_id}-{attempt}-{name}"


def note_key(function: str, task_id: str) -> str:
    """The AttemptNote of a task."""
    return f"{NOTES}/{function}/{task_id}.json"


def log_key(function: str, task_id: str, attempt: str) -> str:
    """The whole stdout and stderr of an attempt, where the record keeps only the end."""
    return f"{LOGS}/{function}/{task_id}/{attempt}.log"


def history_key(function: str, task_id: str, moment: str) -> str:
    """A failure record that a replay superseded."""
    return f"{HISTORY}/{function}/{task_id}/{moment}.json"


def function_key(function: str) -> str:
    """When a function was first seen, for `existing: ignore`."""
    return f"{FUNCTIONS}/{function}.json"


def replay_key(function: str, task_id: str) -> str:
    """That a replay of this task has begun; deleted once the task is queued, so that none stays half done."""
    return f"{REPLAYS}/{function}/{task_id}"


def run_key(function: str, number: int) -> str:
    """A `rerun` of a function, by its run number; created only if absent: no number is taken twice."""
    return f"{RUNS}/{function}/{number:06d}.json"


def ignored_key(function: str, part: str) -> str:
    """IgnoredTasks: those that the listing leaves alone, as their files were older than the function."""
    return f"{IGNORED}/{function}/{part}.json"


def dismissed_key(function: str, task_id: str) -> str:
    """That a client of the API has deleted this task's job: it is listed there no more. An empty object."""
    return f"{DISMISSED}/{function}/{task_id}"


def restore_key(snapshot: str) -> str:
    """That this backup was restored here, wholly or in part (a Restoration)."""
    return f"{RESTORES}/{snapshot}.json"


def status_history_key() -> str:
    """How things went on this stack, as the status page shows it."""
    return f"{STATUS}/history.json.gz"


def mark_of(task_id: str, attempt: str) -> str:
    """The value of the MARK metadata."""
    return f"{task_id}/{attempt}"


def bucket_key(real: str) -> str:
    """The note that the platform made a bucket of the store, by the store's name."""
    return f"{BUCKETS}/{real}"


def prefixes_of(function: str) -> tuple[str, ...]:
    """What the keys of all that is kept of a function begin with."""
    areas = (RECORDS, FAILURES, STAGING, NOTES, LOGS, HISTORY, REPLAYS, RUNS, IGNORED, DISMISSED)
    return (*(f"{area}/{function}/" for area in areas), function_key(function))


def last_backup_key() -> str:
    """The newest whole backup, a LastBackup; there is none until one was taken."""
    return f"{BACKUPS}/last.json"
