"""Rows of the status page's tables in an order that a person chooses, in a real browser."""

import time
from collections.abc import Iterator
from copy import deepcopy

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.fixtures import status_scenes
from tests.fixtures.status_site import Site, served
from tests.integration.status_browsing import DESKTOP, PHONE, opened
from tests.integration.test_status_page_acts import focused, grave_faults, tab_to

FUNCTIONS = "#functions .function-row th bdi"


@pytest.fixture
def site() -> Iterator[Site]:
    with served(status_scenes.usual(int(time.time()))) as site:
        yield site


def names(page: Page, selector: str = FUNCTIONS) -> list[str]:
    return page.locator(selector).all_inner_texts()


def sort(page: Page, panel: str, column: str) -> None:
    page.locator(f"#{panel}").get_by_role("button", name=column, exact=True).click()


def sorted_by(page: Page, panel: str = "functions") -> list[tuple[str, str]]:
    """The headings that say how the rows are sorted."""
    heads = page.locator(f"#{panel} th[aria-sort]").all()
    return [(each.inner_text(), str(each.get_attribute("aria-sort"))) for each in heads]


def test_a_heading_sorts_the_other_way_when_pressed_again_and_then_lets_go(
    browser: Browser, site: Site
) -> None:
    items = site.document["functions"]["items"]
    given = [each["name"] for each in items]
    with opened(browser, site) as page:
        assert (names(page), sorted_by(page)) == (given, [])
        sort(page, "functions", "Function")
        assert (names(page), sorted_by(page)) == (sorted(given), [("Function", "ascending")])
        expect(page.locator("#spoken")).to_have_text("Sorted by Function, ascending")
        sort(page, "functions", "Function")
        assert (names(page), sorted_by(page)) == (sorted(given, reverse=True), [("Function", "descending")])
        sort(page, "functions", "Function")
        assert (names(page), sorted_by(page)) == (given, [])
        sort(page, "functions", "Waiting")
        most = sorted(items, key=lambda each: -each["waiting"])
        assert (names(page), sorted_by(page)) == (
            [each["name"] for each in most], [("Waiting", "descending")],
        )  # fmt: skip


def test_the_order_is_kept_over_changes_and_what_was_opened_stays_open(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        sort(page, "functions", "Waiting")
        last = names(page)[-1]
        page.get_by_role("button", name=last, exact=True).click()
        functions = deepcopy(site.document["functions"])
        for each in functions["items"]:
            each["waiting"] = 5000 if each["name"] == last else each["waiting"]
        site.change(functions=functions)
        expect(page.locator(FUNCTIONS).first).to_have_text(last)
        assert focused(page) == last
        assert page.locator("#functions .details-row:not([hidden])").count() == 1
        assert sorted_by(page) == [("Waiting", "descending")]


@pytest.mark.parametrize("presses", [1, 2], ids=["descending", "ascending"])
def test_what_is_not_known_comes_last_whichever_way(browser: Browser, site: Site, presses: int) -> None:
    unknown = site.document["functions"]["items"][0]
    unknown["waiting"] = None
    with opened(browser, site) as page:
        for _ in range(presses):
            sort(page, "functions", "Waiting")
        assert names(page)[-1] == unknown["name"]


def test_it_is_sorted_by_keys_alone(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        tab_to(page, "Function")
        page.keyboard.press("Enter")
        assert sorted_by(page) == [("Function", "ascending")]
        page.keyboard.press("Space")
        assert sorted_by(page) == [("Function", "descending")]
        assert focused(page) == "Function"


def test_of_many_nodes_and_workers_the_first_in_order_are_shown(browser: Browser) -> None:
    document = status_scenes.large(int(time.time()))
    with served(document) as site, opened(browser, site) as page:
        page.locator("#nodes details.list summary").click()
        page.locator("#nodes .pager").get_by_role("button", name="Further").click()
        sort(page, "nodes", "Node")
        sort(page, "nodes", "Node")
        shown = names(page, "#nodes table tbody th bdi")
        assert len(shown) == 50
        assert shown[0] == max(document["nodes"]["names"], key=_by_number)
        assert [_by_number(each) for each in shown] == sorted(map(_by_number, shown), reverse=True)
        sort(page, "workers", "Files")
        held = [int(each) for each in page.locator("#workers td[data-label=Files]").all_inner_texts()]
        assert held == sorted(document["workers"]["held"], reverse=True)[: len(held)]
        assert "longest" not in page.locator("#workers p.quiet").inner_text()


def _by_number(name: str) -> tuple[str, int]:
    """`cpu-10` behind `cpu-9`, as people count."""
    pool, _, number = name.rpartition("-")
    return pool, int(number)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_no_grave_fault_in_sorted_tables(
    browser: Browser, site: Site, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, site, size, color_scheme=scheme) as page:
        for each in page.locator("details.list > summary").all():
            each.click()
        for panel, column in {
            "functions": "Waiting", "nodes": "State", "workers": "For", "cost": "Pool", "sources": "Source",
        }.items():  # fmt: skip
            sort(page, panel, column)
            assert len(sorted_by(page, panel)) == 1
        assert grave_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
