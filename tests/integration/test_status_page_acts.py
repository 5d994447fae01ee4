"""The status page in a real browser: acting on the stack, by mouse and by keys, and what axe says of it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.fixtures import status_documents, status_scenes
from tests.fixtures.status_site import TOKEN, Site, served
from tests.integration.status_browsing import DESKTOP, PHONE, drawn, log_in, log_in_by_menu, opened

TABS = 200  # more than the page has stops
GRAVE = ("serious", "critical")
FIRST = "echo/2026-11/broken-header.dcm"


@pytest.fixture
def site() -> Iterator[Site]:
    with served(status_scenes.usual(int(time.time()))) as site:
        yield site


def test_a_failed_file_is_replayed_after_a_login_and_a_question(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        press = page.get_by_role("button", name=f"Replay {FIRST}")
        press.click()
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("dialog").get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("Not let in: the service does not know this token.")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        asked = page.get_by_role("dialog", name="Replay this file?")
        expect(asked).to_contain_text(FIRST)
        assert site.acted == []
        asked.get_by_role("button", name="Replay").click()
        expect(page.locator("#said")).to_contain_text("replay: done")
        assert site.acted == [("replay", {"function": "echo", "task": "0f" * 16})]
        assert page.evaluate("[Object.keys(localStorage), Object.keys(sessionStorage)]") == [
            [],
            ["headrace-token"],
        ]
        assert TOKEN not in page.url
        page.reload()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_what_is_refused_says_why(browser: Browser, site: Site) -> None:
    site.answers["pause"] = (409, "echo is paused already")
    with opened(browser, site) as page:
        log_in(page)
        page.get_by_role("button", name="Pause echo").click()
        page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        expect(page.locator("#said")).to_contain_text("Not done: echo is paused already")
        page.get_by_role("button", name="Pause segment").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert site.acted == []


def test_a_node_is_chosen_and_disabled(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        log_in(page)
        page.locator("canvas.node-grid").nth(1).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("End")
        expect(page.locator(".chosen h3")).to_have_text("gpu-23")
        page.keyboard.press("Home")
        expect(page.locator(".chosen")).to_contain_text("then busy")
        page.get_by_role("button", name="Disable node gpu-0").click()
        expect(page.get_by_role("dialog")).to_contain_text("Its 8 workers finish the files that they compute")
        page.get_by_role("dialog").get_by_role("button", name="Disable").click()
        expect(page.locator("#said")).to_contain_text("disable: done")
        assert site.acted == [("disable", {"node": "gpu-0"})]


def test_a_stack_that_nobody_may_act_on_shows_no_buttons(browser: Browser, site: Site) -> None:
    site.document["stack"]["login"] = "none"
    with opened(browser, site) as page:
        shown = page.get_by_role("button").all_inner_texts()
        assert {text for text in shown if text in ("Replay", "Pause", "Log in")} == set()


def test_whom_a_proxy_let_in_is_named_and_asked_for_no_token(browser: Browser, site: Site) -> None:
    site.document["stack"]["login"], site.person = "proxy", "ann@example.org <b>"
    with opened(browser, site) as page:
        expect(page.locator("#who")).to_have_text("Logged in: ann@example.org <b>")
        expect(page.locator("#login")).to_be_hidden()
        assert page.get_by_role("button", name="Pause echo").is_visible()


def test_a_token_in_the_address_is_taken_off_it(browser: Browser, site: Site) -> None:
    page = browser.new_page()
    page.goto(f"{site.address}#token={TOKEN}")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert page.url == site.address
    page.close()


# For everybody


def grave_faults(page: Page) -> list[str]:
    """What axe finds that is serious or critical, with where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in GRAVE
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_no_grave_fault(browser: Browser, site: Site, size: tuple[int, int], scheme: str) -> None:
    site.logs["0f" * 16] = "Traceback (most recent call last):\n  ValueError: no pixel data\n"
    with opened(browser, site, size, color_scheme=scheme) as page:
        assert grave_faults(page) == []
        log_in_by_menu(page, size)
        open_all(page)
        assert grave_faults(page) == []
        page.get_by_role("button", name=f"Replay {FIRST}").click()
        assert grave_faults(page) == []
        page.keyboard.press("Escape")
        site.looks = False
        site.change(at=time.time() - 100)
        expect(page.locator("#banner")).to_be_visible()
        assert grave_faults(page) == []


def test_axe_would_find_one(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        page.evaluate("document.querySelector('main').append(document.createElement('button'))")
        assert [each.split(":")[0] for each in grave_faults(page)] == ["button-name"]


def open_all(page: Page) -> None:
    page.locator(".failed-file summary").first.click()
    expect(page.locator(".log pre")).to_be_visible()
    page.locator("#functions .opener").first.click()
    for each in page.locator("details.list > summary").all():
        each.click()
    page.locator("canvas.node-grid").nth(1).focus()
    page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("make", [status_documents.empty, status_scenes.large], ids=["empty", "large"])
def test_axe_finds_no_grave_fault_in_an_empty_and_a_large_stack(
    browser: Browser, make: Callable[[int], Any]
) -> None:
    with served(make(int(time.time()))) as site, opened(browser, site) as page:
        assert grave_faults(page) == []


def focused(page: Page) -> str:
    """What has the focus: its name for people."""
    script = "e => e.getAttribute('aria-label') ?? e.textContent.trim()"
    return str(page.evaluate(f"({script})(document.activeElement)"))


def tab_to(page: Page, name: str) -> None:
    for _ in range(TABS):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"no way to {name} by Tab")


def test_keys_alone_reach_a_replay_and_lead_back(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        tab_to(page, f"Replay {FIRST}")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "what has the focus is seen"
        page.keyboard.press("Enter")
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="Replay this file?")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("replay: done")
        assert focused(page) == f"Replay {FIRST}"
        rest = [each for each in site.document["failed"]["items"] if each["task"] != "0f" * 16]
        site.change(failed={"total": 1, "items": rest})
        expect(page.locator(".failed-file")).to_have_count(1)
        assert focused(page) == "Failed files", "the focus goes to what is nearest when its place is gone"


def test_no_place_holds_the_keys_for_ever(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        stops = []
        for _ in range(TABS):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            stops.append(focused(page))
        assert len(stops) < TABS
        assert stops[0] == "Skip to the content"
        assert "Functions" in stops


def test_the_theme_is_the_systems_until_a_person_chooses(browser: Browser, site: Site) -> None:
    with opened(browser, site, color_scheme="dark") as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.get_by_role("button", name="Theme: system").click()
        light = page.evaluate(ground)
        assert (dark, light) == ("rgb(14, 21, 26)", "rgb(243, 246, 247)")
        page.reload()
        drawn(page)
        assert page.evaluate(ground) == light
        page.get_by_role("button", name="Theme: light").click()
        assert page.evaluate(ground) == dark


def test_nothing_moves_for_who_wants_it_still(browser: Browser, site: Site) -> None:
    with opened(browser, site, reduced_motion="reduce") as page:
        assert page.evaluate("document.getAnimations().length") == 0
    with opened(browser, site) as page:
        assert page.evaluate("document.getAnimations().length") > 0, "there is something to still"
