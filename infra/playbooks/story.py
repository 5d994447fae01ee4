"""A run so far, from its events: what is told of it while it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from headrace.plays.events import Event, Kind

MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class Story:
    """A run so far."""

    task: str = ""
    ends: Mapping[str, Kind] = field(default_factory=dict)  # of this task, by host
    faults: Mapping[str, Event] = field(default_factory=dict)  # the last of each host; some are rescued

    def after(self, told: Event) -> "Story":
        """The story with one event more."""
        if told.kind is Kind.TASK:
            return replace(self, task=told.task, ends={})
        faults = self.faults
        if told.kind in (Kind.FAILED, Kind.UNREACHABLE):
            faults = {**faults, told.host: told}
        return replace(self, ends={**self.ends, told.host: told.kind}, faults=faults)

    def line(self) -> str:
        """The task that ended, with its hosts, where it changed something or failed; else nothing."""
        by = {kind: [host for host, end in self.ends.items() if end is kind] for kind in Kind}
        if not (by[Kind.CHANGED] or by[Kind.FAILED] or by[Kind.UNREACHABLE]):
            return ""
        named = [
            f"{words} {listed(by[kind])}"
            for kind, words in (
                (Kind.FAILED, "failed on"), (Kind.UNREACHABLE, "did not reach"), (Kind.CHANGED, "changed"),
            )
            if by[kind]
        ]  # fmt: skip
        right = len(by[Kind.OK])
        return f"{self.task}: {'; '.join(named)}{f'; {right} as wished' if right else ''}"


def listed(names: Sequence[str]) -> str:
    """Some names, and how many there are besides."""
    shown = sorted(names)[:MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
