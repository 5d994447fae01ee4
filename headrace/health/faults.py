"""What an answer that is no success says: a status, the error in few words, the reason. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from headrace.model.errors import (
    ChangedError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    RejectedError,
    TransientError,
)

RETRY_AFTER_SECONDS = 2
_STATUSES: tuple[tuple[type[HeadraceError], HTTPStatus, str], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND, "not found"),
    (ExistsError, HTTPStatus.CONFLICT, "it is there already"),
    (ChangedError, HTTPStatus.CONFLICT, "conflict"),
    (RejectedError, HTTPStatus.BAD_REQUEST, "not valid"),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE, "a server is away"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One such answer. `more` are further fields of its document."""

    status: HTTPStatus
    error: str
    reason: str
    more: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, object]:
        return {"error": self.error, "reason": self.reason, **self.more}


class FaultError(Exception):
    """Ends a call with its fault as the answer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def refusal(status: HTTPStatus, error: str, reason: str, **more: object) -> FaultError:
    """A fault to raise."""
    return FaultError(Fault(status, error, reason, more))


def fault_of(error: HeadraceError) -> Fault:
    """The fault for what a part below raised. What a person must mend on the stack is no caller's fault."""
    for kind, status, told in _STATUSES:
        if isinstance(error, kind):
            away = isinstance(error, TransientError)
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if away else {}
            return Fault(status, told, str(error), headers=headers)
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "the stack must be mended", str(error))
