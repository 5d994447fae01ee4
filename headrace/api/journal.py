"""The newest calls that ran services, as OSCAR's /system/logs tells them. Kept in memory, a bounded number.

https://github.com/grycap/oscar/blob/master/pkg/handlers/logs.go
"""

from collections import deque
from datetime import UTC, datetime

from headrace.api.documents import LogEntry

MOST = 1000
_MARK = "[GIN-EXECUTIONS-LOGGER]"  # by which OSCAR's own tools find such lines
_WATCHED = ("/run/", "/job/")


class Journal:
    """Entries, the oldest first."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=MOST)

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        return tuple(self._entries)

    def note(
        self, method: str, path: str, *, status: int, began: float, ended: float, by: tuple[str, str]
    ) -> None:
        """Keep a call, if it ran a service. Times in seconds since the epoch; `by`: user and address."""
        if method != "POST" or not path.startswith(_WATCHED):
            return
        user, address = by
        timestamp = (
            datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        latency = f"{(ended - began) * 1000:.3f}ms"
        raw = f"{_MARK} {timestamp} | {status} | {latency} | {address} | {method} {path} | {user}"
        entry = LogEntry(
            timestamp=timestamp,
            status=status,
            latency=latency,
            client_ip=address,
            method=method,
            path=path,
            user=user,
            raw=raw,
        )
        self._entries.append(entry)
