"""The site in a real browser, opened from a folder: it asks nobody, is searched, and fits a phone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tools.pages.files import ROOT, address, pages

# Tables of many columns, long commands, pictures, the longest page.
WIDE = [
    "docs/benchmarks.md",
    "docs/reference/stack.md",
    "docs/concepts.md",
    "docs/on-premises.md",
    "README.md",
]
SEARCH_MILLISECONDS = 30_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--site-dir", folder]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return folder


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose errors and requests to other hosts fail the test."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: None if is_own(asked.url) else wrong.append(asked.url))
    yield opened
    context.close()
    assert wrong == []


def is_own(url: str) -> bool:
    return url.startswith(("file:", "data:", "about:", "blob:"))


def at(site: Path, path: str) -> str:
    return (site / address(path)).as_uri()


@pytest.mark.parametrize("path", WIDE)
def test_a_page_is_not_wider_than_a_phone(page: Page, site: Path, path: str) -> None:
    page.goto(at(site, path))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_is_dark_where_the_system_is(page: Page, site: Path) -> None:
    page.goto(at(site, "README.md"))
    assert page.evaluate("document.body.getAttribute('data-md-color-scheme')") == "slate"


def test_it_is_searched_without_a_server(page: Page, site: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(at(site, "README.md"))
    page.locator("input.md-search__input").fill("replay")
    found = page.locator(".md-search-result__item")
    found.first.wait_for(timeout=SEARCH_MILLISECONDS)
    assert "replay" in found.first.inner_text().lower()
    assert "commands.html" in found.first.locator("a").first.get_attribute("href")


def test_a_row_of_a_table_names_its_columns_on_a_phone(page: Page, site: Path) -> None:
    page.goto(at(site, "docs/reference/bucket.md"))
    head = "getComputedStyle(document.querySelector('td[data-head]:nth-child(2)'), '::before').content"
    assert page.evaluate(head).replace('" "', "") == '"type: "'


def test_every_page_of_the_checkout_is_there(site: Path) -> None:
    assert [path for path in pages() if not (site / address(path)).is_file()] == []
