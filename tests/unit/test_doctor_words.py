"""What a person and a program read of the doctor's findings, and with which exit code."""

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from headrace.cli.doctor import exit_code
from headrace.cli.doctor_words import asking, checkup_document, shown
from headrace.cli.main import app
from headrace.doctor.cluster import REACH
from headrace.doctor.finding import Check, Finding, Ground

GROUND = Ground("state")
FIRST = Check("first-check", "first", "Is it?", "do {thing}")
SECOND = Check("second-check", "second", "Is it?", "do it")
FINDINGS = [
    FIRST.fault(GROUND, "it is\nnot", thing="that"),
    FIRST.ok("fine"),
    SECOND.skipped("no cluster"),
]


def told(*, everything: bool) -> list[str]:
    console = Console(width=200, markup=False, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        console.print(shown(FINDINGS, ground=GROUND, base="docs", everything=everything))
    return captured.get().splitlines()


def test_a_person_reads_a_line_a_group_and_below_it_what_is_to_be_done() -> None:
    assert told(everything=False) == [
        "Examined: this machine, and the stack in state",
        "",
        "first    1 fault, 1 ok",
        "  fault first-check: it is",
        "    not",
        "    do:  do that",
        "    see: docs/doctor.md#first-check",
        "second   1 skipped",
        "",
        "1 fault, 0 warnings, 1 ok, 1 skipped; --all shows every check",
    ]


def test_with_all_a_person_reads_every_check() -> None:
    lines = told(everything=True)
    assert "  ok first-check: fine" in lines
    assert "  skipped second-check: no cluster" in lines
    assert lines[-1] == "1 fault, 0 warnings, 1 ok, 1 skipped"


def test_a_program_reads_counts_and_every_finding() -> None:
    document = checkup_document(FINDINGS[:1], at=1.0, client="0.1.0", base="docs")
    assert document == {
        "at": 1.0,
        "version": "0.1.0",
        "ok": False,
        "counts": {"ok": 0, "warning": 0, "fault": 1, "skipped": 0},
        "findings": [
            {
                "code": "first-check",
                "group": "first",
                "severity": "fault",
                "found": "it is\nnot",
                "remedy": "do that",
                "see": "docs/doctor.md#first-check",
            }
        ],
    }


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([FIRST.ok("x"), SECOND.skipped("x")], 0),
        ([FIRST.warning(GROUND, "x", thing="x")], 0),
        (FINDINGS, 1),
        ([REACH.fault(GROUND, "away"), *FINDINGS], 2),
    ],
)
def test_the_exit_code_says_whether_something_is_wrong_or_nothing_could_be_asked(
    findings: list[Finding], code: int
) -> None:
    assert exit_code(findings) == code


def test_progress_is_quiet_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with asking() as progress:
        progress.say("x")
        progress.begin(["a", "b"])
        progress.done("a")
    assert capsys.readouterr() == ("", "")


def test_without_a_stack_it_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["doctor"], env={"HEADRACE_DOCS": "docs"})
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert "do:  headrace up --state .headrace" in lines
    assert "do:  headrace function new NAME --directory functions" in lines
    assert list(tmp_path.iterdir()) == [], "nothing is changed"
