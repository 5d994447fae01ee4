"""Whether `headrace up` opens a browser: as a person chose, else where he most likely sits before one."""

import webbrowser
from pathlib import Path

import pytest

from headrace.cli.browsing import is_wished, open_page


@pytest.mark.parametrize(
    ("chosen", "terminal", "display", "opens"),
    [
        (None, True, ":0", True),
        (None, False, ":0", False),
        (None, True, "", False),
        (True, False, "", True),
        (False, True, ":0", False),
    ],
)
def test_when_it_opens(monkeypatch, chosen, terminal, display, opens):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert is_wished(chosen, terminal=terminal) is opens


def test_a_mac_has_a_browser_wherever_there_is_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert is_wished(None, terminal=True)


def test_the_token_stands_in_a_file_and_in_no_command_line(monkeypatch, tmp_path):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert open_page(tmp_path / "status.html")
    assert opened == [f"file://{tmp_path}/status.html"]


def test_without_a_browser_it_says_so(monkeypatch):
    def none(_: str) -> bool:
        raise webbrowser.Error("no browser")

    monkeypatch.setattr(webbrowser, "open", none)
    assert not open_page(Path("/state/status.html"))
