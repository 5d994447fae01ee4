"""Which files of the checkout are pages of the site, and what they link to."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from markdown_it.token import Token

from tools.pages.commonmark import reader

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "ansible/*.md",
    "ansible/roles/*/README.md",
    *(f"functions/{each}/*.md" for each in ("echo", "thumbnail")),  # those of one's own are no pages
    "tests/toolchain/**/README.md",
)
ASSETS = ("docs/images/**/*.*", "docs/*.png", "docs/assets/*", "docs/reference/*.json")


def pages() -> list[str]:
    """Paths in the checkout."""
    return _found(PAGES)


def files() -> list[str]:
    """Pages, what they show, and every other file that one of them links to."""
    linked = {target for page in pages() for link in links_of(page) if (target := beside(page, link))}
    return sorted({*pages(), *_found(ASSETS), *(each for each in linked if (ROOT / each).is_file())})


def _found(globs: Iterable[str]) -> list[str]:
    return sorted({str(each.relative_to(ROOT)) for glob in globs for each in ROOT.glob(glob)})


def links_of(page: str) -> Iterator[str]:
    """What a page's links and pictures lead to, as it is written."""
    for token in _flat(reader().parse((ROOT / page).read_text(encoding="utf-8"))):
        target = token.attrGet("href") or token.attrGet("src")
        if target:
            yield str(target)


def _flat(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def beside(page: str, link: str) -> str:
    """The path in the checkout that a link leads to; empty: it leads elsewhere, or within the page."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    return normpath(f"{page}/../{unquote(parts.path)}")


def address(path: str) -> str:
    """Where a file is on the site, from its root."""
    place = path.removeprefix("docs/") if path != "docs/README.md" else "pages.md"
    if not place.endswith(".md"):
        return place
    stem = place.removesuffix(".md")
    return f"{stem.removesuffix('README')}index.html" if stem.endswith("README") else f"{stem}.html"
