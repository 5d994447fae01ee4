"""What ansible-runner's events tell of a host; the real playbook is played in tests/ansible."""

from typing import Any

import pytest

from headrace.nodes.port import Power
from headrace.nodes.power.board import Report
from headrace.nodes.power.plays import TELLS, report_of


def event(kind: str, task: str = TELLS, **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": "gpu1", "task": task, "res": result}}


@pytest.mark.parametrize(
    ("found", "report"),
    [
        (event("runner_on_ok", msg={"state": "on", "address": "a"}), Report("gpu1", Power.ON, "a")),
        (event("runner_on_ok", msg={"state": "off", "address": "a"}), Report("gpu1", Power.OFF, "a")),
        (event("runner_on_ok", msg={"state": "unknown", "address": "a"}), Report("gpu1", Power.UNKNOWN, "a")),
        (event("runner_on_ok", "another task", msg="on"), None),
        (event("runner_on_failed", "Check", msg="no BMC"), Report("gpu1", fault="no BMC")),
        (event("runner_on_unreachable", "Shut", msg="no route"), Report("gpu1", fault="no route")),
        (
            event("runner_on_failed", results=[{"failed": False}, {"failed": True, "msg": "no MAC"}]),
            Report("gpu1", fault="no MAC"),
        ),
        (event("runner_on_failed", "Check"), Report("gpu1", fault="it failed and said nothing")),
        (event("runner_item_on_failed", "Check", msg="one turn"), None),
        ({"event": "playbook_on_stats", "event_data": {"ok": {"gpu1": 3}}}, None),
        ({"event": "verbose"}, None),
    ],
)  # fmt: skip
def test_an_event_tells_of_a_host_at_its_end(found: dict[str, Any], report: Report | None) -> None:
    assert report_of(found) == report
