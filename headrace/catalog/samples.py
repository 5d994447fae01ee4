"""A function's samples: files to try it on, and what is expected of each."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.model.errors import ConfigurationError

SAMPLES, EXPECTED = "samples", "expected"
MOST_LINES = 20  # of a difference that is shown


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and by name the results that are expected of it; None: nobody has said."""

    file: Path
    expected: Mapping[str, bytes] | None


def samples_of(folder: Path) -> tuple[Sample, ...]:
    """In order of names. Raises ConfigurationError where there is none."""
    files = sorted(path for path in (folder / SAMPLES).glob("*") if path.is_file() and path.name[0] != ".")
    if not files:
        raise ConfigurationError(
            f"{folder / SAMPLES}: found no sample, allowed files to try the function on; put one there, or "
            "name a file with --file"
        )
    return tuple(Sample(file, _expected(folder, file.name)) for file in files)


def _expected(folder: Path, sample: str) -> Mapping[str, bytes] | None:
    top = folder / EXPECTED / sample
    if not top.is_dir():
        return None
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }


def accept(folder: Path, sample: str, outputs: Mapping[str, bytes]) -> None:
    """Write what came as what is expected from now on; files that did not come go."""
    top = folder / EXPECTED / sample
    for path in list(top.rglob("*")):
        if path.is_file() and path.relative_to(top).as_posix() not in outputs:
            path.unlink()
    top.mkdir(parents=True, exist_ok=True)
    for name, body in outputs.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def differences(expected: Mapping[str, bytes], came: Mapping[str, bytes]) -> tuple[str, ...]:
    """What differs, for people, a text a result; empty: nothing does."""
    names = sorted(expected.keys() | came.keys())
    return tuple(told for name in names if (told := _difference(name, expected.get(name), came.get(name))))


def _difference(name: str, expected: bytes | None, came: bytes | None) -> str:
    if expected == came:
        return ""
    if came is None:
        return f"{name}: expected, and did not come"
    if expected is None:
        return f"{name}: came, and was not expected"
    return "\n".join(_compared(name, expected, came))


def _compared(name: str, expected: bytes, came: bytes) -> Iterator[str]:
    try:
        before, after = expected.decode().splitlines(), came.decode().splitlines()
    except UnicodeDecodeError:
        yield f"{name}: differs: {len(came):,} bytes came, {len(expected):,} were expected"
        return
    lines = list(difflib.unified_diff(before, after, "expected", "came", lineterm="", n=1))[2:]
    yield f"{name}: differs"
    yield from (lines or ["the line ends differ"])[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"… and {len(lines) - MOST_LINES:,} lines more"
