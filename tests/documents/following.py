"""A page as its reader follows it: with his own names and addresses, and with what it tells him to write.

as_followed(page, words={"10.0.0.": "10.99.1."}, written={"cp -r ansible/": folder_of_files})
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.documents.reading import Block, blocks_of
from tests.documents.running import PageError


def as_followed(
    page: str, words: Mapping[str, str], written: Mapping[str, Path] | None = None
) -> Iterator[Block]:
    """A page's blocks as a reader follows them. Raises PageError where the page has nothing of that.

    `words`: what he puts into the place of what the page says. `written`: behind the one line of this
    beginning he puts a folder's files into the checkout: what the page has told him to write.
    """
    blocks = list(blocks_of(page))
    lines = [line for block in blocks for line in block.text.splitlines()]
    for word in words:
        if not any(word in line for line in lines):
            raise PageError(f"{page} has no {word!r} for which a reader has his own")
    for start in written or {}:
        if sum(line.startswith(start) for line in lines) != 1:
            raise PageError(f"{page} has not one line that begins with {start!r}, behind which to write")
    for block in blocks:
        told = "".join(f"{line}\n{_copying(line, written or {})}" for line in block.text.splitlines())
        yield replace(block, text=changed(told, words))


def _copying(line: str, written: Mapping[str, Path]) -> str:
    folders = [folder for start, folder in written.items() if line.startswith(start)]
    return "".join(f"cp -rp {shlex.quote(str(folder))}/. .\n" for folder in folders)


def changed(text: str, words: Mapping[str, str]) -> str:
    """A text with a reader's own words in it."""
    for word, own in words.items():
        text = text.replace(word, own)
    return text
