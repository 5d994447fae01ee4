"""Each error has a stable code and a place in the docs, which the command line names."""

import json
import pickle
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.cli.docs import docs_base, error_document, lines, see
from headrace.cli.main import app
from headrace.model import errors
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError, TransientError
from headrace.model.troubles import HEADINGS, Trouble, anchor, page_of

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
FOUND = re.findall(r"^#{1,6} (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("trouble", Trouble)
def test_the_docs_have_a_place_of_that_very_heading_for_each_code(trouble: Trouble) -> None:
    assert FOUND.count(HEADINGS[trouble]) == 1
    assert f"`{trouble}`" in PAGE, "the code is told below its heading"


def test_no_two_codes_have_one_place() -> None:
    assert len({page_of(each) for each in Trouble}) == len(Trouble) == len(HEADINGS)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("No stack here", "no-stack-here"),
        ("The queue's certificate is not trusted", "the-queues-certificate-is-not-trusted"),
        ("A name, that no-one has", "a-name-that-no-one-has"),
    ],
)
def test_an_anchor_is_that_of_markdowns_readers(heading: str, expected: str) -> None:
    assert anchor(heading) == expected


def test_each_kind_of_error_has_a_code_of_its_own() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and each is not Trouble]
    assert len({kind("x").trouble for kind in kinds}) == len(kinds) == 8


def test_a_nearer_code_takes_the_place_of_the_kinds_and_outlives_a_pickle() -> None:
    error = ConfigurationError("x", trouble=Trouble.NO_STACK)
    assert (error.trouble, ConfigurationError("x").trouble) == (Trouble.NO_STACK, Trouble.CONFIGURATION)
    again = pickle.loads(pickle.dumps(error))
    assert (again.trouble, str(again)) == (Trouble.NO_STACK, "x")


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("docs", "docs/troubleshooting.md#no-stack-here"),
        ("https://docs.example/headrace", "https://docs.example/headrace/troubleshooting.html#no-stack-here"),
    ],
)
def test_the_place_is_a_file_in_a_folder_and_a_page_on_a_site(base: str, expected: str) -> None:
    assert see(page_of(Trouble.NO_STACK), base) == expected


def test_the_docs_are_the_checkouts_unless_a_variable_names_others(tmp_path: Path) -> None:
    package, elsewhere = tmp_path / "checkout" / "headrace", tmp_path / "elsewhere"
    package.mkdir(parents=True)
    elsewhere.mkdir()
    assert docs_base({}, package=package, here=elsewhere) == "docs", "installed without them"
    folder = package.parent / "docs"
    folder.mkdir()
    assert docs_base({}, package=package, here=package.parent) == "docs"
    assert docs_base({}, package=package, here=elsewhere) == str(folder)
    named = {"HEADRACE_DOCS": "https://docs.example/"}
    assert docs_base(named, package=package, here=elsewhere) == "https://docs.example"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            NotFoundError("no stack", trouble=Trouble.NO_STACK),
            ("headrace: no stack", "see docs/troubleshooting.md#no-stack-here"),
        ),
        (TransientError("nothing nearer is known"), ("headrace: nothing nearer is known",)),
    ],
)
def test_a_person_is_sent_to_the_docs_where_they_tell_more(
    error: HeadraceError, expected: tuple[str, ...]
) -> None:
    assert lines(error, "docs") == expected


def test_a_program_reads_the_code_of_every_error() -> None:
    assert error_document(TransientError("later"), "docs") == {
        "error": {
            "code": "away",
            "message": "later",
            "see": "docs/troubleshooting.md#a-server-does-not-answer",
        }
    }


def test_the_command_line_says_where_to_read_on(tmp_path: Path) -> None:
    arguments = ["status", "--state", str(tmp_path / "none")]
    environment = {"HEADRACE_DOCS": "docs"}
    told = CliRunner().invoke(app, arguments, env=environment)
    assert told.exit_code == 2
    assert told.stderr.splitlines()[-1] == "see docs/troubleshooting.md#no-stack-here"
    as_json = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
    assert (as_json.exit_code, as_json.stdout) == (2, "")
    assert json.loads(as_json.stderr)["error"]["code"] == "no-stack"
