"""The list of what a run left out, and that a server takes no skipped test for a passed one."""

from types import SimpleNamespace

import pytest

from tests.fixtures import left_out


def skipped(nodeid: str, reason: str) -> SimpleNamespace:
    return SimpleNamespace(nodeid=nodeid, longrepr=("test_x.py", 1, f"Skipped: {reason}"))


def finished(monkeypatch: pytest.MonkeyPatch, ci: str, exit_status: int, reports: list) -> int:
    monkeypatch.setenv("CI", ci)
    reporter = SimpleNamespace(stats={"skipped": reports})
    manager = SimpleNamespace(get_plugin=lambda name: reporter)
    session = SimpleNamespace(config=SimpleNamespace(pluginmanager=manager), exitstatus=exit_status)
    left_out.pytest_sessionfinish(session)
    return int(session.exitstatus)


def test_each_reason_is_one_line_with_all_that_it_left_out():
    reports = [
        skipped("a::x[1]", "no GPU"),
        skipped("b::y", "no GPU"),
        skipped("a::x[2]", "no GPU"),
        skipped("c", "?"),
    ]
    assert left_out.reasons(reports) == ["no GPU: a::x (2 cases), b::y", "?: c"]


def test_deselected_tests_are_named_where_they_take_minutes_and_counted_otherwise():
    assert left_out.deselected({"a::x": True, "b::y": False, "c::z": True, "d": False}) == [
        "takes minutes, run by `make e2e-long`: a::x, c::z",
        "not asked for by the command line: 2 tests",
    ]
    assert left_out.deselected({}) == []


@pytest.mark.parametrize(
    ("ci", "exit_status", "reports", "expected"),
    [
        ("true", 0, [skipped("a", "r")], 1),
        ("true", 0, [], 0),
        ("", 0, [skipped("a", "r")], 0),
        ("true", 2, [skipped("a", "r")], 2),
    ],
)
def test_a_skip_fails_a_green_run_on_a_server_only(monkeypatch, ci, exit_status, reports, expected):
    assert finished(monkeypatch, ci, exit_status, reports) == expected
