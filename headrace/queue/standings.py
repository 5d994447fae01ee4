"""How workers stand, as far as one listener has heard of it lately."""

from collections.abc import Callable, Mapping

from headrace.model.observation import Standing
from headrace.queue.port import STANDING_SECONDS, TOLD_MOST


class Standings:
    """The newest word of each worker. `now` gives seconds on any clock that only goes forward."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._heard: dict[str, tuple[float, Standing]] = {}  # the one heard longest ago comes first

    def hear(self, standing: Standing) -> None:
        """Take what a worker tells in place of what it told before."""
        self._heard.pop(standing.worker, None)
        self._heard[standing.worker] = (self._now(), standing)
        if len(self._heard) > TOLD_MOST:
            del self._heard[next(iter(self._heard))]

    def fresh(self) -> Mapping[str, Standing]:
        """Of each worker heard within STANDING_SECONDS the newest word; the others are forgotten."""
        oldest = self._now() - STANDING_SECONDS
        while self._heard:
            worker, (heard, _) = next(iter(self._heard.items()))
            if heard >= oldest:
                break
            del self._heard[worker]
        return {worker: standing for worker, (_, standing) in self._heard.items()}
