"""What the API server was asked in a run, and how long a worker took from the decision to its node.

From the API server's own audit log, https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/, and from the
line that a scaler logs before it acts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

DECIDED = b'"scaler.workers"'


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests by who made them, and each worker's seconds from decision to binding, in order."""

    calls: Mapping[str, int]
    binding_seconds: tuple[float, ...]

    @property
    def total(self) -> int:
        return sum(self.calls.values())


def read_asked(audit: Path, scaler_logs: Iterable[Path], *, since: float) -> Asked:
    """Since a moment in seconds since the epoch. Of a name that was used again the first life counts."""
    calls: Counter[str] = Counter()
    bound: dict[str, float] = {}
    for line in _lines(audit):
        moment = _seconds(line["requestReceivedTimestamp"])
        if moment < since:
            continue
        calls[_caller(line)] += 1
        what = line.get("objectRef", {})
        if (line["verb"], what.get("resource"), what.get("subresource")) == ("create", "pods", "binding"):
            bound.setdefault(what["name"], _seconds(line["stageTimestamp"]))
    decided = _decided(scaler_logs)
    waits = (bound[name] - moment for name, moment in decided.items() if name in bound)
    return Asked(calls, tuple(sorted(waits)))


def _decided(logs: Iterable[Path]) -> Mapping[str, float]:
    """When a worker's begin was first decided, by its name."""
    found: dict[str, float] = {}
    for log in logs:
        for text in log.read_bytes().splitlines():
            if DECIDED in text:
                line = orjson.loads(text)
                for name in line["begin"]:
                    found[name] = min(found.get(name, float("inf")), _seconds(line["time"]))
    return found


def _lines(audit: Path) -> Iterator[Mapping[str, Any]]:
    """A killed server may have left half a line."""
    with audit.open("rb") as lines:
        for line in lines:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                continue


def _caller(line: Mapping[str, Any]) -> str:
    """A service account's or a user's short name."""
    name: str = line["user"]["username"]
    return name.rpartition(":")[2]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
