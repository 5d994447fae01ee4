"""Pages, their blocks of code and what stands in `backticks` in their text."""

import itertools
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it.token import Token

from tools.pages.commonmark import reader
from tools.pages.files import ROOT, pages

HISTORY = ("CHANGELOG.md", "ansible/CHANGELOG.md", "docs/adr/")  # they tell what was, not what is


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `words` stand behind its language; `line` is that of its first line of code."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Quoted:
    """Code within a sentence or a table; `line` is that of its paragraph or row."""

    page: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Heading:
    page: str
    line: int
    text: str


def current_pages() -> list[str]:
    """Pages that tell how it is now."""
    return [page for page in pages() if not page.startswith(HISTORY)]


@cache
def tokens_of(page: str) -> tuple[Token, ...]:
    return tuple(reader().parse((ROOT / page).read_text(encoding="utf-8")))


def blocks_of(page: str) -> Iterator[Block]:
    for token in tokens_of(page):
        if token.type in ("fence", "code_block"):
            language, *words = token.info.split() or [""]
            assert token.map is not None
            first = token.map[0] + (2 if token.type == "fence" else 1)
            yield Block(page, first, language, tuple(words), token.content)


def section(page: str, first: str = "", *, before: str = "") -> list[Block]:
    """Blocks from one heading, else the page's beginning, until another, else its end."""
    lines = {each.text: each.line for each in headings_of(page)}
    begin, end = lines[first] if first else 0, lines[before] if before else sys.maxsize
    return [block for block in blocks_of(page) if begin < block.line < end]


def quoted_in(page: str) -> Iterator[Quoted]:
    line = 0
    for token in tokens_of(page):
        line = token.map[0] + 1 if token.map else line
        for child in token.children or ():
            if child.type == "code_inline":
                yield Quoted(page, line, " ".join(child.content.split()))


def first_cells(page: str, heads: Collection[str]) -> Iterator[tuple[int, str]]:
    """(line, code) of the first column of each table whose first head is one of these."""
    wanted, column, line = False, 0, 0
    for token in tokens_of(page):
        if token.type == "table_open":
            wanted = False
        if token.type == "tr_open":
            column, line = 0, (token.map or [line])[0] + 1
        if token.type in ("th_close", "td_close"):
            column += 1
        if token.type == "inline" and column == 0:
            codes = [child.content for child in token.children or () if child.type == "code_inline"]
            yield from ((line, code) for code in codes if wanted)
            wanted = wanted or token.content in heads


def headings_of(page: str) -> Iterator[Heading]:
    tokens = tokens_of(page)
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            yield Heading(page, (token.map or [0])[0] + 1, text)
