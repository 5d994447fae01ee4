"""What a person configures of monitoring: where Prometheus is, and what is declared for it."""

from collections.abc import Mapping

from pydantic import Field

from headrace.model.metadata import Namespace
from headrace.model.value import Value


class Monitoring(Value):
    """A Prometheus that reads the services.

    Its operator's kinds (monitoring.coreos.com) must be on the cluster before monitors or rules are.
    """

    namespace: Namespace = Field(
        description="where Prometheus runs: its pods may connect to the services' metrics"
    )
    pod_monitors: bool = Field(
        default=True, description="whether PodMonitor objects tell the operator what to read"
    )
    rules: bool = Field(default=True, description="whether a PrometheusRule has the alerts")
    dashboards: bool = Field(
        default=True,
        description="whether a ConfigMap has the Grafana dashboard, as Grafana's sidecar finds it",
    )
    labels: Mapping[str, str] = Field(
        default_factory=dict,
        description="labels by which the operator selects monitors and rules, such as `release: prometheus`",
    )
    dashboard_labels: Mapping[str, str] = Field(
        default={"grafana_dashboard": "1"}, description="labels by which Grafana's sidecar finds dashboards"
    )
    docs: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+[^/\s?#])?$",
        description="address of the docs site, which the alerts' runbooks point to; empty: they name the "
        "page of this repository",
    )
