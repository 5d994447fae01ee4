"""Commands and programs of the docs are run as they stand, on real servers, and print what the docs show."""

from pathlib import Path

import pytest

from tests.documents.reading import ROOT, Block, blocks_of, current_pages
from tests.documents.running import PageError, matches, run_page
from tests.documents.surroundings import Surroundings, plain
from tests.documents.survey import RUN, where

PAGES = [
    page
    for page in current_pages()
    if any(RUN in block.words and not where(block) for block in blocks_of(page))
]
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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    assert run_page(list(blocks_of(page)), plain(tmp_path, FILES.get(page, {})), tmp_path) > 0


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
