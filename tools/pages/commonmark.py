"""Markdown as the code host reads it: an extension of Python-Markdown that has CommonMark's parser read it.

Python-Markdown has rules of its own for lists, blocks and tables, so a file would look right in one place
alone. This hands the parsing to markdown-it (https://spec.commonmark.org/0.31.2/, and GitHub's tables) and
gives the tree back; tables of contents, anchors and checked links stay Python-Markdown's and mkdocs'.
"""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from markdown import Extension, Markdown
from markdown.util import AMP_SUBSTITUTE
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_ENTITY = re.compile(r"&(?=(?:#\d+|#x[0-9a-f]+|[0-9a-z]+);)", re.IGNORECASE)


def reader() -> MarkdownIt:
    """CommonMark with GitHub's tables, as whoever reads these files has to read them."""
    return MarkdownIt("commonmark", {"xhtmlOut": True}).enable("table")


def _fence(_self: RendererHTML, tokens: Sequence[Token], at: int, _options: object, _env: object) -> str:
    token = tokens[at]
    language = token.info.split()[0] if token.info else "text"
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    code = highlight(token.content, lexer, HtmlFormatter(nowrap=True))
    return f'<div class="language-{lexer.aliases[0]} highlight"><pre><code>{code}</code></pre></div>\n'


class _Parser:
    """Stands where Python-Markdown's parser of blocks stood."""

    def __init__(self) -> None:
        self._reader = reader()
        self._reader.add_render_rule("fence", _fence)

    def parseDocument(self, lines: Sequence[str]) -> "ET.ElementTree[ET.Element]":  # noqa: N802  (Markdown's name)
        """Raises ElementTree's ParseError where a page has HTML of its own that is no XML."""
        html = self._reader.render("\n".join(lines))
        # A page is this repository's own; what it may hold beside text is a comment.
        root = ET.fromstring(f"<div>{html}</div>")  # noqa: S314
        for each in root.iter():
            each.text, each.tail = _kept(each.text), _kept(each.tail)
        for table in root.iter("table"):
            _name_cells(table)
        return ET.ElementTree(root)


def _name_cells(table: "ET.Element[str]") -> None:
    """Each cell knows the head of its column, which a phone shows beside it."""
    heads = ["".join(each.itertext()).strip() for each in table.iter("th")]
    for row in table.iterfind("tbody/tr"):
        for head, cell in zip(heads, row.findall("td"), strict=True):
            if head:
                cell.set("data-head", head)


def _kept(text: str | None) -> str | None:
    """Text that reads like an entity stays text: Python-Markdown's serialiser would leave it as it is."""
    return text and _ENTITY.sub(f"{AMP_SUBSTITUTE}amp;", text)


class CommonMark(Extension):  # type: ignore[misc]  # untyped, as all of Markdown
    """Takes out what would read Markdown a second time."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  (Markdown's name)
        for name in [each.name for each in md.preprocessors._priority]:  # noqa: SLF001  (it has no other list)
            md.preprocessors.deregister(name)
        md.treeprocessors.deregister("inline")
        md.parser = _Parser()


def makeExtension(**options: Any) -> CommonMark:  # noqa: ANN401, N802  (Markdown's name and types)
    """What Python-Markdown calls."""
    return CommonMark(**options)
