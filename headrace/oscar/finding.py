"""What became of a field of OSCAR's: taken over, left out with a word, or refused. Each names its field."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OF_FUNCTION = " -> "  # between a service's place and a field of function.yaml
SHOWN_CHARACTERS = 60  # of a value that a message quotes
# What authors of templates leave to be filled in: <VO>, ${NAME}, {{name}}.
_MARKED = re.compile(r"<[^<>\n]+>|\$\{[^{}\n]+\}|\{\{[^{}\n]+\}\}")
_WORDED = re.compile(r"(?:^|[/.:])your[-_/ ]|name_of_|path/to/|^change[-_ ]?me$|^x{3,}$", re.IGNORECASE)


class Kind(StrEnum):
    """What became of a field."""

    MAPPED = "mapped"  # the function says it; `message` is the field of function.yaml
    PLAIN = "plain"  # it says what holds anyway
    WARNING = "warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """`field` is a path as OSCAR writes it (`input[0].path`); one of function.yaml begins with spec."""

    kind: Kind
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message

    def below(self, where: str) -> "Finding":
        """The same of a service that stands at `where` in its document."""
        if self.field.startswith("spec."):
            return Finding(
                self.kind, f"{where}{OF_FUNCTION}{self.field}" if where else self.field, self.message
            )
        dot = "." if where and self.field else ""
        return Finding(self.kind, f"{where}{dot}{self.field}", self.message)


def mapped(field: str, target: str) -> Finding:
    """`target` is the field of function.yaml."""
    return Finding(Kind.MAPPED, field, target)


def plain(field: str) -> Finding:
    """A field that says what holds anyway."""
    return Finding(Kind.PLAIN, field, "")


def warning(field: str, message: str) -> Finding:
    """A field that is not taken, or not quite as it was meant."""
    return Finding(Kind.WARNING, field, message)


def refused(field: str, message: str) -> Finding:
    """A field that can't be taken; the message says what to do."""
    return Finding(Kind.REFUSED, field, message)


def of_kind(findings: Iterable[Finding], kind: Kind) -> tuple[Finding, ...]:
    """Those of one kind, each once, in their order."""
    return tuple(dict.fromkeys(each for each in findings if each.kind is kind))


def joined(where: str, *steps: str | int) -> str:
    """A path further on from `where`: names with dots between, indices in brackets."""
    text = where
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step:
            text += f".{step}" if text else step
        else:
            text += ".''" if text else "''"
    return text


def shown(text: str) -> str:
    """A value as a message quotes it: of one line, and cut short."""
    quoted = repr(text)
    return quoted if len(quoted) <= SHOWN_CHARACTERS else f"{quoted[:SHOWN_CHARACTERS]}…"


def marked_placeholder(text: str) -> str:
    """A mark that can't be meant, like <VO>, ${NAME} or {{name}}; empty: none."""
    match = _MARKED.search(text)
    return match.group() if match else ""


def worded_placeholder(text: str) -> bool:
    """Whether a text looks as if it were to be filled in, like your-image, path/to/script.sh, change-me."""
    return _WORDED.search(text) is not None
