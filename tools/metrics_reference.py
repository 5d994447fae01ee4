"""Writes docs/reference/metrics.md, the alerts and the dashboard, from the catalogue and infra."""

from pathlib import Path

import yaml

from headrace.metrics.catalogue import FAMILIES, of_service
from headrace.metrics.family import Family, Service
from infra.manifests.alerts import ALERTS, rules
from infra.manifests.dashboard import dashboard

HEAD = """\
# Metrics

What each service tells at `/metrics`, in Prometheus' format. Of a histogram Prometheus keeps `_bucket`,
`_sum` and `_count`. `tenant` is empty for functions of the stack's own. Beside these each service tells the
library's own `process_…` figures (processor time, memory, open files) of its process.
[How they are read](../metrics.md), with the alerts and the dashboard, is a page of its own.

This page is generated: `make docs` writes it from `headrace/metrics/catalogue.py`.
"""
ALERTS_HEAD = """\
# Headrace's alerts, for a Prometheus without its operator: name this file in `rule_files`.
# Generated: `make docs` writes it from infra/manifests/alerts.py.
"""
TITLES = {
    Service.RECEIVER: "Receiver",
    Service.SCALER: "Scaler",
    Service.CONTROLLER: "Controller",
    Service.WORKER: "Worker",
    Service.API: "API",
    Service.STATUS: "Status page",
    Service.PUBLISHER: "GPU publisher",
    Service.GPU_PLUGIN: "GPU plugin",
}


def documents() -> dict[str, str]:
    """Name in docs/reference -> content."""
    return {
        "metrics.md": _page(),
        "alerts.yaml": ALERTS_HEAD + yaml.safe_dump(rules(), sort_keys=False, width=110),
        "dashboard.json": dashboard(),
    }


def _page() -> str:
    shared = [each for each in FAMILIES if len(each.services) > 1]
    parts = [HEAD, _section("Several services", shared, with_services=True)]
    for service, title in TITLES.items():
        own = [each for each in of_service(service) if each not in shared]
        parts.append(_section(title, own) if own else "")
    return "\n".join(part for part in [*parts, _alerts()] if part)


def _section(title: str, families: list[Family], *, with_services: bool = False) -> str:
    head, rule = "| metric | kind | labels | meaning |", "|---|---|---|---|"
    rows = [_row(each, with_services=with_services) for each in families]
    return "\n".join([f"## {title}\n", head, rule, *rows, ""])


def _row(family: Family, *, with_services: bool) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels) or "none"
    told = " Told by " + ", ".join(TITLES[each].lower() for each in family.services) + "."
    meaning = family.help + (told if with_services and len(family.services) < len(Service) else "")
    return f"| `{family.name}` | {family.kind.value} | {labels} | {meaning} |".replace("|`", "| `")


def _alerts() -> str:
    rows = [
        f"| [{each.name}](../metrics.md#{each.name.lower()}) | {each.severity.value} | {each.lasting} | "
        f"`{each.query.replace('|', chr(92) + '|')}` |"
        for each in ALERTS
    ]
    return "\n".join(
        ["## Alerts\n", "| alert | severity | lasting | query |", "|---|---|---|---|", *rows, ""]
    )


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "reference"
    for name, content in documents().items():
        (folder / name).write_text(content, encoding="utf-8")
