"""What can go wrong between a program and its GPU server."""


class StubError(Exception):
    """Base of all of them."""


class PlaceError(StubError, ValueError):
    """The environment names no usable GPU."""


class FrameError(StubError, ValueError):
    """What came is no frame of the protocol."""


class ServerLostError(StubError, ConnectionError):
    """The server can't be reached or stopped answering; all that was on its GPU is lost."""


class RefusedError(StubError, RuntimeError):
    """The server did not do what it was asked. `reason` tells programs why, in a word."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class OutOfMemoryError(RefusedError, MemoryError):
    """The session's quota of GPU memory does not suffice."""
