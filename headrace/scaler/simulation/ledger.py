"""The books of a run: what it has cost and how long files waited, written as it happens."""

from dataclasses import dataclass, field

from headrace.model.node import NodeState
from headrace.scaler.simulation.cluster import Cluster, Node, Worker
from headrace.scaler.simulation.outcome import Moment, Outcome, TenantOutcome, Waits

SECONDS_PER_HOUR = 3600.0
ROUNDING_SECONDS = 1e-6  # what sums of floats may be off


@dataclass(frozen=True, slots=True)
class Start:
    """A file's last start: its wait, whether that was too long, and whose it is."""

    wait_seconds: float
    late: bool
    tenant: str = ""


@dataclass(slots=True)
class Ledger:
    """Open until `close`. `grace_seconds` is what a file may wait beyond the promise without being late."""

    grace_seconds: float
    node_seconds: float = 0.0
    busy_seconds: float = 0.0
    cost: float = 0.0
    boots: int = 0
    surplus_boots: int = 0
    failed_boots: int = 0
    deaths: int = 0
    finished: int = 0
    starts: dict[int, Start] = field(default_factory=dict)  # by the file's number
    timeline: list[Moment] = field(default_factory=list)
    _counts: tuple[int, int, int, int] = (0, 0, 0, 0)

    def started(self, worker: Worker, number: int, *, arrived: float) -> None:
        """A file starts to compute at the worker's `started`."""
        wait = worker.started - arrived
        promised = worker.function.max_wait_seconds + worker.node.pool.usual_boot_seconds
        late = wait > promised + self.grace_seconds + ROUNDING_SECONDS
        self.starts[number] = Start(wait, late, worker.function.tenant)

    def lost(self, number: int) -> None:
        """A file's node died under it."""
        del self.starts[number]

    def off(self, node: Node, now: float) -> None:
        """A node's bill, told before it goes off."""
        seconds = max(0.0, now - node.ordered)
        self.node_seconds += seconds
        self.cost += seconds / SECONDS_PER_HOUR * node.pool.view.price_per_hour
        self.busy_seconds += node.busy_seconds + (now - node.since if node.busy else 0.0)
        self.surplus_boots += node.state is not NodeState.BOOTING and not node.worked

    def look(self, cluster: Cluster, *, waiting: int, now: float) -> None:
        """Note how it stands, where that has changed."""
        counts = (waiting, len(cluster.serving), cluster.booting, cluster.busy)
        if counts != self._counts:
            self.timeline.append(Moment(now, *counts))
            self._counts = counts

    def close(self, cluster: Cluster, *, files: int, now: float) -> Outcome:
        """The run's outcome; nodes that are on are billed up to `now`."""
        for node in cluster.nodes.values():
            self.off(node, now)
        starts = self.starts.values()
        by_tenant: dict[str, list[Start]] = {}
        for start in starts:
            by_tenant.setdefault(start.tenant, []).append(start)
        return Outcome(
            node_hours=self.node_seconds / SECONDS_PER_HOUR,
            busy_hours=self.busy_seconds / SECONDS_PER_HOUR,
            cost=self.cost,
            wait=Waits.of([start.wait_seconds for start in starts]),
            late=sum(1 for start in starts if start.late),
            boots=self.boots,
            surplus_boots=self.surplus_boots,
            failed_boots=self.failed_boots,
            deaths=self.deaths,
            unfinished=files - self.finished,
            tenants={
                name: TenantOutcome(
                    Waits.of([start.wait_seconds for start in own]), sum(start.late for start in own)
                )
                for name, own in sorted(by_tenant.items())
                if name
            },
            timeline=tuple(self.timeline),
        )
