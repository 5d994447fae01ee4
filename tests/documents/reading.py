"""Pages, their blocks of code and what stands in `backticks` in their text."""

import itertools
from collections.abc import Iterator
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


def quoted_in(page: str) -> Iterator[Quoted]:
    line = 0
    for token in tokens_of(page):
        line = token.map[0] + 1 if token.map else line
        for child in token.children or ():
            if child.type == "code_inline":
                yield Quoted(page, line, " ".join(child.content.split()))


def headings_of(page: str) -> Iterator[Heading]:
    tokens = tokens_of(page)
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            yield Heading(page, (token.map or [0])[0] + 1, text)
