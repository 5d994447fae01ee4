"""What a restore leaves in the platform bucket for those that come after it."""

from headrace.model.value import StoredValue


class IgnoredTasks(StoredValue):
    """Ids of tasks on files that were older than their function, and that its inputs ignore which say so.

    The store gave the files a new date when they were restored; these ids tell that they are old. One that
    was put after `until` (seconds since the epoch, by the store's clock) is new again.
    """

    until: float
    tasks: tuple[str, ...]


class Restoration(StoredValue):
    """A restore, by the name of the backup; `ended` is None while it is not finished.

    `paused`: functions that are to stay paused. Times: seconds since the epoch.
    """

    snapshot: str
    begun: float
    ended: float | None = None
    paused: tuple[str, ...] = ()
