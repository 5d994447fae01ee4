"""What ansible-runner's events tell of a host; the real playbook is played in tests/ansible."""

from typing import Any

import pytest

from headrace.nodes.port import Power
from headrace.nodes.power.board import Report
from headrace.nodes.power.plays import report_of
from headrace.plays.events import event


def raw(kind: str, task: str = "Tell how it is", *, debug: bool = True, **result: Any) -> dict[str, Any]:
    """As ansible-runner tells it."""
    shown = {"_ansible_verbose_always": True} if debug else {}
    return {"event": kind, "event_data": {"host": "gpu1", "task": task, "res": {**result, **shown}}}


def state(told: str) -> dict[str, str]:
    return {"state": told, "address": "10.0.0.1"}


def test_a_host_whose_task_may_be_unreachable_goes_on() -> None:
    ignored = raw("runner_on_unreachable", "Shut", msg="no route", skip_reason="Host gpu1 is …")
    assert event(ignored) is None


@pytest.mark.parametrize(
    ("found", "report"),
    [
        (raw("runner_on_ok", msg=state("on")), Report("gpu1", Power.ON, "10.0.0.1")),
        (raw("runner_on_ok", msg=state("off")), Report("gpu1", Power.OFF, "10.0.0.1")),
        (raw("runner_on_ok", msg=state("unknown")), Report("gpu1", Power.UNKNOWN, "10.0.0.1")),
        # By the task that began last, of another host.
        (raw("runner_on_ok", "another task", msg=state("on")), Report("gpu1", Power.ON, "10.0.0.1")),
        (raw("runner_on_ok", debug=False, msg=state("on")), None),
        (raw("runner_on_ok", msg="on"), None),
        (raw("runner_on_failed", "Check", debug=False, msg="no BMC"), Report("gpu1", fault="no BMC")),
        (raw("runner_on_unreachable", "Shut", msg="no route"), Report("gpu1", fault="no route")),
        (raw("runner_on_failed", "Check"), Report("gpu1", fault="it failed and said nothing")),
    ],
)
def test_an_event_tells_of_a_host_at_its_end(found: dict[str, Any], report: Report | None) -> None:
    told = event(found)
    assert told is not None
    assert report_of(told) == report
