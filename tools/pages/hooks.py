"""mkdocs' hooks: the pages are files of the checkout, by the paths that they have there.

So a link between two files is right on the code host and on the site, and what it leads to (a stack's file, a
licence) is on the site as well. Addresses leave `docs/` out.
"""

from pathlib import Path
from posixpath import normpath

from urllib.parse import unquote, urlsplit

from markdown_it.token import Token
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


from tools.pages.commonmark import reader

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "ansible/*.md",
    "ansible/roles/*/README.md",
    "functions/*/*.md",
    "tests/toolchain/**/README.md",
)
ASSETS = ("docs/images/*", "docs/*.png", "docs/assets/*", "docs/reference/*.json")


def pages() -> list[str]:
    """The pages' paths in the checkout."""
    return sorted({str(each.relative_to(ROOT)) for glob in PAGES for each in ROOT.glob(glob)})


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Replaces what mkdocs found in docs_dir; what the theme brings stays."""
    brought = [each for each in files if not each.src_dir or Path(each.src_dir) != Path(config.docs_dir)]
    found = pages()
    assets = {str(each.relative_to(ROOT)) for glob in ASSETS for each in ROOT.glob(glob) if each.is_file()}
    linked = {target for page in found for target in _linked_files(page)}
    own = [_file(path, config) for path in sorted({*found, *assets, *linked})]
    return Files([*own, *brought])


def _file(path: str, config: MkDocsConfig) -> File:
    site = path.removeprefix("docs/")
    if path.endswith(".md"):
        site = f"{site.removesuffix('.md').removesuffix('README')}"
        site = f"{site or ''}index.html" if not site or site.endswith("/") else f"{site}.html"
    file = File(path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=site)
    return file


def _linked_files(page: str) -> set[str]:
    """Files that are no pages and that the page links to."""
    tokens = reader().parse((ROOT / page).read_text(encoding="utf-8"))
    return {
        target
        for link in links(tokens)
        if (target := beside(page, link)) and not target.endswith(".md") and (ROOT / target).is_file()
    }


def links(tokens: list[Token]) -> list[str]:
    """What a page's links and pictures lead to, as it is written."""
    flat = [each for token in tokens for each in (token, *(token.children or ()))]
    targets = [each.attrGet("href") or each.attrGet("src") for each in flat]
    return [str(target) for target in targets if target]


def beside(page: str, link: str) -> str:
    """The path in the checkout that a link leads to; empty for one that leads elsewhere or within the page."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    return normpath(f"{page}/../{unquote(parts.path)}")


