"""Alerts as code: what Prometheus watches for, and what a person is told. Pure.

docs/metrics.md has a section for each, named as the alert is: its runbook.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headrace.metrics import catalogue as m

PAGE = "metrics"
Rules = dict[str, Any]


class Severity(StrEnum):
    """How soon a person has to look."""

    CRITICAL = "critical"  # now: nothing is worked, or will be soon
    WARNING = "warning"  # today: something is worked late or not at all


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: `query` gives a series for each fault, which must last for `lasting`.

    `summary` and `description` are templates of Prometheus.
    """

    name: str
    query: str
    severity: Severity
    summary: str
    description: str
    lasting: str = "0m"


_OF = "{{ if $labels.tenant }}{{ $labels.tenant }}/{{ end }}{{ $labels.function }}"
_FAILED = f"max by (tenant, function) ({m.FILES_FAILED.name})"
_FAILED_BEFORE = f"max by (tenant, function) ({m.FILES_FAILED.name} offset 15m)"
_ATTEMPTS = f"sum by (tenant, function) (rate({m.ATTEMPTS.name}[15m]))"
_BAD_ATTEMPTS = f'sum by (tenant, function) (rate({m.ATTEMPTS.name}{{result=~"again|failed"}}[15m]))'
_BACKED_AGO = f"time() - max({m.BACKED.name})"
_LISTED_AGO = f"time() - max({m.LISTED.name})"

