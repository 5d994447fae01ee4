"""Each alert fires on made-up series that it is for, and on none of those that are all right.

`python -m tests.unit.test_alerts_fire` writes the same cases for `promtool test rules`.
"""

import sys
from dataclasses import dataclass, field

import pytest
import yaml

from infra.manifests.alerts import ALERTS
from tests.fixtures.promql import Series, Store, merged

BY_NAME = {alert.name: alert for alert in ALERTS}
ECHO = 'function="echo",tenant="lab"'
WELL: Series = {
    'headrace_build_info{component="receiver"}': "1x90",
    'headrace_build_info{component="scaler"}': "1x90",
    'headrace_build_info{component="controller"}': "1x90",
    'headrace_leading{component="scaler",pod="a"}': "1x90",
    'headrace_leading{component="scaler",pod="b"}': "0x90",
    'headrace_server_up{server="store",pod="a"}': "1x90",
    'headrace_server_up{server="store",pod="b"}': "0x90",  # another receiver reaches it
    "headrace_scaler_observation_age_seconds": "1x90",
    'headrace_listing_timestamp_seconds{pod="a"}': "0+60x90",
    'headrace_listing_timestamp_seconds{pod="b"}': "0x90",
    "headrace_listing_period_seconds": "300x90",
    'headrace_backup_timestamp_seconds{pod="a"}': "0x49 3000x40",  # one an hour, the second in time
    "headrace_backup_period_seconds": "3600x90",
    f"headrace_files_overdue{{{ECHO}}}": "0x90",
    f"headrace_files_failed{{{ECHO}}}": "3x90",
    f'headrace_files_unmet{{{ECHO},reason="limit"}}': "5x90",  # time will bring room
    f'headrace_worker_attempts_total{{{ECHO},result="done"}}': "0+9x90",
    f'headrace_worker_attempts_total{{{ECHO},result="again"}}': "0+1x90",
    'headrace_node_boots_total{pool="gpu",outcome="ready"}': "0+1x90",
    'headrace_node_boots_total{pool="gpu",outcome="failed"}': "0x40 1x49",  # one alone is nothing
    'headrace_gpu_server_up{server="gpu1"}': "1x90",
    'headrace_notifications_total{source="http",dialect="S3",outcome="taken"}': "0+5x90",
    'headrace_objects_failing{kind="Function"}': "0x90",
    'headrace_api_spool_bytes{namespace="headrace",pod="a"}': "50x90",
    'headrace_api_spool_limit_bytes{namespace="headrace",pod="a"}': "100x90",
}


@dataclass(frozen=True)
class Case:
    """Series in place of those that are all right, when and for what the alert fires, and when not yet."""

    alert: str
    series: Series
    minute: int
    labels: dict[str, str] = field(default_factory=dict)
    quiet_at: int | None = None


