"""What is told of a function, bucket or pool, from what was seen of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.controller.census import Counts
from headrace.controller.contents import Contents
from headrace.controller.tally import Figures
from headrace.controller.troubles import worst
from headrace.kube.port import Manifest
from headrace.model.status import (
    MOST_MESSAGE,
    READY,
    WORKERS_FAILING,
    BucketStatus,
    Condition,
    FunctionStatus,
    NodePoolStatus,
    condition,
    told,
)
from headrace.nodes.cluster import is_over
from headrace.queue.port import Backlog

_STEPS = ((60, 1), (600, 5))  # an age below so many seconds is told in steps of so many; above: of a minute

INVALID, REFUSED, UNREACHABLE, ENDING = "Invalid", "Refused", "Unreachable", "Ending"
NO_WAY_TO_GPU, NOT_ALLOWED = "NoWayToGpu", "NotAllowed"
ALL_READY, BUCKETS_MISSING, HOLDS_FILES, HOLDS_DATA, NAME_TAKEN, DRIVER_UNSUPPORTED = (
    "Ready", "BucketsNotReady", "HoldsFiles", "HoldsData", "NameTaken", "DriverUnsupported",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an object is ready, with the reason in one word and for people.

    `digest`: of a function, for which everything is there; None: as it was told before.
    """

    ready: bool
    reason: str
    message: str = ""
    digest: str | None = ""

    @classmethod
    def yes(cls, message: str, digest: str = "") -> "Verdict":
        """It is ready."""
        return cls(ready=True, reason=ALL_READY, message=message, digest=digest)

    @classmethod
    def no(cls, reason: str, message: str, digest: str | None = "") -> "Verdict":
        """It is not."""
        return cls(ready=False, reason=reason, message=message, digest=digest)

    def condition(self, before: Sequence[Condition], now: float) -> Condition:
        """As Kubernetes writes it."""
        return condition(READY, before, holds=self.ready, reason=self.reason, message=self.message, now=now)


@dataclass(frozen=True, slots=True)
class Sight:
    """How a function's work stands; `backlog` None: as it was told before."""

    backlog: Backlog | None
    counts: Counts
    pods: Sequence[Manifest]


def function_status(found: Manifest, verdict: Verdict, sight: Sight, now: float) -> FunctionStatus:
    """Of a function's object."""
    before = told(found, FunctionStatus)
    workers = sum(not is_over(pod) for pod in sight.pods)
    failing = worst(sight.pods)
    return FunctionStatus(
        observed_generation=found["metadata"].get("generation", 0),
        digest=before.digest if verdict.digest is None else verdict.digest,
        **_queued(before, sight.backlog, workers, now),
        done=sight.counts.done,
        failed=sight.counts.failed,
        workers=workers,
        conditions=(
            verdict.condition(before.conditions, now),
            condition(
                WORKERS_FAILING,
                before.conditions,
                holds=failing is not None,
                reason=failing.reason if failing else "NoneFails",
                message=failing.message if failing else "",
                now=now,
            ),
        ),
    )


def _queued(before: FunctionStatus, backlog: Backlog | None, workers: int, now: float) -> dict[str, Any]:
    if backlog is None:
        kept = ("waiting", "running", "oldest_wait_seconds")
        return {name: getattr(before, name) for name in kept}
    running = backlog.tasks - backlog.waiting if workers else 0  # without workers none is really leased
    oldest = backlog.oldest_received
    return {
        "waiting": backlog.tasks - running,
        "running": running,
        "oldest_wait_seconds": None if oldest is None else coarse(now - oldest),
    }


def bucket_status(
    found: Manifest, verdict: Verdict, contents: Contents, *, hindrance: str, now: float
) -> BucketStatus:
    """Of a bucket's object; `hindrance`: why it is not deleted now, empty when it may be."""
    before = told(found, BucketStatus)
    return BucketStatus(
        observed_generation=found["metadata"].get("generation", 0),
        objects=contents.objects,
        old_versions=contents.old,
        is_bound=contents.is_bound,
        deletable=not hindrance,
        message=hindrance[:MOST_MESSAGE],
        conditions=(verdict.condition(before.conditions, now),),
    )


def pool_status(found: Manifest, verdict: Verdict, figures: Figures, now: float) -> NodePoolStatus:
    """Of a pool's object."""
    before = told(found, NodePoolStatus)
    return NodePoolStatus(
        observed_generation=found["metadata"].get("generation", 0),
        nodes=figures.nodes,
        ready=figures.ready,
        conditions=(verdict.condition(before.conditions, now),),
    )


def coarse(seconds: float) -> int:
    """An age in whole seconds, the rougher the longer it is: the API server is not told each second."""
    whole = max(0, int(seconds))
    step = next((step for bound, step in _STEPS if whole < bound), 60)
    return whole - whole % step


def is_urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a change is one that somebody may wait for: all but figures that move on."""
    if any(before.get(key) != after.get(key) for key in ("digest", "observedGeneration", "deletable")):
        return True
    return _readiness(before) != _readiness(after)


def _readiness(status: Mapping[str, Any]) -> list[tuple[Any, Any, Any]]:
    listed = status.get("conditions") or ()
    return [(each.get("type"), each.get("status"), each.get("reason")) for each in listed]
