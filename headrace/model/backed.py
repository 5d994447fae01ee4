"""What a backup leaves in the platform bucket of the stack that it was taken of."""

from headrace.model.value import StoredValue


class LastBackup(StoredValue):
    """The newest whole backup: when it began (seconds since the epoch), and how often one is to be taken."""

    snapshot: str
    began: float
    period_seconds: float