OF = {"function": "echo", "tenant": "lab"}
CASES = (
    Case("HeadraceFilesOverdue", {f"headrace_files_overdue{{{ECHO}}}": "0x9 7x80"}, 15, OF, quiet_at=14),
    Case("HeadraceFilesFailed", {f"headrace_files_failed{{{ECHO}}}": "3x40 4x49"}, 41, OF, quiet_at=40),
    Case("HeadraceFilesFailed", {f"headrace_files_failed{{{ECHO}}}": "3x40 4x49"}, 55, OF, quiet_at=56),
    Case(
        "HeadraceFilesFailed", {f"headrace_files_failed{{{ECHO}}}": "_x20 1x69"}, 20, OF
    ),  # the function is new
    Case(
        "HeadraceAttemptsFailing",
        {f'headrace_worker_attempts_total{{{ECHO},result="again"}}': "0+19x90"},
        30,
        OF,
        quiet_at=10,
    ),
    Case(
        "HeadraceFilesStuck",
        {f'headrace_files_unmet{{{ECHO},reason="no-pool-fits"}}': "2x90"},
        15,
        {**OF, "reason": "no-pool-fits"},
        quiet_at=14,
    ),
    Case("HeadraceWorkersFailing", {f"headrace_workers_failing{{{ECHO}}}": "_x10 1x79"}, 15, OF, quiet_at=14),
    Case(
        "HeadraceBootsFailing",
        {'headrace_node_boots_total{pool="gpu",outcome="failed"}': "0x40 1 2x48"},
        45,
        {"pool": "gpu"},
        quiet_at=41,
    ),
    Case(
        "HeadraceGpuServerDown",
        {'headrace_gpu_server_up{server="gpu1"}': "1x9 0x80"},
        12,
        {"server": "gpu1"},
        quiet_at=11,
    ),
    Case(
        "HeadraceServerAway",
        {'headrace_server_up{server="store",pod="a"}': "1x9 0x80"},
        12,
        {"server": "store"},
        quiet_at=11,
    ),
    Case(
        "HeadraceNoLeader",
        {'headrace_leading{component="scaler",pod="a"}': "1x9 0x80"},
        12,
        {"component": "scaler"},
        quiet_at=11,
    ),
    Case(
        "HeadraceServiceGone",
        {'headrace_build_info{component="scaler"}': "1x9"},
        19,
        {"component": "scaler"},
        quiet_at=13,
    ),
    Case("HeadraceScalerStale", {"headrace_scaler_observation_age_seconds": "0+60x90"}, 4, quiet_at=3),
    Case("HeadraceListingLate", {'headrace_listing_timestamp_seconds{pod="a"}': "0x90"}, 41, quiet_at=40),
    Case(
        "HeadraceBackupOld",
        {
            'headrace_backup_timestamp_seconds{pod="a"}': "0x90",
            "headrace_backup_period_seconds": "1800x90",
        },
        61,
        quiet_at=60,
    ),
    Case(
        "HeadraceBackupOld", {'headrace_backup_timestamp_seconds{pod="a"}': "_x4 -7200x85"}, 19, quiet_at=18
    ),  # first seen when it is late already
    Case(
        "HeadraceNotificationsRefused",
        {'headrace_notifications_total{source="http",dialect="none",outcome="unauthorised"}': "0+1x90"},
        20,
        {"source": "http", "dialect": "none", "outcome": "unauthorised"},
        quiet_at=10,
    ),
    Case(
        "HeadraceObjectsFailing",
        {'headrace_objects_failing{kind="Function"}': "0x9 1x80"},
        25,
        {"kind": "Function"},
        quiet_at=24,
    ),
    Case(
        "HeadraceApiSpoolFull",
        {'headrace_api_spool_bytes{namespace="headrace",pod="a"}': "50x9 95x80"},
        20,
        {"namespace": "headrace"},
        quiet_at=19,
    ),
)


def firing(alert: str, series: Series, minute: int) -> list[dict[str, str]]:
    rule = BY_NAME[alert]
    minutes = int(rule.lasting.removesuffix("m"))
    found = Store(merged(WELL, series)).firing(rule.query, minutes, minute)
    return [{name: value for name, value in key if name != "__name__"} for key in found]


@pytest.mark.parametrize("alert", BY_NAME)
@pytest.mark.parametrize("minute", [20, 60, 90])
def test_none_fires_where_all_is_well(alert, minute):
    assert firing(alert, {}, minute) == []


@pytest.mark.parametrize("case", CASES, ids=lambda each: f"{each.alert}-{each.minute}")
def test_an_alert_fires_for_its_fault_once_that_has_lasted(case):
    assert firing(case.alert, case.series, case.minute) == [case.labels]
    if case.quiet_at is not None:
        assert firing(case.alert, case.series, case.quiet_at) == []


def test_every_alert_has_a_case():
    assert {case.alert for case in CASES} == set(BY_NAME)


def _promtool() -> dict[str, object]:
    """The cases as `promtool test rules` reads them, beside docs/reference/alerts.yaml."""
    tests = []
    for case in (*CASES, *(Case(alert, {}, minute) for alert in BY_NAME for minute in (20, 60, 90))):
        severity = {"severity": BY_NAME[case.alert].severity.value}
        expected = [{"exp_labels": {**case.labels, **severity}}] if case.series else []
        times = [(case.minute, expected), *([(case.quiet_at, [])] if case.quiet_at is not None else [])]
        tests.append(
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": text} for name, text in merged(WELL, case.series).items()
                ],
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": alerts}
                    for minute, alerts in times
                ],
            }
        )
    return {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}


if __name__ == "__main__":
    yaml.safe_dump(_promtool(), sys.stdout, sort_keys=False)
