"""Traces: which files arrive when, and for how long each computes; as values, and as CSV files."""

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from headrace.catalog.fault import Fault, refuse, shown
from headrace.model.errors import ConfigurationError

HEADER = ("time_seconds", "function", "bytes", "service_seconds")
TOLD_FAULTS = 20
NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?", re.ASCII)
WHOLE = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file: when it arrives (seconds from the trace's start), of which function, and its computing time."""

    time: float
    function: str
    size_bytes: int
    service_seconds: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Files in order of arrival; `of` puts them in order."""

    arrivals: tuple[Arrival, ...]

    def __post_init__(self) -> None:
        """Raises ValueError for arrivals that are not in order of time."""
        for before, after in pairwise(self.arrivals):
            if after.time < before.time:
                raise ValueError(f"a file at {after.time} s after one at {before.time} s; use Trace.of")

    @classmethod
    def of(cls, arrivals: Iterable[Arrival]) -> "Trace":
        """Files that arrive at the same time keep the order given."""
        return cls(tuple(sorted(arrivals, key=attrgetter("time"))))


def write_trace(path: Path, trace: Trace) -> None:
    """Write the CSV that `read_trace` reads; no figure loses a digit."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        rows.writerows((a.time, a.function, a.size_bytes, a.service_seconds) for a in trace.arrivals)


def read_trace(path: Path) -> Trace:
    """Read a CSV with the columns of HEADER; its rows may be in any order.

    Raises ConfigurationError that tells the file's faults at once, the first TOLD_FAULTS in full.
    """
    arrivals: list[Arrival] = []
    faults: list[Fault] = []
    for line, row in _rows(path):
        found = _row_faults(str(path), line, row)
        faults += found
        if not found:
            time, function, size, service = row
            arrivals.append(Arrival(float(time), function, int(size), float(service)))
    if len(faults) > TOLD_FAULTS:
        rest = f"and {len(faults) - TOLD_FAULTS} faults more"
        faults = [*faults[:TOLD_FAULTS], Fault(str(path), None, "", rest)]
    refuse(faults)
    return Trace.of(arrivals)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows below the header, each with its line. Raises ConfigurationError for what is no such CSV."""
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = []
            for row in reader:
                line = reader.line_num
                rows.append((line, row))
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}; give a trace as CSV") from error
    except (UnicodeDecodeError, csv.Error) as error:
        allowed = f"allowed CSV in UTF-8 with the columns {','.join(HEADER)}"
        raise ConfigurationError(f"{path}:{line + 1}: found {error}, {allowed}") from error
    first, *rest = rows or [(1, [])]
    if tuple(first[1]) != HEADER:
        found = shown(",".join(first[1]))
        message = f"found {found}, allowed {','.join(HEADER)}; make this the first line"
        refuse([Fault(str(path), 1, "header", message)])
    return rest


def _row_faults(file: str, line: int, row: list[str]) -> list[Fault]:
    """What is wrong with a row, a fault each column."""
    if len(row) != len(HEADER):
        message = f"found {len(row)} columns, allowed {len(HEADER)}: {','.join(HEADER)}"
        return [Fault(file, line, "row", message)]
    time, function, size, service = row
    allowed = {
        "time_seconds": None if _is_finite(time) else "a number of seconds, 0 or more",
        "function": None if function else "a function's name",
        "bytes": None if WHOLE.fullmatch(size) else "a whole number, 0 or more",
        "service_seconds": None if _is_positive(service) else "a number of seconds above 0",
    }
    return [
        Fault(file, line, column, f"found {shown(value)}, allowed {rule}")
        for (column, rule), value in zip(allowed.items(), row, strict=True)
        if rule is not None
    ]


def _is_finite(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _is_positive(text: str) -> bool:
    return _is_finite(text) and float(text) > 0
