"""Whether a server answers, from what probes found. Pure. Times are seconds since the epoch."""

from dataclasses import dataclass, replace

LEASE_SECONDS = 15.0  # without an answer, after which a server is called silent
BACK = 2  # answers in a row, after which it is not: one that flaps is written down once


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one server. `silent_since`: when it was called silent; None: it is not.

    `heard` is its last answer; of a server that was never heard, its first probe. `fault`: why a probe
    failed, kept until the server is back: one answer alone is not written down.
    """

    heard: float
    silent_since: float | None = None
    answers: int = 0
    fault: str = ""

    @property
    def answering(self) -> bool:
        return self.silent_since is None


def first(fault: str, now: float, *, published_clean: bool) -> Standing:
    """After the first probe. One that was published as answering keeps its lease: another process saw it."""
    silent = now if fault and not published_clean else None
    return Standing(now, silent, 0 if fault else 1, fault)


def closed(before: Standing | None, now: float) -> Standing:
    """Of one that is to be switched off: silent from now on, until it was heard again."""
    silent = before.silent_since if before is not None and before.silent_since is not None else now
    heard = before.heard if before is not None else now
    return Standing(heard, silent, fault="it is switched off, or about to be")


def after(before: Standing, fault: str, now: float, *, lease_seconds: float = LEASE_SECONDS) -> Standing:
    """After another probe."""
    if fault:
        silent = before.silent_since
        if silent is None and now - before.heard >= lease_seconds:
            silent = now
        return replace(before, silent_since=silent, answers=0, fault=fault)
    answers = before.answers + 1
    back = before.answering or answers >= BACK
    return Standing(now, None if back else before.silent_since, answers, "" if back else before.fault)
