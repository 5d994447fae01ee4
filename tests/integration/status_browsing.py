"""The status page opened in a browser, as its tests do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.fixtures.status_site import TOKEN, Site

DESKTOP, PHONE = (1280, 800), (360, 740)
WAIT_MS = 20_000


@contextmanager
def opened(browser: Browser, site: Site, size: tuple[int, int] = DESKTOP, **options: Any) -> Iterator[Page]:
    """The page, drawn; at the end it must have asked nobody else, and have run into no fault."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if "Security Policy" in told.text else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.address)
    drawn(page)
    yield page
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith((site.address, "data:"))] == []


def drawn(page: Page) -> None:
    page.wait_for_selector("main[data-drawn]")


def log_in(page: Page) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def text_of(page: Page, selector: str) -> str:
    return page.locator(selector).first.inner_text()


def log_in_by_menu(page: Page, size: tuple[int, int]) -> None:
    if size == PHONE:
        page.get_by_role("button", name="Menu").click()
    log_in(page)


def figure(page: Page, name: str) -> str:
    return text_of(page, f'[data-figure="{name}"] .value')
