"""The status page of a real stack: files on their way, actions, events, a source that falls silent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headrace.local.process import free_ports
from headrace.model.settings import Settings
from tests.integration.test_up import Up, poll, write_function

FAILING = """\
#!/bin/sh
echo "looking at $INPUT_FILE_PATH"
if grep -q bad "$INPUT_FILE_PATH" && [ ! -e {mended} ]; then exit 3; fi
while grep -q slow "$INPUT_FILE_PATH" && [ ! -e {mended} ]; do sleep 0.1; done
cat "$INPUT_FILE_PATH" > "$TMP_OUTPUT_DIR/out.txt"
"""
ORIGIN, SECRET = "https://status.example.org", "secret-between-proxy-and-us"


@dataclass
class Site:
    """A running stack with its page."""

    up: Up
    settings: Settings

    @property
    def mended(self) -> Path:
        """While it is there no file fails or is slow."""
        return self.up.state.parent / "mended"

    @property
    def address(self) -> str:
        assert self.settings.status is not None
        return f"http://127.0.0.1:{self.settings.status.port}"

    @property
    def bearer(self) -> dict[str, str]:
        assert self.settings.status is not None
        return {"Authorization": f"Bearer {self.settings.status.token}"}

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(f"{self.address}/{path}", headers=headers, timeout=30)

    def act(self, action: str, sent: Mapping[str, str], **headers: str) -> httpx2.Response:
        return httpx2.post(f"{self.address}/actions/{action}", json=sent, headers=headers, timeout=30)

    def put(self, key: str, content: bytes) -> None:
        self.up.client().put_object(Bucket="uploads", Key=f"in/{key}", Body=content)

    def once(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first document of which that holds."""

        def found() -> dict[str, Any] | None:
            document = self.get("status.json").json()
            return document if holds(document) else None

        return dict(poll(f"document in which {what}: {self.get('status.json').text[:3000]}", found))

    def once_function(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return self.once(what, lambda document: holds(_function(document)))


def _function(document: Mapping[str, Any]) -> dict[str, Any]:
    return next((each for each in document["functions"]["items"] if each["name"] == "sort"), {"done": None})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("status")
    up = Up(folder / "state", folder / "functions")
    write_function(up.functions, "sort", "uploads", "  delivery: {attempts: 1}\n")
    (up.functions / "sort" / "script.sh").write_text(FAILING.format(mended=folder / "mended"))
    up.start()
    try:
        yield Site(up, Settings.from_json((up.state / "settings.json").read_bytes()))
    finally:
        for process in up.processes:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def test_a_file_waits_runs_and_is_done(site: Site) -> None:
    first = site.once_function("nothing is there", lambda it: it["done"] == 0 and it["waiting"] == 0)
    assert first["stack"]["runtime"] == "host"
    for number in range(4):
        site.put(f"slow{number}", b"slow")
    site.once_function("files run", lambda it: it["running"] > 0 and it["working"])
    site.once_function("all are there", lambda it: it["waiting"] + it["running"] == 4)
    site.once("workers are heard", lambda it: it["workers"]["nodes"][:1] == ["local"])
    site.mended.touch()
    done = site.once_function("all are done", lambda it: it["done"] == 4 and not it["running"])
    assert _function(done)["forecast"]["text"] == "nothing is left to do"
    assert any(each["about"] == "workers" and each["name"] == "sort" for each in done["decisions"]["items"])
    assert done["pools"][0]["name"] == "local"
    assert done["cost"]["cost"] is None
    site.mended.unlink()


def test_a_failed_file_is_replayed_by_who_has_the_token_and_nobody_else(site: Site) -> None:
    site.put("bad", b"bad")
    document = site.once("it has failed", lambda it: it["failed"]["total"] == 1)
    (failed,) = document["failed"]["items"]
    assert (failed["key"], failed["attempts"], failed["reason"]) == ("in/bad", 1, "exit code 3")
    assert site.get(failed["log"]).status_code == 401
    log = site.get(failed["log"], **site.bearer).json()
    assert log["text"].startswith("looking at ")
    sent = {"function": "sort", "task": failed["task"]}
    assert site.act("replay", sent).status_code == 401
    assert site.act("replay", sent, Authorization="Bearer wrong").status_code == 401
    site.mended.touch()
    before = _function(document)["done"]
    assert site.act("replay", sent, **site.bearer).json()["changed"] == 1
    site.once(
        "it is done",
        lambda it: it["failed"]["total"] == 0 and _function(it)["done"] == before + 1,
    )
    site.mended.unlink()


def test_a_paused_function_and_a_disabled_node_are_shown_and_heeded(site: Site) -> None:
    assert site.act("pause", {"function": "sort"}, **site.bearer).status_code == 200
    site.once_function("it is paused", lambda it: it["paused"])
    assert site.act("disable", {"node": "local"}, **site.bearer).status_code == 200
    site.once("the node is disabled", lambda it: it["nodes"]["enabled"] == [False])
    assert site.act("enable", {"node": "local"}, **site.bearer).status_code == 200
    site.once("the node is enabled", lambda it: it["nodes"]["enabled"] == [True])
    assert site.act("resume", {"function": "sort"}, **site.bearer).status_code == 200
    site.once_function("it goes on", lambda it: it["paused"] is False)


@contextlib.contextmanager
def _events(site: Site, mark: str = "") -> Iterator[Iterator[tuple[str, str, dict[str, Any]]]]:
    headers = {"Last-Event-ID": mark} if mark else {}
    with httpx2.stream("GET", f"{site.address}/events", headers=headers, timeout=30) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        yield _parsed(answer.iter_lines())


def _parsed(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])
            fields = {}
        else:
            fields = {}


