"""What a metric is: its name, its unit, who tells it, by which labels. Frozen values.

Names and units are as Prometheus has them: https://prometheus.io/docs/practices/naming/
"""

from dataclasses import dataclass, field
from enum import StrEnum

PATH = "/metrics"  # where each service tells its own


class Kind(StrEnum):
    """Prometheus' own: https://prometheus.io/docs/concepts/metric_types/"""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Service(StrEnum):
    """Who tells, by the component's name in the cluster."""

    RECEIVER = "receiver"
    SCALER = "scaler"
    CONTROLLER = "controller"
    WORKER = "worker"
    API = "api"
    STATUS = "status"
    PUBLISHER = "publisher"
    GPU_PLUGIN = "gpu-plugin"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `help` says what it is and what it is good for.

    A gauge is read from a service's state when it is asked; a counter or histogram is counted where something
    happens, but for a counter that `is_state`: its service keeps it anyway. `buckets` are a histogram's upper
    bounds, in the unit of its name.
    """

    name: str
    help: str
    services: tuple[Service, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_state: bool = False
    kind: Kind = field(kw_only=True)

    @property
    def is_read(self) -> bool:
        """Whether its figures are read when they are asked for, and not counted."""
        return self.is_state or self.kind is Kind.GAUGE

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus keeps it."""
        if self.kind is not Kind.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of a metric, for the values of its labels in their order."""

    family: Family
    value: float
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.family.labels):
            raise ValueError(
                f"{self.family.name}: found label values {self.labels}, allowed one for each of "
                f"{self.family.labels}"
            )
