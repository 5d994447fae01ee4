"""Looks through the built site: each link leads somewhere, and nothing is asked of another host."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urlsplit

# Attributes by which a page loads something, and by which it only points there.
_LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
_POINTS = {("a", "href")}


@dataclass
class _Page(HTMLParser):
    """Its anchors, what it loads and what it points to."""

    anchors: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)
    pointed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what matters of one element."""
        for name, value in attrs:
            if value is None:
                continue
            if name in ("id", "name"):
                self.anchors.add(value)
            if (tag, name) in _LOADS:
                self.loaded.append(value)
            elif (tag, name) in _POINTS:
                self.pointed.append(value)


def faults(site: Path) -> Iterator[str]:
    """What is wrong, a line each."""
    pages = {str(file.relative_to(site)): _read(file) for file in site.rglob("*.html")}
    for name, page in pages.items():
        yield from (f"{name} loads {each} from another host" for each in page.loaded if _is_outside(each))
        for link in (*page.loaded, *page.pointed):
            if not _is_outside(link):
                yield from _lost(site, pages, name, link)


def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def _is_outside(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "mailto")


def _lost(site: Path, pages: dict[str, _Page], name: str, link: str) -> Iterator[str]:
    parts = urlsplit(link)
    if parts.scheme == "data" or name == "404.html":  # whose links are those of the site's root
        return
    target = normpath(f"{name}/../{unquote(parts.path)}") if parts.path else name
    target = f"{target}/index.html" if (site / target).is_dir() else target
    if not (site / target).is_file():
        yield f"{name} links to {link}, which is not there"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        yield f"{name} links to {link}, which has no such anchor"


if __name__ == "__main__":
    found = sorted(set(faults(Path(sys.argv[1]))))
    sys.stderr.writelines(f"{each}\n" for each in found)
    sys.exit(bool(found))
