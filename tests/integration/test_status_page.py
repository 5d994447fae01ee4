"""The status page in a real browser: what it shows, how old that is, and what hostile names do to it."""

import json
import re
import time
from collections.abc import Iterator
from copy import deepcopy

import pytest
from playwright.sync_api import Browser, expect

from headrace.local.process import free_ports
from tests.fixtures import status_documents, status_scenes
from tests.fixtures.status_site import Site, served
from tests.integration.status_browsing import (
    DESKTOP,
    PHONE,
    WAIT_MS,
    drawn,
    figure,
    log_in_by_menu,
    opened,
    text_of,
)

OBEYED = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)  # controls, and marks of direction
FIRST = "echo/2026-11/broken-header.dcm"


@pytest.fixture
def site() -> Iterator[Site]:
    with served(status_scenes.usual(int(time.time()))) as site:
        yield site


def test_it_shows_what_the_document_says(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        assert text_of(page, "h1").startswith(
            "1,240 files wait, 64 are being worked; the last will be done in about"
        )
        named = ("waiting", "running", "done", "failed", "workers", "nodes")
        assert [figure(page, name) for name in named] == ["1,240", "64", "12,480", "2", "68", "22"]
        echo = page.get_by_role("row", name=re.compile("^echo 1,204"))
        assert [echo.get_by_role("cell").nth(n).inner_text() for n in range(5)] == [
            "1,204", "52", "11,846", "2", "56 → 72",
        ]  # fmt: skip
        assert "1,204 files wait, more than 56 workers work off in time" in echo.inner_text()
        assert "no file yet: put one into s3://uploads/lab.view/" in text_of(page, "#functions")
        assert "12 GiB of 40 GiB free · 3 of 16 sessions" in text_of(page, "#gpus").replace("\u00a0", " ")
        assert "it does not answer" in text_of(page, "#gpus")
        assert "90 % less than always on" in text_of(page, "#cost")
        assert "2 nodes: off → booting" in text_of(page, "#decisions")
        assert page.title() == "1,240 waiting, 2 failed · lab cluster · Headrace"


def test_what_changes_is_shown_and_what_a_person_opened_stays_open(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        page.get_by_role("button", name="echo", exact=True).click()
        page.locator(".failed-file summary").first.click()
        totals = site.document["totals"] | {"waiting": 7, "failed": 3}
        functions = deepcopy(site.document["functions"])
        functions["items"][0] |= {"waiting": 7, "paused": True}
        new = status_documents.failed("echo", "2d" * 16, "echo/new.dcm", int(time.time()), "exit status 2")
        items = [new, *site.document["failed"]["items"]]
        site.change(totals=totals, functions=functions, failed={"total": 3, "items": items})
        expect(page.locator('[data-figure="waiting"] .value')).to_have_text("7")
        expect(page.locator(".failed-file")).to_have_count(3)
        expect(page.locator("#spoken")).to_have_text("1 more file failed")
        assert page.locator(".failed-file details[open]").count() == 1
        assert FIRST in page.locator(".failed-file details[open] .facts").inner_text()
        assert "a file takes" in text_of(page, "#functions .details-row:not([hidden])")
        expect(page.get_by_role("button", name="Resume echo")).to_be_visible()


def test_a_stack_without_anything_says_what_to_do(browser: Browser) -> None:
    with served(status_documents.empty(int(time.time()))) as site, opened(browser, site) as page:
        assert text_of(page, "h1") == "No function yet."
        assert "headrace function new NAME" in text_of(page, "#functions")
        told = {
            name: text_of(page, f"#{name} .empty")
            for name in ("failed", "nodes", "gpus", "decisions", "cost")
        }
        assert [name for name, text in told.items() if len(text) < 20] == []


def test_what_is_not_known_is_not_shown_as_nothing(browser: Browser, site: Site) -> None:
    site.document["totals"] |= {"waiting": None, "workers": None, "nodesOn": None, "nodes": None}
    site.document["functions"]["items"][0] |= {
        "waiting": None,
        "running": None,
        "workers": None,
        "wanted": None,
    }
    site.document["sources"][1] |= {"at": None, "error": "the queue does not answer"}
    with opened(browser, site) as page:
        assert text_of(page, "h1") == "How many files wait is not known now."
        assert [figure(page, name) for name in ("waiting", "workers", "nodes")] == ["\u2013"] * 3
        assert "the queue: the queue does not answer" in text_of(page, "#attention")
        assert text_of(page, "#functions .as-of") == "queue: no answer yet"


# Age


def test_old_data_is_said_to_be_old(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
        site.looks = False
        site.change(at=time.time() - 100)
        expect(page.locator("#freshness")).to_have_attribute("data-state", "stale")
        said = r"The service answers, but its data is 1 min \d+ s old: it has not looked since "
        assert re.match(said, text_of(page, "#banner"))
        assert figure(page, "waiting") == "1,240"
        site.looks = True
        expect(page.locator("#banner")).to_be_hidden()


def test_a_lost_service_is_said_and_what_was_known_stays_until_it_is_back(browser: Browser) -> None:
    port, document = free_ports(1)[0], status_scenes.usual(int(time.time()))
    with served(document, port=port) as site:
        context = browser.new_context()
        page = context.new_page()
        page.goto(site.address)
        drawn(page)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "lost", timeout=WAIT_MS)
    assert text_of(page, "#banner").startswith("The connection to the service is gone: ")
    assert "gone" in text_of(page, "#spoken")
    assert figure(page, "waiting") == "1,240"
    ground = "getComputedStyle(document.querySelector('main')).filter"
    assert page.evaluate(ground) == "grayscale(0.85)"
    document["totals"]["waiting"] = 5
    with served(document, port=port):
        expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=60_000)
        expect(page.locator('[data-figure="waiting"] .value')).to_have_text("5")
        assert text_of(page, "#spoken") == "The data is live again."
        context.close()


@pytest.mark.parametrize("events", ["refused", "held back"])
def test_where_no_event_gets_through_the_document_is_asked_for(
    browser: Browser, site: Site, events: str
) -> None:
    site.events = events
    with opened(browser, site) as page:
        site.document |= {"totals": site.document["totals"] | {"waiting": 3}, "at": time.time()}
        expect(page.locator('[data-figure="waiting"] .value')).to_have_text("3", timeout=60_000)
        expect(page.locator("#freshness-text")).to_contain_text("asked every 5 s")


def test_a_clock_that_is_wrong_here_does_not_make_data_old(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    wrong = "get: () => origin + 7200000"
    context.add_init_script(
        "const real = Date.now, origin = performance.timeOrigin; Date.now = () => real() + 7200000;"
        f"Object.defineProperty(Performance.prototype, 'timeOrigin', {{ {wrong} }});"
    )
    page = context.new_page()
    page.goto(site.address)
    drawn(page)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    assert "2 min ago" in text_of(page, ".failed-side")
    context.close()


def test_times_are_told_exactly_where_asked(browser: Browser, site: Site) -> None:
    with opened(browser, site, timezone_id="UTC") as page:
        moment = page.locator(".failed-side time").first
        exact = moment.get_attribute("title")
        assert re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC", exact or "")
        assert moment.inner_text().endswith(" ago")
        page.get_by_role("button", name="Exact times").click()
        expect(moment).to_have_text(str(exact))


# Names from outside


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_hostile_names_are_text_and_stay_in_their_place(browser: Browser, size: tuple[int, int]) -> None:
    document = status_scenes.hostile(int(time.time()))
    with served(document) as site:
        site.logs[f"{0:032x}"] = "\u202e<img src=x onerror=alert(1)>\x1b[31m\n"
        with opened(browser, site, size) as page:
            dialogs: list[str] = []
            page.on("dialog", lambda dialog: dialogs.append(dialog.message))
            log_in_by_menu(page, size)
            page.locator(".failed-file summary").first.click()
            expect(page.locator(".log pre")).to_contain_text(
                "\\u{202e}<img src=x onerror=alert(1)>\\u{001b}[31m"
            )
            page.locator("#functions .opener").first.click()
            page.locator("details.list summary").first.click()
            assert page.title().endswith("Headrace")
            assert (
                page.locator("img, iframe, script, object, a[href^='javascript']").count() == 1
            )  # its script
            shown = page.locator("body").inner_text()
            assert (
                re.search(r"[\u0000-\u0008\u000b-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)
                is None
            )
            assert page.evaluate("document.documentElement.scrollWidth") == size[0]
            assert dialogs == []


# Size


def test_ten_thousand_tasks_and_a_thousand_nodes_cost_few_elements_and_bytes(browser: Browser) -> None:
    document = status_scenes.large(int(time.time()))
    assert len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()) < 200 * 1024
    with served(document) as site, opened(browser, site) as page:
        count = "document.querySelectorAll('*').length"
        assert (before := page.evaluate(count)) < 3000
        for turn in range(3):
            states = [(each + turn) % len(status_documents.STATES) for each in document["nodes"]["states"]]
            site.change(nodes=document["nodes"] | {"states": states})
            page.wait_for_selector(f'main[data-drawn="{site.document["sequence"]}"]')
        assert page.evaluate("document.querySelectorAll('*').length") <= before + 50, (
            "changes leave nothing behind"
        )
        page.locator("#nodes details.list summary").click()
        expect(page.locator("#nodes table tbody tr")).to_have_count(50)
        page.get_by_label("Show nodes whose name").fill("failed")
        expect(page.locator("#nodes .pager p")).to_contain_text("1 to ")