FILES: tuple[Alert, ...] = (
    Alert(
        "HeadraceFilesOverdue",
        f"max by (tenant, function) ({m.OVERDUE.name}) > 0",
        Severity.WARNING,
        f"Files of {_OF} wait for longer than promised",
        f"{{{{ $value }}}} files of {_OF} have waited for longer than maxWaitSeconds and one boot. "
        "`headrace explain FUNCTION` says why.",
        lasting="5m",
    ),
    Alert(
        "HeadraceFilesFailed",
        f"{_FAILED} > ({_FAILED_BEFORE} or 0 * {_FAILED})",
        Severity.WARNING,
        f"Files of {_OF} were given up",
        f"{_OF} has {{{{ $value }}}} failed files, more than a quarter of an hour ago. `headrace status` "
        "names them, and `headrace replay` tries them again.",
    ),
    Alert(
        "HeadraceAttemptsFailing",
        f"{_BAD_ATTEMPTS} / {_ATTEMPTS} > 0.5",
        Severity.WARNING,
        f"Most attempts of {_OF} fail",
        f"{{{{ $value | humanizePercentage }}}} of the attempts of {_OF} have failed for a quarter of an "
        "hour: its code, its model, or what is uploaded.",
        lasting="15m",
    ),
    Alert(
        "HeadraceFilesStuck",
        f'max by (tenant, function, reason) ({m.UNMET.name}{{reason=~"no-pool-fits|left-alone"}}) > 0',
        Severity.WARNING,
        f"Files of {_OF} can't be worked: {{{{ $labels.reason }}}}",
        f"{{{{ $value }}}} files of {_OF} wait for what time alone does not bring. "
        "`headrace explain FUNCTION` says what.",
        lasting="15m",
    ),
    Alert(
        "HeadraceWorkersFailing",
        f"max by (tenant, function) ({m.WORKERS_FAILING.name}) > 0",
        Severity.WARNING,
        f"Workers of {_OF} can't do their part",
        f"Pods of {_OF} do not start, or end before their time. `kubectl describe function` says why.",
        lasting="5m",
    ),
)
NODES: tuple[Alert, ...] = (
    Alert(
        "HeadraceBootsFailing",
        f'sum by (pool) (increase({m.BOOTS.name}{{outcome=~"failed|given-up"}}[1h])) > 1',
        Severity.WARNING,
        "Nodes of pool {{ $labels.pool }} do not boot",
        "{{ $value | humanize }} boots of pool {{ $labels.pool }} have failed within an hour. "
        "`headrace node list` tells the nodes, the scaler's log why.",
    ),
    Alert(
        "HeadraceGpuServerDown",
        f"max by (server) ({m.GPU_SERVER_UP.name}) == 0",
        Severity.CRITICAL,
        "GPU server {{ $labels.server }} does not answer",
        "Its sessions are lost, and workers that had them are tried elsewhere. `headrace gpus` tells more.",
        lasting="2m",
    ),
)
SERVICES: tuple[Alert, ...] = (
    Alert(
        "HeadraceServerAway",
        f"max by (server) ({m.SERVER_UP.name}) == 0",
        Severity.CRITICAL,
        "The {{ $labels.server }} does not answer",
        "No receiver reaches it. Nothing is lost: senders repeat, the listing finds the rest; but nothing is "
        "worked.",
        lasting="2m",
    ),
    Alert(
        "HeadraceNoLeader",
        f"sum by (component) ({m.LEADING.name}) == 0",
        Severity.CRITICAL,
        "No {{ $labels.component }} leads",
        "Its pods run, and none has the lease: nothing is decided, listed or reconciled.",
        lasting="2m",
    ),
    Alert(
        "HeadraceServiceGone",
        " or ".join(
            f'absent({m.BUILD.name}{{component="{each}"}})' for each in ("receiver", "scaler", "controller")
        ),
        Severity.CRITICAL,
        "No {{ $labels.component }} is there",
        "Prometheus reads no pod of it: none runs, or none is reached.",
        lasting="5m",
    ),
    Alert(
        "HeadraceScalerStale",
        f"max({m.OBSERVED.name}) > 120",
        Severity.CRITICAL,
        "The scaler decides on what is {{ $value | humanizeDuration }} old",
        "The leading scaler sees neither queue nor cluster, or its step does not end: nothing scales.",
        lasting="1m",
    ),
    Alert(
        "HeadraceListingLate",
        f"{_LISTED_AGO} > 3 * max({m.LISTING_PERIOD.name}) + 600",
        Severity.WARNING,
        "Lost files are not looked for",
        "No listing of all functions has ended for long: files of which no notification told wait unseen.",
        lasting="15m",
    ),
    Alert(
        "HeadraceBackupOld",
        f"{_BACKED_AGO} > 1.5 * max({m.BACKUP_PERIOD.name})",
        Severity.WARNING,
        "The last backup is {{ $value | humanizeDuration }} old",
        "That is more than one and a half times as long as `headrace backup --every` said. What came since "
        "then would be lost with the cluster.",
        lasting="15m",
    ),
    Alert(
        "HeadraceNotificationsRefused",
        f"sum by (source, dialect, outcome) (increase({m.NOTIFICATIONS.name}"
        '{outcome=~"refused|unauthorised|too-large|failed"}[15m])) > 0',
        Severity.WARNING,
        "Notifications are not taken: {{ $labels.outcome }}",
        "{{ $value | humanize }} notifications within a quarter of an hour. Their files wait for the "
        "listing.",
        lasting="15m",
    ),
    Alert(
        "HeadraceObjectsFailing",
        f"max by (kind) ({m.OBJECTS_FAILING.name}) > 0",
        Severity.WARNING,
        "{{ $value }} objects of kind {{ $labels.kind }} are not as they are wanted",
        "The controller tries again and again. `kubectl get` shows the condition, the controller's log why.",
        lasting="15m",
    ),
    Alert(
        "HeadraceApiSpoolFull",
        f"max by (namespace) ({m.SPOOL_BYTES.name} / {m.SPOOL_LIMIT.name}) > 0.9",
        Severity.WARNING,
        "The API has hardly room for uploads",
        "{{ $value | humanizePercentage }} of its room is taken; beyond it uploads are refused.",
        lasting="10m",
    ),
)
GROUPS = {"headrace-files": FILES, "headrace-nodes": NODES, "headrace-services": SERVICES}
ALERTS: tuple[Alert, ...] = tuple(alert for group in GROUPS.values() for alert in group)


def rules(docs: str = "") -> Rules:
    """All of them, as a rule file of Prometheus and the `spec` of a PrometheusRule have it.

    https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
    """
    return {"groups": [{"name": name, "rules": _rules(group, docs)} for name, group in GROUPS.items()]}


def runbook(alert: Alert, docs: str) -> str:
    """Where a person reads what to do."""
    page = f"{docs}/{PAGE}/" if docs else f"docs/{PAGE}.md"
    return f"{page}#{alert.name.lower()}"


def _rules(alerts: Sequence[Alert], docs: str) -> list[Rules]:
    return [
        {
            "alert": each.name,
            "expr": each.query,
            "for": each.lasting,
            "labels": {"severity": each.severity.value},
            "annotations": {
                "summary": each.summary,
                "description": each.description,
                "runbook_url": runbook(each, docs),
            },
        }
        for each in alerts
    ]
