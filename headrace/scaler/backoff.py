"""When something that died is started again. Pure."""

from dataclasses import dataclass

FIRST_SECONDS = 0.2
MOST_SECONDS = 30.0
STEADY_SECONDS = 20.0  # who has run so long starts with a clean sheet


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failures in a row, and the moment (by any steady clock) before which nothing is started."""

    failures: int = 0
    not_before: float = 0.0

    def after_death(self, *, started: float, now: float) -> "Backoff":
        """The pause doubles with each early death; a late one counts as the first."""
        failures = 1 if now - started >= STEADY_SECONDS else self.failures + 1
        pause = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
        return Backoff(failures, now + pause)
