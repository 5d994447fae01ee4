"""How `headrace doctor` tells what it found, and that it is still asking."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

from rich.console import Group
from rich.status import Status
from rich.text import Text

from headrace.cli.docs import see
from headrace.cli.output import counted, document, err, shown_lines
from headrace.doctor.finding import Finding, Ground, Severity

_MARKS: Mapping[Severity, tuple[str, str]] = {
    Severity.OK: ("ok", "green"),
    Severity.WARNING: ("warning", "yellow"),
    Severity.FAULT: ("fault", "bold red"),
    Severity.SKIPPED: ("skipped", "dim"),
}
_ORDER = (Severity.FAULT, Severity.WARNING, Severity.OK, Severity.SKIPPED)


def checkup_document(
    findings: Sequence[Finding], *, at: float, client: str, base: str
) -> Mapping[str, object]:
    """For programs; `at` in seconds since the epoch."""
    counts = Counter(each.severity for each in findings)
    return {
        "at": at,
        "version": client,
        "ok": not counts[Severity.FAULT],
        "counts": {severity.value: counts[severity] for severity in Severity},
        "findings": [document(each) | {"see": see(each.see, base)} for each in findings],
    }


def shown(findings: Sequence[Finding], *, ground: Ground, base: str, everything: bool) -> Group:
    """A line a group, and below it what is to be looked at; with `everything` the rest, too."""
    parts = [Text.assemble("Examined: ", (_examined(ground), "bold")), Text("")]
    for name, members in groupby(findings, key=lambda each: each.group):
        found = list(members)
        parts.append(_summary(name, found))
        parts += [line for each in found if everything or _matters(each) for line in _told(each, base)]
    return Group(*parts, Text(""), _verdict(findings, everything=everything))


def _examined(ground: Ground) -> str:
    if ground.is_cluster:
        return f"the cluster of {ground.kubeconfig}, namespace {ground.namespace}"
    return f"this machine, and the stack in {ground.state}"


def _matters(finding: Finding) -> bool:
    return finding.severity in {Severity.WARNING, Severity.FAULT}


def _summary(name: str, found: Sequence[Finding]) -> Text:
    counts = Counter(each.severity for each in found)
    words = Text(f"{name:<9}", style="bold")
    told = [(f"{counts[each]} {_MARKS[each][0]}", _MARKS[each][1]) for each in _ORDER if counts[each]]
    for position, (word, style) in enumerate(told):
        words.append(", " if position else "")
        words.append(word, style=style)
    return words


def _told(finding: Finding, base: str) -> Iterator[Text]:
    word, style = _MARKS[finding.severity]
    yield Text.assemble((f"  {word} ", style), (finding.code, "cyan"), f": {_indented(finding.found)}")
    if finding.remedy:
        yield Text.assemble(("    do:  ", "dim"), (_indented(finding.remedy), "bold"))
        yield Text(f"    see: {see(finding.see, base)}", style="dim")


def _indented(text: str) -> str:
    """Of several lines, those behind the first."""
    return shown_lines(text).replace("\n", "\n    ")


def _verdict(findings: Sequence[Finding], *, everything: bool) -> Text:
    counts = Counter(each.severity for each in findings)
    more = "" if everything else "; --all shows every check"
    told = f"{counted(counts[Severity.FAULT], 'fault')}, {counted(counts[Severity.WARNING], 'warning')}"
    return Text(f"{told}, {counts[Severity.OK]} ok, {counts[Severity.SKIPPED]} skipped{more}")


class Progress:
    """One line on a terminal's stderr: what is still waited for."""

    def __init__(self, status: Status | None) -> None:
        self._status = status
        self._open: list[str] = []

    def say(self, words: str) -> None:
        """What is being done."""
        if self._status is not None:
            self._status.update(words)

    def begin(self, names: Sequence[str]) -> None:
        """All of these are asked now."""
        self._open = list(names)
        self._tell()

    def done(self, name: str) -> None:
        """One has answered."""
        self._open.remove(name)
        self._tell()

    def _tell(self) -> None:
        self.say(f"asking: {', '.join(self._open)}")


@contextmanager
def asking() -> Iterator[Progress]:
    """Progress, while the block runs; quiet where stderr is no terminal."""
    console = err()
    if not console.is_terminal:
        yield Progress(None)
        return
    with console.status("") as status:
        yield Progress(status)
