"""The Grafana dashboard as code: what is shown, and the document that Grafana reads. Pure.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.metrics import catalogue as m

UID = "headrace"
COLUMNS, WIDTH, HEIGHT = 24, 8, 8  # Grafana's grid, and a panel's part of it
SCHEMA = 39  # of the JSON model, Grafana 10
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_OF = '{tenant=~"$tenant", function=~"$function"}'
_IN = '{pool=~"$pool"}'
_BY = "{{tenant}} {{function}}"


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks, and how its series are called."""

    text: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart; `unit` is Grafana's. Stacked ones show parts of a whole."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def _quantile(share: float, family: str, by: str = "tenant, function", of: str = _OF) -> str:
    rates = f"sum by (le, {by}) (rate({family}_bucket{of}[$__rate_interval]))"
    return f"histogram_quantile({share}, {rates})"


def _newest(name: str, by: str = "tenant, function", of: str = _OF) -> str:
    """Of a figure that only the leader tells: a moment after a change of leaders two do."""
    return f"max by ({by}) ({name}{of})"


ROWS: tuple[Row, ...] = (
    Row(
        "Files",
        (
            Panel(
                "Oldest wait beside the promise",
                "A file starts computing within maxWaitSeconds and one boot.",
                (
                    Query(_newest(m.OLDEST_WAIT.name), f"{_BY} waits"),
                    Query(_newest(m.PROMISE.name), f"{_BY} promise"),
                ),
                unit="s",
            ),
            Panel(
                "Files by state",
                "Those that wait and those that are computed now.",
                (
                    Query(f"sum({_newest(m.WAITING.name)})", "waiting"),
                    Query(f"sum({_newest(m.RUNNING.name)})", "running"),
                    Query(f"sum({_newest(m.OVERDUE.name)})", "overdue"),
                ),
            ),
            Panel(
                "Waits of files that started",
                "From the event to the start of computing: median and the slowest twentieth.",
                (
                    Query(_quantile(0.5, m.FILE_WAIT.name), f"{_BY} median"),
                    Query(_quantile(0.95, m.FILE_WAIT.name), f"{_BY} 95 %"),
                ),
                unit="s",
            ),
            Panel(
                "Files without room, and why",
                "For these nothing is done now; `headrace explain` says it in words.",
                (Query(_newest(m.UNMET.name, "tenant, function, reason"), f"{_BY} {{{{reason}}}}"),),
                is_stacked=True,
            ),
            Panel(
                "Done and failed",
                "By their records in the store.",
                (
                    Query(f"sum({_newest(m.FILES_DONE.name)})", "done"),
                    Query(f"sum({_newest(m.FILES_FAILED.name)})", "failed"),
                ),
            ),
            Panel(
                "Attempts by how they ended",
                "Of workers that were read; again: an attempt failed and another follows.",
                (Query(f"sum by (result) (rate({m.ATTEMPTS.name}{_OF}[$__rate_interval]))", "{{result}}"),),
                unit="ops",
                is_stacked=True,
            ),
        ),
    ),
    Row(
        "Workers and nodes",
        (
            Panel(
                "Workers",
                "Busy and idle ones, and how many there shall be.",
                (
                    Query(
                        f"sum by (state) ({_newest(m.WORKERS.name, 'tenant, function, state')})", "{{state}}"
                    ),
                    Query(f"sum({_newest(m.WORKERS_WANTED.name)})", "wanted"),
                ),
            ),
            Panel(
                "Nodes by state",
                "All pools that are chosen above.",
                (
                    Query(
                        f"sum by (state) ({_newest(m.NODES.name, 'pool, state', _IN)}) > 0",
                        "{{state}}",
                    ),
                ),
                is_stacked=True,
            ),
            Panel(
                "Nodes on beside their limit",
                "At its limit a pool keeps files waiting.",
                (
                    Query(
                        f'sum by (pool) (max by (pool, state) ({m.NODES.name}{{pool=~"$pool", '
                        'state=~"idle|busy|draining"}))',
                        "{{pool}}",
                    ),
                    Query(_newest(m.NODES_MOST.name, "pool", _IN), "{{pool}} limit"),
                ),
            ),
            Panel(
                "Boots",
                "How many ended within an hour, and how.",
                (
                    Query(
                        f"sum by (pool, outcome) (increase({m.BOOTS.name}{_IN}[1h]))", "{{pool}} {{outcome}}"
                    ),
                ),
            ),
            Panel(
                "Seconds a boot",
                "From the order until the node takes workers.",
                (
                    Query(_quantile(0.5, m.BOOT_SECONDS.name, "pool", _IN), "{{pool}} median"),
                    Query(_quantile(0.9, m.BOOT_SECONDS.name, "pool", _IN), "{{pool}} 90 %"),
                ),
                unit="s",
            ),
            Panel(
                "Why nodes start and stop",
                "Orders within an hour, by the reason of the decision.",
                (
                    Query(
                        f"sum by (action, reason) (increase({m.ACTIONS.name}{_IN}[1h])) > 0",
                        "{{action}} {{reason}}",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "Cost and GPUs",
        (
            Panel(
                "Cost an hour beside always on",
                "By each pool's pricePerHour, in its currency.",
                (
                    Query(f"sum(rate({m.NODE_COST.name}{_IN}[$__rate_interval])) * 3600", "as scaled"),
                    Query(f"sum(rate({m.ALWAYS_ON_COST.name}{_IN}[$__rate_interval])) * 3600", "always on"),
                ),
            ),
            Panel(
                "Cost of the time shown",
                "What was paid, and what always on would have cost.",
                (
                    Query(f"sum(increase({m.NODE_COST.name}{_IN}[$__range]))", "as scaled"),
                    Query(f"sum(increase({m.ALWAYS_ON_COST.name}{_IN}[$__range]))", "always on"),
                ),
            ),
            Panel(
                "GPU servers",
                "Sessions held and possible; a server that is down is told as 0 by `answers`.",
                (
                    Query(f"max by (server) ({m.GPU_SESSIONS.name})", "{{server}} held"),
                    Query(f"max by (server) ({m.GPU_SESSIONS_LIMIT.name})", "{{server}} limit"),
                    Query(f"max by (server) ({m.GPU_SERVER_UP.name})", "{{server}} answers"),
                ),
            ),
        ),
    ),
    Row(
        "Services",
        (
            Panel(
                "Notifications",
                "By dialect and outcome.",
                (
                    Query(
                        f"sum by (dialect, outcome) (rate({m.NOTIFICATIONS.name}[$__rate_interval]))",
                        "{{dialect}} {{outcome}}",
                    ),
                ),
                unit="ops",
            ),
            Panel(
                "Files that only the listing found",
                "Notifications were lost before these.",
                (
                    Query(
                        f'sum by (tenant, function) (increase({m.TASKS.name}{{source="listing", '
                        'outcome="stored", tenant=~"$tenant", function=~"$function"}[1h]))',
                        _BY,
                    ),
                ),
            ),
            Panel(
                "Faults",
                "Rounds without a decision, failed turns, spans dropped.",
                (
                    Query(f"sum(rate({m.STEPS_FAILED.name}[$__rate_interval]))", "scaler"),
                    Query(
                        f'sum by (kind) (rate({m.TURNS.name}{{outcome="failed"}}[$__rate_interval]))',
                        "controller {{kind}}",
                    ),
                    Query(f"sum(rate({m.SPANS_DROPPED.name}[$__rate_interval]))", "spans dropped"),
                ),
                unit="ops",
            ),
            Panel(
                "The scaler",
                "How old what it decides on is, and what a decision takes to compute.",
                (
                    Query(f"max({m.OBSERVED.name})", "age of what is seen"),
                    Query(_quantile(0.99, m.DECIDE_SECONDS.name, "job", ""), "a decision, 99 %"),
                ),
                unit="s",
            ),
            Panel(
                "The API",
                "Calls by route and status.",
                (
                    Query(
                        f"sum by (route, status) (rate({m.CALLS.name}[$__rate_interval]))",
                        "{{route}} {{status}}",
                    ),
                ),
                unit="ops",
            ),
            Panel(
                "Room for uploads",
                "What is taken of the API's disk, and what may be.",
                (
                    Query(f"sum({m.SPOOL_BYTES.name})", "taken"),
                    Query(f"sum({m.SPOOL_LIMIT.name})", "limit"),
                ),
                unit="bytes",
            ),
        ),
    ),
)


def dashboard() -> str:
    """The document."""
    document = {
        "uid": UID,
        "title": "Headrace",
        "tags": ["headrace"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": list(_panels(ROWS)),
    }
    return json.dumps(document, indent=2) + "\n"


def queries() -> Iterator[str]:
    """All that it asks, those of its variables too."""
    for row in ROWS:
        for panel in row.panels:
            yield from (query.text for query in panel.queries)


def _variables() -> Iterator[Mapping[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    for name, family in (("tenant", m.WAITING), ("function", m.WAITING), ("pool", m.NODES_MOST)):
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": f"label_values({family.name}, {name})", "refId": name},
            "refresh": 2,  # whenever the time shown changes
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


def _panels(rows: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
    number, y = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        y += 1
        for index, panel in enumerate(row.panels):
            number += 1
            x, down = index * WIDTH % COLUMNS, index * WIDTH // COLUMNS * HEIGHT
            yield _chart(number, panel, {"x": x, "y": y + down, "w": WIDTH, "h": HEIGHT})
        y += -(-len(row.panels) * WIDTH // COLUMNS) * HEIGHT


def _chart(number: int, panel: Panel, place: Mapping[str, int]) -> Mapping[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": each.text,
            "legendFormat": each.legend,
        }
        for index, each in enumerate(panel.queries)
    ]
    stacking = {"mode": "normal" if panel.is_stacked else "none"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {"fillOpacity": 10, "stacking": stacking},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "targets": targets,
    }
