"""Why the stub did not do what it was asked. The reasons are part of the protocol."""

from enum import StrEnum

from headrace.model.errors import HeadraceError


class Reason(StrEnum):
    """For programs; the words beside it are for people."""

    BAD_CALL = "bad-call"  # not of the protocol, or its figures don't fit together
    UNKNOWN_GPU = "unknown-gpu"
    OTHER_TERMS = "other-terms"  # a session of this name is open on another GPU or with other memory
    GPU_MEMORY = "gpu-memory"  # the GPU has not so much left to reserve
    SESSIONS = "sessions"  # as many are open as the server serves
    CLOSING = "closing"  # the session is being closed
    NOT_OPEN = "not-open"  # there is no such session
    OUT_OF_MEMORY = "out-of-memory"  # more than the session's quota
    UNKNOWN_HANDLE = "unknown-handle"
    FAILED = "failed"  # the library that computes said no


class RefusedError(HeadraceError):
    """The call was not done, and nothing has changed by it."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
