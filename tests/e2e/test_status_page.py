"""The status page before a real stack: a file fails and is replayed, a service that stands still is told."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from playwright.sync_api import Browser, Page, expect

from headrace.model.settings import Settings
from tests.stack import started, write_function

WAIT_MS = 90_000
FILES = 8
SPEC = """\
  run: {script: script.sh}
  input: [{bucket: uploads, prefix: in/}]
  output: [{bucket: results}]
  delivery: {attempts: 1}
  scale: {idleSeconds: 3}
"""
SCRIPT = """\
#!/bin/sh
sleep 1
if grep -q unreadable "$INPUT_FILE_PATH" && ! test -e MENDED; then
  echo "no picture in it" >&2
  exit 3
fi
cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/"
"""


class Site:
    """A stack that runs, with one function that can't read one kind of file until it is mended."""

    def __init__(self, base: Path, settings: Settings) -> None:
        assert settings.status is not None
        self.base = base
        self.address = f"http://{settings.status.host}:{settings.status.port}/"
        self.token = settings.status.token
        store = settings.storage
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name=store.region,
        )

    def put(self, name: str, body: bytes) -> None:
        self.client.put_object(Bucket="uploads", Key=f"in/{name}", Body=body)

    def mend(self) -> None:
        (self.base / "mended").touch()

    def signal(self, number: int) -> None:
        """To the process of the status service."""
        told = json.loads((self.base / "state" / "stack.json").read_text())
        os.kill(told["processes"]["status"], number)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    script = SCRIPT.replace("MENDED", str(tmp_path / "mended"))
    write_function(tmp_path / "functions", "copy", SPEC, {"script.sh": script})
    with started(tmp_path / "state", tmp_path / "functions", workers=2) as (_, settings):
        yield Site(tmp_path, settings)


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if "Security Policy" in told.text else None)
    page.goto(site.address)
    yield page
    context.close()
    assert faults == []


def figure(page: Page, name: str) -> Any:
    return page.locator(f'[data-figure="{name}"] .value')


def test_files_come_one_fails_and_is_replayed(page: Page, site: Site) -> None:
    expect(page.locator("#functions")).to_contain_text(
        "no file yet: put one into s3://uploads/in/", timeout=WAIT_MS
    )
    for number in range(FILES):
        site.put(f"{number}.txt", b"a picture")
    site.put("<img src=x onerror=alert(1)>.txt", b"unreadable")
    expect(page.locator("#decisions")).to_contain_text("0 → ", timeout=WAIT_MS)
    expect(figure(page, "done")).to_have_text(str(FILES), timeout=WAIT_MS)
    expect(figure(page, "failed")).to_have_text("1", timeout=WAIT_MS)
    expect(page.locator("#attention")).to_contain_text("1 file has failed")
    expect(page.locator("#nodes .strip path.state-busy[d]")).to_be_attached(timeout=WAIT_MS)
    expect(page.locator("#nodes .legend")).to_contain_text("idle", timeout=WAIT_MS)
    expect(figure(page, "workers")).to_have_text("0", timeout=WAIT_MS)

    site.mend()
    failed = page.locator(".failed-file")
    failed.locator("summary").click()
    page.get_by_role("button", name="Log in to read the log").click()
    page.get_by_label("Token").fill(site.token)
    page.keyboard.press("Enter")
    expect(failed.locator("pre")).to_have_text("no picture in it\n")
    failed.get_by_role("button", name="Replay").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.locator("#said")).to_contain_text("1 file of copy queued again", timeout=WAIT_MS)
    expect(figure(page, "done")).to_have_text(str(FILES + 1), timeout=WAIT_MS)
    expect(page.locator("#failed")).to_contain_text("No file has failed.", timeout=WAIT_MS)
    expect(page.locator("h1")).to_have_text(f"Nothing waits. {FILES + 1} files done.")


def test_who_has_logged_in_pauses_a_function_and_disables_a_node(page: Page, site: Site) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Token").fill(site.token)
    page.keyboard.press("Enter")
    for press, said in (("Pause copy", "copy is paused"), ("Resume copy", "copy goes on")):
        page.get_by_role("button", name=press).click(timeout=WAIT_MS)
        page.get_by_role("dialog").get_by_role("button", name=press.partition(" ")[0]).click()
        expect(page.locator("#said")).to_contain_text(said, timeout=WAIT_MS)
    page.locator("canvas.node-grid").click(position={"x": 5, "y": 5}, timeout=WAIT_MS)
    page.get_by_role("button", name="Disable node local").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.locator(".chosen")).to_contain_text("disabled", timeout=WAIT_MS)
    expect(page.get_by_role("button", name="Enable node local")).to_be_visible()


def test_a_service_that_stands_still_is_told_and_so_is_one_that_is_gone(page: Page, site: Site) -> None:
    expect(figure(page, "waiting")).to_have_text("0", timeout=WAIT_MS)
    site.signal(signal.SIGSTOP)
    expect(page.locator("#banner")).to_contain_text("connection to the service is gone", timeout=WAIT_MS)
    expect(figure(page, "waiting")).to_have_text("0")
    site.signal(signal.SIGCONT)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
    site.put("1.txt", b"a picture")
    expect(figure(page, "done")).to_have_text("1", timeout=WAIT_MS)
    site.signal(signal.SIGKILL)
    expect(page.locator("#freshness")).not_to_have_attribute("data-state", "live", timeout=WAIT_MS)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
    expect(figure(page, "done")).to_have_text("1", timeout=WAIT_MS)
