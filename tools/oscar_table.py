"""Tries `headrace function import` on folders of OSCAR's definitions, and prints what became of each file.

`python -m tools.oscar_table FOLDER…`: a folder is named OWNER+REPOSITORY@COMMIT, and holds files of that
commit by their paths, scripts beside them. A file that lacks but an input is tried with --entrance too.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.catalog.fault import Fault
from headrace.catalog.oscar_file import OscarFile, Wanted, read_oscar_file
from headrace.oscar import Site

ENTRANCE = Wanted(Site(entrance="requests"))
_OF_EVERY_FUNCTION = ("image", "spec.security", "spec.delivery", "spec.resources.ephemeralStorage")
_SUFFIXES = (".yaml", ".yml", ".json")
_TEXT = str.maketrans({"|": "\\|", "<": "&lt;"})  # what a table's cell would not show as it is


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a file, and why, or what of it is left out."""

    file: str
    functions: str
    outcome: str
    told: str


def rows(folder: Path) -> Iterator[Row]:
    """One for each file of definitions below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            yield _row(path, folder)


def _row(path: Path, folder: Path) -> Row:
    read = read_oscar_file(path, Wanted())
    outcome = "refused" if read.faults else "imported"
    if read.faults and all(each.where.endswith(".input") for each in read.faults):
        with_entrance = read_oscar_file(path, ENTRANCE)
        if not with_entrance.faults:
            read, outcome = with_entrance, "imported with --entrance"
    told = read.faults or [each for each in read.remarks if not each.where.endswith(_OF_EVERY_FUNCTION)]
    file = str(path.relative_to(folder))
    places = sorted((each.where for each in read.judged), key=len, reverse=True)
    return Row(file, _names(read), outcome, _brief(told, places).replace(f"{folder}/", ""))


def _names(read: OscarFile) -> str:
    return ", ".join(each.outcome.name or "?" for each in read.judged).translate(_TEXT) or "-"


def _brief(faults: Iterable[Fault], places: Sequence[str]) -> str:
    """Each field with the begin of what is said of it, each once."""
    told = (f"{_field(each.where, places)}{_first(each.message)}" for each in faults)
    return "; ".join(dict.fromkeys(told)) or "-"


def _field(where: str, places: Sequence[str]) -> str:
    """Without its service's place, and without indices."""
    place = next((each for each in places if where.startswith(each)), "")
    field = re.sub(r"\[\d+\]", "[]", where.removeprefix(place).removeprefix("."))
    return f"`{field}`: ".translate(_TEXT) if field else ""


def _first(message: str) -> str:
    """Up to where the advice begins, of one line."""
    line = message.split("\n", maxsplit=1)[0]
    return re.split(r"; |\. (?=[A-Z])", line)[0].translate(_TEXT)


def main(folders: Sequence[str]) -> None:
    """Print a table, and under it how many files had which outcome."""
    outcomes: Counter[str] = Counter()
    for folder in map(Path, folders):
        sys.stdout.write(f"\n### {folder.name.replace('+', '/')}\n\n")
        sys.stdout.write("| file | functions | outcome | why, or what is left out |\n|---|---|---|---|\n")
        for row in rows(folder):
            outcomes[row.outcome] += 1
            sys.stdout.write(f"| {row.file} | {row.functions} | {row.outcome} | {row.told} |\n")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    sys.stdout.write(f"\n{outcomes.total()} files: {counts}.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
