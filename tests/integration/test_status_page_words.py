"""The status page's words for numbers, times and foreign text, as the browser makes them."""

from collections.abc import Iterator
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page

NOW = 1_764_241_200


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.add_script_tag(content=(files("headrace.status.page") / "words.js").read_text())
    yield page
    page.close()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("number(1234567)", "1,234,567"),
        ("number(null)", "\u2013"),
        ("counted(1, 'file')", "1 file"),
        ("counted(12480, 'file')", "12,480 files"),
        ("money(41.175)", "41.18"),
        ("money(12345.6)", "12,346"),
        ("bytes(0)", "0 B"),
        ("bytes(1023)", "1,023 B"),
        ("bytes(1536)", "1.5 KiB"),
        ("bytes(42949672960)", "40 GiB"),
        ("duration(0)", "0 s"),
        ("duration(0.35)", "350 ms"),
        ("duration(59.6)", "1 min"),
        ("duration(200)", "3 min 20 s"),
        ("duration(3599)", "1 h"),
        ("duration(7500)", "2 h 5 min"),
        ("duration(273600)", "3 d 4 h"),
        ("finely(2.34)", "2.3 s"),
        ("roughly(61)", "1 min"),
        ("roughly(59.7)", "1 min"),
        ("roughly(3580)", "1 h"),
        ("roughly(200000)", "2 d"),
        (f"relative({NOW - 42}, {NOW})", "42 s ago"),
        (f"relative({NOW + 42}, {NOW})", "in 42 s"),
        (f"relative({NOW}, {NOW + 1})", "now"),
        ("visible('a\\u202eb\\n\\u0000')", "a\\u{202e}b\\u{000a}\\u{0000}"),
        ("visible('\u00e9\U0001f9ea')", "\u00e9\U0001f9ea"),
        ("shortened('x'.repeat(90))", "x" * 90),
        ("shortened('a'.repeat(100) + '.dcm', 10)", "aaaaaa \u2026 .dcm"),
        ("stateOf('busy')", "busy"),
        ("stateOf('<b>')", "unknown"),
    ],
)
def test_what_is_said(page: Page, call: str, said: str) -> None:
    assert page.evaluate(call) == said
