"""The status page in headless Chromium: 10,000 tasks and 1,000 nodes, drawn and brought up to date."""

import asyncio
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench.figures import Spread, percentile, table
from tests.fixtures.browser import ARGUMENTS, chromium_path
from tests.fixtures.status_scenes import large
from tests.fixtures.status_site import Site, served

ROUNDS, CHANGES = 10, 20
SIZE = {"width": 1280, "height": 800}
# Each drawing as [the document's number, when, from hearing of it to the frame's end, scripts], milliseconds.
WATCH = """
window.drawings = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) {
    requestAnimationFrame(() => setTimeout(() => {
      const now = performance.now();
      window.drawings.push([each.detail, now, now - each.startTime, each.duration]);
    }));
  }
}).observe({ type: "measure" });
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds of each round or change, and bytes and elements."""

    painted: tuple[float, ...]
    drawn: tuple[float, ...]
    scripts: tuple[float, ...]
    updates: tuple[float, ...]
    document_bytes: int
    page_bytes: int
    elements: int


def measure() -> Figures:
    """Raises RuntimeError where there is no Chromium."""
    path = chromium_path()
    if path is None:
        raise RuntimeError("no chromium on PATH; as root: apt-get install chromium")
    with sync_playwright() as playwright, served(large(int(time.time()))) as site:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        firsts = [_first(browser, site) for _ in range(ROUNDS)]
        page = _opened(browser, site)
        updates = [_update(page, site, number) for number in range(CHANGES)]
        elements = page.evaluate("document.querySelectorAll('*').length")
        told = page.evaluate(
            "fetch('status.json').then((answer) => answer.arrayBuffer()).then((body) => body.byteLength)"
        )
        size = page.evaluate("performance.getEntriesByType('navigation')[0].decodedBodySize")
        browser.close()
    painted, drawn = zip(*firsts, strict=True)
    scripts, whole = zip(*updates, strict=True)
    return Figures(painted, drawn, scripts, whole, told, size, elements)


def _opened(browser: Browser, site: Site) -> Page:
    page = browser.new_context(viewport=SIZE).new_page()
    page.add_init_script(WATCH)
    page.goto(site.address)
    _wait(page, "() => window.drawings.length > 0")
    return page


def _wait(page: Page, is_so: str) -> None:
    """Until a function says yes; the page's policy forbids Playwright's own way, which evaluates text."""
    look = "const look = () => isSo() ? done() : setTimeout(look, 10); look();"
    page.evaluate(f"new Promise((done) => {{ const isSo = {is_so}; {look} }})")


def _first(browser: Browser, site: Site) -> tuple[float, float]:
    """From the navigation's start to the first paint, and to the first frame that shows the document."""
    page = _opened(browser, site)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    drawn = page.evaluate("window.drawings[0][1]")
    page.context.close()
    return float(paint), float(drawn)


def _update(page: Page, site: Site, number: int) -> tuple[float, float]:
    """Of one change of all nodes and lists: the scripts alone, and up to the frame that shows it."""
    site.change(**_changed(site.document, number))
    sequence = site.document["sequence"]
    _wait(page, f"() => window.drawings.some(([seen]) => seen === {sequence})")
    _, _, whole, scripts = next(each for each in page.evaluate("window.drawings") if each[0] == sequence)
    return float(scripts), float(whole)


def _changed(document: dict[str, Any], number: int) -> dict[str, Any]:
    """Every node in another state, every count another, a new failure and a new decision."""
    nodes = document["nodes"]
    states = [(each + 1) % len(nodes["stateNames"]) for each in nodes["states"]]
    functions = deepcopy(document["functions"])
    for each in functions["items"]:
        each |= {"waiting": each["waiting"] - 1, "done": each["done"] + 1}
    failed, decisions = deepcopy(document["failed"]), deepcopy(document["decisions"])
    failed["items"] = [failed["items"][0] | {"task": f"{number:032d}"}, *failed["items"][:-1]]
    decisions["items"] = [
        decisions["items"][0] | {"at": int(time.time()), "after": str(number)},
        *decisions["items"][:-1],
    ]
    totals = document["totals"] | {"waiting": document["totals"]["waiting"] - 20}
    return {
        "nodes": nodes | {"states": states},
        "functions": functions,
        "failed": failed,
        "decisions": decisions,
        "totals": totals,
        "pools": document["pools"],
        "course": document["course"],
    }


async def page(base: Path) -> str:
    """The section of docs/benchmarks.md."""
    del base
    found = await asyncio.to_thread(measure)
    rows = [
        ["navigation to first paint", *_told(found.painted), "1,000"],
        ["navigation to the first frame with the document", *_told(found.drawn), ""],
        ["a change of every node: scripts", *_told(found.scripts), ""],
        ["the same, from hearing of it to the end of the frame that shows it", *_told(found.updates), "200"],
    ]
    return (
        "## The status page\n\n"
        f"10,000 tasks of 20 functions on 1,000 nodes, in headless Chromium without a GPU, "
        f"{ROUNDS} openings and {CHANGES} changes of all nodes and functions; milliseconds by the browser's "
        f"clock. The document has {found.document_bytes / 1024:.0f} KiB of JSON (goal: 200), the page itself "
        f"{found.page_bytes / 1024:.0f} KiB, and what it draws {found.elements:,} elements.\n\n"
        + table(["", "median", "p95", "greatest", "goal"], rows)
    )


def _told(samples: tuple[float, ...]) -> list[str]:
    return [f"{Spread.of(samples).median:.0f}", f"{percentile(samples, 0.95):.0f}", f"{max(samples):.0f}"]
