"""What a simulation is given beside its trace: functions, pools with their faults, period, seed."""

from dataclasses import dataclass

from headrace.model.resources import ResourceList
from headrace.scaler.snapshot import PoolView, TenantView

PERIOD_SECONDS = 10.0  # T of the policy


@dataclass(frozen=True, slots=True)
class SimFunction:
    """A function, and what is believed of it at the start.

    `pools` are those that it may use. `start_seconds` is what a worker takes from its start to its first
    file. The first estimate of seconds a file is the mean of its files in the trace times `believed_factor`.
    """

    name: str
    request: ResourceList
    pools: tuple[str, ...]
    max_wait_seconds: float = 60.0
    max_workers: int = 50
    priority: int = 0
    tenant: str = ""
    start_seconds: float = 0.0
    believed_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class SimPool:
    """A pool as the policy is told (`view`), and as it is.

    `boot_seconds` is the median from an order to a node that has joined, `boot_cv` its coefficient of
    variation (lognormal); `device_delay_seconds` later it has all that it promises and is usable.
    `failure_share` of the boots never end. Nodes die at `deaths_per_hour` of being usable, memoryless.
    """

    view: PoolView
    boot_seconds: float
    boot_cv: float = 0.0
    failure_share: float = 0.0
    device_delay_seconds: float = 0.0
    deaths_per_hour: float = 0.0
    stop_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for a negative figure, or a share above 1."""
        figures = ("boot_seconds", "boot_cv", "device_delay_seconds", "deaths_per_hour", "stop_seconds")
        for figure in (*figures, "failure_share"):
            value = getattr(self, figure)
            if value < 0 or (figure == "failure_share" and value > 1):
                allowed = "0 to 1" if figure == "failure_share" else "0 or more"
                raise ValueError(f"pool {self.name}: {figure}: found {value:g}, allowed {allowed}")

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def usual_boot_seconds(self) -> float:
        """Median seconds from an order to a usable node: the promise's boot, by which files are judged."""
        return self.boot_seconds + self.device_delay_seconds


@dataclass(frozen=True, slots=True)
class Setting:
    """All but the trace and the policy. The same setting, trace and policy give the same outcome.

    Functions share by `tenants`; those of tenants that are not among them share as one.

    A run ends when nothing is left to happen, or when for `patience_seconds` no file arrived, started or
    ended: nodes that are on then are on for good.
    """

    functions: tuple[SimFunction, ...]
    pools: tuple[SimPool, ...]
    tenants: tuple[TenantView, ...] = ()
    period_seconds: float = PERIOD_SECONDS
    seed: int = 0
    patience_seconds: float = 7200.0

    def __post_init__(self) -> None:
        """Raises ValueError for a period that does not pass."""
        if self.period_seconds <= 0:
            raise ValueError(f"period_seconds: found {self.period_seconds:g}, allowed above 0")
