"""What a running stack tells in its folder: written when it changed, figures at most once a second."""

from collections.abc import Callable

from headrace.local.state import StackState, StateDirectory
from headrace.scaler.explaining import Explanation

FIGURES_SECONDS = 1.0  # between two writings where only numbers have changed


class Bulletin:
    """Publishes in a state folder. `now` gives seconds of any steady clock."""

    def __init__(self, state: StateDirectory, now: Callable[[], float]) -> None:
        self._state = state
        self._now = now
        self._told: StackState | None = None
        self._explained: Explanation | None = None
        self._explained_at = 0.0

    def tell(self, state: StackState, explained: Explanation) -> None:
        """Write what has changed. Raises OSError."""
        if state != self._told:
            self._state.tell(state)
            self._told = state
        if self._is_news(explained):
            self._state.explain(explained)
            self._explained, self._explained_at = explained, self._now()

    def _is_news(self, explained: Explanation) -> bool:
        last = self._explained
        if last is None or _gist(explained) != _gist(last):
            return True
        changed = explained != last.model_copy(update={"at": explained.at})
        return changed and self._now() - self._explained_at >= FIGURES_SECONDS


def _gist(explained: Explanation) -> object:
    """What is worth telling at once: numbers of workers, states of nodes, and codes of reasons."""
    functions = [
        (each.name, each.workers, each.wanted, each.reason.code, [short.reason.code for short in each.unmet])
        for each in explained.functions
    ]
    nodes = [(each.name, each.state, each.enabled, each.reason.code) for each in explained.nodes]
    return functions, nodes
