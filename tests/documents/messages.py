"""Messages that the docs quote, against those that the source has."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.documents.reading import ROOT, blocks_of, tokens_of

TROUBLES = "docs/troubleshooting.md"
GAP = "\0"  # in a message of the source: a value
_WORD = re.compile(r"['(]?[a-z'-]+[).,:;]*")
_FORMAT = re.compile(r"%[sdrg]")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_HEADS = (
    "it says",
    "you see",
    "`headrace explain` says",
    "`headrace explain NODE` says",
    "it waits, and explain says",
)


def quoted_messages(page: str) -> Iterator[tuple[int, str]]:
    """(line, message) of first columns of tables that tell what is said, and of TROUBLES' blocks of text."""
    if page == TROUBLES:
        for block in blocks_of(page):
            lines = enumerate(block.text.splitlines()) if block.language == "text" else ()
            yield from ((block.line + at, line) for at, line in lines)
    wanted, column, line = False, 0, 0
    for token in tokens_of(page):
        if token.type == "table_open":
            wanted = False
        if token.type == "tr_open":
            column, line = 0, (token.map or [line])[0] + 1
        if token.type in ("th_close", "td_close"):
            column += 1
        if token.type == "inline" and column == 0:
            if token.content in _HEADS:
                wanted = True
            elif wanted and token.level > 3:
                yield from (
                    (line, child.content) for child in token.children or () if child.type == "code_inline"
                )


def is_said(message: str) -> bool:
    """Whether each part of it, between what is left out, stands in a message of the source."""
    parts = [" ".join(part.split()) for part in message.split("…")]
    patterns = [re.compile(_loosely(part)) for part in parts if part.strip(".,:;")]
    return bool(patterns) and all(any(pattern.search(each) for each in said()) for pattern in patterns)


def _loosely(part: str) -> str:
    """Numbers and names of examples may stand where the source has a value; plain words are its own."""
    words = part.split(" ")
    return " ".join(
        re.escape(word) if _WORD.fullmatch(word) else f"(?:{re.escape(word)}|[^ ]*{GAP}[^ ]*)"
        for word in words
    )


@cache
def said() -> tuple[str, ...]:
    found = {text for folder in ("headrace", "infra") for text in _of_python(folder)}
    found |= {_plain(_JINJA.sub(GAP, file.read_text())) for file in (ROOT / "ansible").rglob("*.yml")}
    found |= {_plain(file.read_text()) for file in (ROOT / "headrace").rglob("*.sh")}
    return tuple(sorted(found))


def _of_python(folder: str) -> Iterator[str]:
    for file in (ROOT / folder).rglob("*.py"):
        if not file.name.endswith("_pb2.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.JoinedStr | ast.BinOp) or (
                    isinstance(node, ast.Constant) and isinstance(node.value, str)
                ):
                    yield _plain(_text(node))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(each) for each in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return GAP


def _plain(text: str) -> str:
    return " ".join(_FORMAT.sub(GAP, text).split())
