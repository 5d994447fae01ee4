"""What is wrong with a function's folder, as a value: where, what was found, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.model.errors import ConfigurationError
from headrace.model.troubles import Trouble

SHOWN_CHARACTERS = 60  # of a value that a message quotes


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend.

    `file` is the path as the caller gave it, `line` counts from 1 and is None where no line is meant,
    `where` is the field's path (spec.batch.maxFiles), empty for the file as a whole.
    """

    file: str
    line: int | None
    where: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} ({self.where}): {self.message}" if self.where else f"{place}: {self.message}"


def refuse(faults: Iterable[Fault]) -> None:
    """Raises ConfigurationError that lists every fault, one a line; quiet when there is none."""
    lines = [str(fault) for fault in faults]
    if lines:
        raise ConfigurationError("\n".join(lines), trouble=Trouble.FUNCTION_FAULTY)


def shown(value: object) -> str:
    """A found value as a message quotes it: of one line, and cut short."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
