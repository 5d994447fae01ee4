"""The status page behind the real oauth2-proxy, started as docs/status.md says: logins by OpenID Connect."""

import json
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from headrace.local.process import Process, answers, free_ports
from headrace.model.settings import Settings
from tests.documents.reading import blocks_of
from tests.stack import started, write_function
from tests.toolchain.needed import toolchain

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
WAIT_MS = 60_000
START_SECONDS = 60.0
PASSWORD = "of-everybody"
PEOPLE = ("ann", "bob")
SPEC = """\
  run: {script: script.sh}
  input: [{bucket: uploads, prefix: in/}]
  output: [{bucket: results}]
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where people reach the page: the proxy before a status service of a stack that runs."""
    programs, base = toolchain("oauth2-proxy", "oidc-provider").bin, tmp_path_factory.mktemp("oidc")
    ports = dict(zip(("page", "provider", "proxy"), free_ports(3), strict=True))
    address = f"http://127.0.0.1:{ports['proxy']}"
    write_function(base / "functions", "copy", SPEC, {"script.sh": "#!/bin/sh\n"})
    with ExitStack() as stack:
        _, settings = stack.enter_context(started(base / "state", base / "functions", workers=1))
        command = [
            sys.executable,
            "-m",
            "headrace.status",
            "--settings",
            str(_behind(settings, base, ports, address)),
        ]
        stack.enter_context(_running("page", command, base, ports["page"]))
        people = base / "people.json"
        people.write_text(json.dumps({name: _person(name) for name in PEOPLE}))
        redirect = f"{address}/oauth2/callback"
        provider = [str(programs / "oidc-provider"), str(ports["provider"]), str(people), redirect]
        stack.enter_context(_running("provider", provider, base, ports["provider"]))
        stack.enter_context(_running("proxy", _as_the_docs_say(programs, base, ports), base, ports["proxy"]))
        yield address


def _behind(settings: Settings, base: Path, ports: Mapping[str, int], address: str) -> Path:
    proxy = {
        "identityHeader": "X-Forwarded-Email",
        "addresses": ["127.0.0.1/32"],
        "origins": [address],
        "users": ["ann@example.org"],
    }
    document = json.loads(settings.to_json())
    document["status"] |= {"port": ports["page"], "token": "", "names": "hidden", "proxy": proxy}
    path = base / "status.json"
    path.write_text(json.dumps(document))
    return path


def _person(name: str) -> dict[str, Any]:
    email = f"{name}@example.org"
    return {"ID": name, "Username": name, "Password": PASSWORD, "Email": email, "EmailVerified": True}


def _as_the_docs_say(programs: Path, base: Path, ports: Mapping[str, int]) -> list[str]:
    """The command of the page, for addresses of this machine and without TLS."""
    page = next(block.text for block in blocks_of("docs/status.md") if "oauth2-proxy --" in block.text)
    command = shlex.split(page.partition("oauth2-proxy ")[2])
    assert {each.partition("=")[0] for each in command} >= {"--provider", "--email-domain"}
    (base / "client.secret").write_text("secret")
    here = {
        "--oidc-issuer-url": f"http://127.0.0.1:{ports['provider']}/",
        "--client-secret-file": str(base / "client.secret"),
        "--http-address": f"127.0.0.1:{ports['proxy']}",
        "--upstream": f"http://127.0.0.1:{ports['page']}/",
    }
    options = dict(option.partition("=")[::2] for option in command) | here
    mine = ["--cookie-secure=false", f"--redirect-url=http://127.0.0.1:{ports['proxy']}/oauth2/callback"]
    return [str(programs / "oauth2-proxy"), *(f"{name}={value}" for name, value in options.items()), *mine]


@contextmanager
def _running(name: str, command: list[str], base: Path, port: int) -> Iterator[None]:
    secret = {"OAUTH2_PROXY_COOKIE_SECRET": secrets.token_hex(16)}
    process = Process.start(name, command, log=base / f"{name}.log", environment=secret)
    try:
        process.wait_until(lambda: answers(port), seconds=START_SECONDS)
        yield
    finally:
        process.stop(seconds=10)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def _log_in(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Login").click()
    page.wait_for_selector("main[data-drawn]")


def test_who_may_act_logs_in_sees_events_at_once_and_pauses(page: Page, address: str) -> None:
    _log_in(page, address, "ann")
    expect(page.locator("#freshness-text")).to_contain_text("live")
    expect(page.locator("#who")).to_have_text("Logged in: ann@example.org")
    page.get_by_role("button", name="Pause copy").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#said")).to_contain_text("copy is paused")
    expect(page.get_by_role("button", name="Resume copy")).to_be_visible()


def test_who_is_let_in_and_may_not_act_is_told_so(page: Page, address: str) -> None:
    _log_in(page, address, "bob")
    page.get_by_role("button", name="Pause copy").or_(page.get_by_role("button", name="Resume copy")).click()
    expect(page.locator("#said")).to_contain_text("bob@example.org may not do this")


def test_nobody_gets_past_the_proxy_or_takes_another_name(page: Page, address: str) -> None:
    forged = {"X-Forwarded-Email": "ann@example.org"}
    nobody = page.request.get(f"{address}/status.json", headers=forged, max_redirects=0)
    assert nobody.status in (302, 403)
    _log_in(page, address, "bob")
    assert page.request.get(f"{address}/session.json", headers=forged).json()["user"] == "bob@example.org"
    sent = page.request.post(
        f"{address}/actions/pause", headers={**forged, "Origin": address}, data={"function": "copy"}
    )
    assert sent.status == 403
