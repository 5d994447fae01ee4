"""What a call may end with, beside its value."""

from collections.abc import Mapping
from typing import Any

from headrace.model.errors import HeadraceError, TransientError


class ApiError(HeadraceError):
    """The API's answer is no success. `document` is all that it said: a failed file's log, the limit, …"""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.document = document
        self.reason = str(document.get("reason", "no reason is given"))
        super().__init__(f"{status} {document.get('error', 'error')}: {self.reason}")

    @property
    def task(self) -> str:
        """The task that it is about; empty where it names none."""
        return str(self.document.get("task", ""))

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later: the quota is used up, a server is away."""
        return self.status in {408, 429, 503}


class UnreachableError(TransientError):
    """No answer came: the API can't be reached, or the connection broke."""
