"""Commands and programs of the docs are run as they stand, on real servers, and print what the docs show."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.documents import checkout
from tests.documents.newcomer import lacking, newcomer
from tests.documents.reading import ROOT, Block, blocks_of
from tests.documents.running import PageError, matches, run_page
from tests.documents.surroundings import Surroundings, plain, whole
from tests.documents.survey import LONG, OUTPUT, RUN, SHELL, STAYS, TEXT, blocks_for
from tests.toolchain.needed import leave_out


def pages_with(place: str) -> list[str]:
    """Pages of which blocks are run there; empty: on any machine, in seconds."""
    return list(dict.fromkeys(block.page for block in blocks_for(place) if RUN in block.words))


PAGES, LONG_PAGES = pages_with(""), pages_with(LONG)
FDL = b"""\
functions:
  oscar:
  - oscar-cluster:
      name: cowsay
      image: registry.example/cowsay
      script: cowsay.sh
      input: [{storage_provider: minio.default, path: cowsay/in}]
      output: [{storage_provider: minio.default, path: cowsay/out}]
"""
# What a page takes for granted that its reader has.
FILES = {
    "docs/events.md": {
        "delivery.json": (ROOT / "tests/fixtures/notifications/minio/put.json").read_bytes(),
    },
    "docs/from-oscar.md": {"fdl.yaml": FDL, "cowsay.sh": b'cowsay <"$INPUT_FILE_PATH"\n'},
    "docs/simulate.md": {"listing.json": (ROOT / "docs/examples/simulate/listing.json").read_bytes()},
}
SETTINGS = """\
import json
from pathlib import Path

from headrace.local.process import free_ports

settings = json.loads(Path(".headrace/settings.json").read_text())
settings["receiver"]["port"] = free_ports(1)[0]  # a second one, beside the stack's own
Path("settings.json").write_text(json.dumps(settings))
"""


def before(text: str, *words: str, language: str = SHELL) -> Block:
    return Block("before the page", 1, language, words, text)


UP = (
    before("headrace up --no-browser\n", RUN, STAYS),
    before("Headrace is up.  …\n…\n", OUTPUT, language=TEXT),
)
CLONE = before("git clone ADDRESS headrace && cd headrace\n", RUN)
# What is done before a page: it takes for granted that its reader has a stack, or a checkout.
BEFORE = {
    "README.md": (CLONE,),
    "docs/demo.md": (CLONE, before('export PATH="$PWD/.venv/bin:$PATH"\n', RUN)),
    "docs/doctor.md": UP,
    "docs/events.md": (*UP, before(SETTINGS, RUN, language="python")),
}
# Pages that begin with nothing.
NEWCOMERS = ("README.md", "docs/demo.md", "docs/quick-start.md")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    assert run_page(list(blocks_of(page)), plain(tmp_path, FILES.get(page, {})), tmp_path) > 0


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("page", LONG_PAGES)
def test_a_page_does_what_it_says_where_that_takes_minutes(page: str, tmp_path: Path) -> None:
    if page in NEWCOMERS and (reason := lacking(tmp_path / "none")):
        leave_out(reason)
    here = newcomer(tmp_path) if page in NEWCOMERS else whole(tmp_path, FILES.get(page, {}))
    assert run_page([*BEFORE.get(page, ()), *blocks_of(page)], here, tmp_path) > 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["demo", "dev"])
def test_nothing_is_installed_into_a_python_that_is_lent(name: str, tmp_path: Path) -> None:
    place = checkout.make(tmp_path)
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\nexit 3\n")
    uv.chmod(0o755)
    environ = {**os.environ, "PATH": f"{uv.parent}:{os.environ['PATH']}"}
    call = ["sh", "tools/bootstrap.sh", name]
    told = subprocess.run(call, cwd=place, env=environ, check=False, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("told", "wanted", "same"),
    [
        ("a\nb\n", "a\nb", True),
        ("a  \nb\n\n", "a\nb\n", True),
        ("a\nb\n", "a", False),
        ("3 files in 1.2 s\n", "3 files in … s", True),
        ("3 files in 1.2 s\nmore\n", "3 files in … s", False),
        ("one\ntwo\nthree\n", "one\n…\nthree", True),
        ("one\nthree\n", "one\n…\nthree", True),
        ("a+b\n", "a.b", False),
        ("name   1\n", "name 1", True),
        ("name 1\n", "name1", False),
    ],
)
def test_an_output_is_as_it_is_shown(told: str, wanted: str, same: bool) -> None:
    assert matches(told, wanted) is same


def block(text: str, *words: str, language: str = "sh") -> Block:
    return Block("page.md", 1, language, words, text)


@pytest.mark.parametrize(
    ("blocks", "fault"),
    [
        ([block("false\ntrue\n", "run")], "ended with 1"),
        ([block("false && true\n", "run")], "ended with 1"),
        ([block("echo a\n", "run"), block("b\n", "output", language="text")], "but found\na"),
        ([block("true\n", "run", "fails")], "ended with 99"),
        ([block("raise SystemExit(3)\n", "run", language="python")], "ended with 3"),
    ],
)
def test_a_page_that_does_something_else_is_found_out(
    blocks: list[Block], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(PageError, match=fault):
        run_page(blocks, plain(tmp_path, {}), tmp_path)


def test_blocks_share_folder_and_variables_and_what_stays_ends_with_the_page(tmp_path: Path) -> None:
    blocks = [
        block("mkdir new; cd new; NAME=x\n", "run"),
        block("echo $NAME in $(basename $PWD)\n", "run"),
        block("x in new\n", "output", language="text"),
        block(
            "sh -c 'echo up; trap \"echo down; exit 0\" TERM; while :; do sleep 0.05; done'   # it stays\n",
            "run",
            "stays",
        ),
        block("up\n", "output", language="text"),
        block("print('here')\n", "run", language="python"),
        block("here\n", "output", language="text"),
        block("exit 2\n", "run", "fails"),
    ]
    assert run_page(blocks, plain(tmp_path, {}), tmp_path) == 5
    assert (tmp_path / "3.out").read_text() == "up\ndown\n"


@pytest.mark.parametrize(("place", "run"), [("", ["all"]), ("box", ["all", "box"]), ("lab", ["all", "lab"])])
def test_a_block_that_says_where_is_run_there_alone(place: str, run: list[str], tmp_path: Path) -> None:
    blocks = [
        block("echo all >>said\n", "run"),
        block("echo box >>said\n", "run", "box"),
        block("echo lab >>said\n", "run", "lab"),
        block("echo none >>said\n"),
    ]
    here = plain(tmp_path, {})
    assert run_page(blocks, Surroundings(here.checkout, here.environ, place), tmp_path) == len(run)
    assert (here.checkout / "said").read_text().split() == run
