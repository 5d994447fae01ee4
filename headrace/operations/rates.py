"""Files a second, from successive looks. Pure."""

from dataclasses import dataclass

WINDOW_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Looks of the last seconds: (seconds since the epoch, files done by function), oldest first."""

    looks: tuple[tuple[float, dict[str, int]], ...] = ()
    window_seconds: float = WINDOW_SECONDS

    def after(self, at: float, done: dict[str, int]) -> "Rates":
        """With one look more; of those older than the window the newest is kept, as the base."""
        looks = (*self.looks, (at, done))
        begin = next(index for index, look in enumerate(looks) if look[0] >= at - self.window_seconds)
        return Rates(looks[max(0, begin - 1) :], self.window_seconds)

    def of(self, function: str) -> float:
        """Files a second over the window; 0 before the second look. What a replay takes back counts as 0."""
        if len(self.looks) < 2:
            return 0.0
        (begin, before), (end, after) = self.looks[0], self.looks[-1]
        done = after.get(function, 0) - before.get(function, after.get(function, 0))
        return max(0.0, done / (end - begin)) if end > begin else 0.0
