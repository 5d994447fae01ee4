"""When a GPU elsewhere pays: what a file takes over a link, and how far and thin that link may be. Pure.

The model is a sum. A call whose answer is waited for pays the link's round trip; bytes pay its bandwidth,
there and back, since a call is computed when its last byte has come; the rest is computing. What the two ends
and the remoting itself add to a call and to a byte is measured on them, at no distance: see `Overhead`.

Left out, as nothing here could measure it: lost packets, and TCP's slow start, by which a large request on a
connection that was idle takes some round trips more (RFC 5681, 4.1).
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """Between a worker and a GPU server: the way there and back, and bytes a second either way."""

    round_trip_seconds: float
    bytes_per_second: float

    def __post_init__(self) -> None:
        if not (self.round_trip_seconds >= 0 and self.bytes_per_second > 0):
            raise ValueError(
                f"link: found a round trip of {self.round_trip_seconds} s and {self.bytes_per_second} bytes "
                "a second, allowed at least 0 and more than 0"
            )


@dataclass(frozen=True, slots=True)
class Work:
    """What one file asks of a GPU.

    `calls` are waited for, `streamed_calls` are not; `bytes_out` go to the server and `bytes_in` come back,
    heads of calls counted; `compute_seconds` is the GPU's own time.
    """

    calls: int
    bytes_out: int
    bytes_in: int
    compute_seconds: float
    streamed_calls: int = 0

    def __post_init__(self) -> None:
        if min(self.calls, self.bytes_out, self.bytes_in, self.compute_seconds, self.streamed_calls) < 0:
            raise ValueError(f"work: found {self}, allowed nothing below 0")

    @property
    def moved_bytes(self) -> int:
        """Over the link, either way."""
        return self.bytes_out + self.bytes_in


@dataclass(frozen=True, slots=True)
class Overhead:
    """What remoting costs at no distance, by call and by byte; docs/gpu-cost.md measures it."""

    call_seconds: float = 0.0
    byte_seconds: float = 0.0


NO_OVERHEAD = Overhead()


def predicted_seconds(work: Work, link: Link, overhead: Overhead = NO_OVERHEAD) -> float:
    """Of one file over the link, from its first call to its last answer."""
    return (
        _fixed_seconds(work, overhead)
        + work.calls * link.round_trip_seconds
        + work.moved_bytes / link.bytes_per_second
    )


def greatest_round_trip(
    work: Work, bytes_per_second: float, *, otherwise_seconds: float, overhead: Overhead = NO_OVERHEAD
) -> float | None:
    """The round trip in seconds up to which remote takes no longer than `otherwise_seconds`.

    That is what the file takes without the remote GPU: on the worker's own processor, or until a GPU of its
    own is free and has computed. None: not even at no distance; infinite: no call is waited for.
    """
    left = otherwise_seconds - predicted_seconds(work, Link(0.0, bytes_per_second), overhead)
    if left < 0:
        return None
    return left / work.calls if work.calls else math.inf


def least_bandwidth(
    work: Work, round_trip_seconds: float, *, otherwise_seconds: float, overhead: Overhead = NO_OVERHEAD
) -> float | None:
    """The bytes a second from which on remote takes no longer than `otherwise_seconds`; None: at none."""
    left = otherwise_seconds - predicted_seconds(work, Link(round_trip_seconds, math.inf), overhead)
    if work.moved_bytes == 0:
        return 0.0 if left >= 0 else None
    return work.moved_bytes / left if left > 0 else None


def _fixed_seconds(work: Work, overhead: Overhead) -> float:
    """What no link makes shorter."""
    return (
        work.compute_seconds
        + (work.calls + work.streamed_calls) * overhead.call_seconds
        + work.moved_bytes * overhead.byte_seconds
    )