def test_events_go_on_where_a_lost_connection_ended(site: Site) -> None:
    page: dict[str, Any] = {}
    with _events(site) as events:
        kind, mark, data = next(events)
        assert kind == "document"
        page |= data
    site.mended.touch()
    done = _function(page)["done"]
    site.put("later", b"later")
    site.once_function("it is done", lambda it: it["done"] == done + 1)
    with _events(site, mark) as events:
        kind, _, data = next(events)
        assert kind == "change"
        assert "stack" not in data
        page |= data
        while _function(page)["done"] != done + 1:
            page |= next(events)[2]
    assert set(page) == set(site.get("status.json").json())
    site.mended.unlink()


def test_a_source_that_falls_silent_is_told_and_the_others_go_on(site: Site) -> None:
    nats = site.up.told()["processes"]["nats"]

    def source(document: Mapping[str, Any], name: str) -> dict[str, Any]:
        return dict(next(each for each in document["sources"] if each["name"] == name))

    before = site.once("the queue answers", lambda it: source(it, "queue")["error"] is None)
    os.kill(nats, signal.SIGSTOP)
    try:
        silent = site.once("the queue is silent", lambda it: source(it, "queue")["error"] is not None)
    finally:
        os.kill(nats, signal.SIGCONT)
    assert source(silent, "queue")["at"] >= source(before, "queue")["at"]
    assert source(silent, "queue")["errorSince"] is not None
    assert source(silent, "functions")["error"] is None
    assert _function(silent)["waiting"] == _function(before)["waiting"]
    site.once("the queue answers again", lambda it: source(it, "queue")["error"] is None)


@pytest.fixture
def behind_proxy(site: Site, tmp_path: Path) -> Iterator[Site]:
    """A second page on the same stack, whose logins a proxy makes."""
    assert site.settings.status is not None
    proxy = {
        "identityHeader": "X-Forwarded-Email",
        "secret": SECRET,
        "origins": [ORIGIN],
        "users": ["ann@example.org"],
    }
    own = {"port": free_ports(1)[0], "token": "", "names": "hidden", "proxy": proxy}
    document = json.loads(site.settings.to_json())
    document["status"] = {**document["status"], **own}
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(document))
    with (tmp_path / "status.log").open("wb") as log:
        command = [sys.executable, "-m", "headrace.status", "--settings", str(path)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    found = Site(site.up, Settings.from_json(path.read_bytes()))
    try:
        poll("document of the second page", lambda: _answers(found))
        yield found
    finally:
        process.terminate()
        assert process.wait(30) == 0, (tmp_path / "status.log").read_text()


def _answers(site: Site) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return site.get("status.json").status_code == 200
    return False


def test_a_proxy_s_people_see_names_and_only_some_may_act(behind_proxy: Site) -> None:
    def login(name: str, **more: str) -> dict[str, str]:
        return {"X-Forwarded-Email": name, "X-Headrace-Proxy": SECRET, **more}

    ann, bob = login("ann@example.org", Origin=ORIGIN), login("bob@example.org", Origin=ORIGIN)
    forged = {"X-Forwarded-Email": "ann@example.org", "Origin": ORIGIN}
    assert behind_proxy.get("session.json", **ann).json()["user"] == "ann@example.org"
    assert behind_proxy.get("session.json", **forged).json()["user"] is None
    assert behind_proxy.get("status.json").json()["stack"]["namesHidden"] is True
    assert behind_proxy.get("status.json", **bob).json()["stack"]["namesHidden"] is False
    sent = {"function": "sort"}
    statuses = [
        behind_proxy.act("pause", sent, **headers).status_code
        for headers in (forged, bob, login("ann@example.org"), ann)
    ]
    assert statuses == [401, 403, 403, 200]
    assert behind_proxy.act("resume", sent, **ann).status_code == 200


def test_what_was_reckoned_goes_on_after_a_restart(site: Site) -> None:
    begun = site.get("status.json").json()
    process = site.up.processes[-1]
    process.send_signal(signal.SIGINT)
    process.wait(60)
    site.up.start()
    after = site.once("it is told again", lambda it: it["cost"]["since"] is not None)
    assert after["instance"] != begun["instance"]
    assert after["cost"]["since"] == begun["cost"]["since"]
    assert after["decisions"]["total"] >= begun["decisions"]["total"] >= 1
    assert after["course"]["times"][0] == begun["course"]["times"][0]
