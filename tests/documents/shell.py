"""Blocks of shell as the simple commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_PUNCTUATION = ";&|()<>"
_INNER = re.compile(r"\$\(([^()]*)\)")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)")
_OPENING = ("do", "then", "else", "!", "{")
_CLOSING = ("done", "fi", "esac", "}")
_HEADS = ("for", "while", "until", "if", "case")


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words without quotes, assignments and redirections. `line` counts from 0."""

    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)


def commands(text: str) -> Iterator[Command]:
    """Every simple command of a block, those of pipes, lists, loops and substitutions too.

    Raises ValueError for a quotation that is not closed.
    """
    for line, statement in _statements(text):
        lexer = shlex.shlex(statement, posix=True, punctuation_chars=_PUNCTUATION)
        lexer.whitespace_split = True
        yield from _simple(line, list(lexer))
        for inner in _INNER.findall(statement) if '"' in statement else ():
            yield from commands(inner)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines, each with those that go on with it."""
    held, first, document = "", 0, ""
    for number, line in enumerate(text.splitlines()):
        if document:  # what a command reads (<<WORD) is no command
            document = "" if line.strip() == document else document
            continue
        first = first if held else number
        held += line
        if line.endswith("\\"):
            held = held[:-1]
            continue
        try:
            shlex.split(held, comments=True)
        except ValueError:
            held += "\n"  # a quotation goes on
            continue
        document = _document(held)
        yield first, held
        held = ""
    if held:
        raise ValueError(f"line {first}: a quotation is not closed: {held!r}")


def _document(statement: str) -> str:
    """The word that ends what a command reads from the lines below it; empty: it reads none."""
    found = _DOCUMENT.search(statement)
    return found[1] if found else ""


def _simple(line: int, tokens: list[str]) -> Iterator[Command]:
    words: list[str] = []
    skips = False
    for token in [*tokens, ";"]:
        if token and set(token) <= set(_PUNCTUATION):
            skips = set(token) <= set("<>&") and bool(set(token) & set("<>"))
            if not skips:
                yield from _command(line, words)
                words = []
        elif skips:
            skips = False
        else:
            words.append(token)


def _command(line: int, words: list[str]) -> Iterator[Command]:
    while words and (words[0] in _OPENING or _ASSIGNED.match(words[0])):
        words = words[1:]
    if words and words[0] not in (*_CLOSING, "$"):
        if words[0] in _HEADS and words[0] != "if":
            return
        yield Command(line, tuple(words[1:] if words[0] == "if" else words))
