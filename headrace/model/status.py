"""What the platform tells of its objects: the `status` that Kubernetes shows beside what was asked for."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from headrace.model.value import StoredValue

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # RFC 3339, in UTC
Count = Annotated[int, Field(ge=0)]


def moment(seconds: float) -> Moment:
    """Seconds since the epoch as Kubernetes writes a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


MOST_MESSAGE = 4000  # of what Kubernetes allows 32,768
Told = TypeVar("Told", bound=StoredValue)

READY = "Ready"
WORKERS_FAILING = "WorkersFailing"


class Truth(StrEnum):
    """Of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(StoredValue):
    """One statement about an object, as Kubernetes writes it."""

    type: str = Field(description="what it is about: Ready, WorkersFailing")
    status: Truth = Field(description="whether it holds")
    reason: str = Field(description="why, in one word")
    message: str = Field(default="", description="why, for people")
    last_transition_time: Moment = Field(description="since when `status` is what it is")


class FunctionStatus(StoredValue):
    """How a function stands."""

    observed_generation: Count = Field(default=0, description="the generation that was last looked at")
    digest: str = Field(default="", description="of the spec for which everything is ready")
    waiting: Count = Field(default=0, description="files that no worker holds")
    running: Count = Field(default=0, description="files that workers hold")
    done: Count = Field(default=0, description="files with a result")
    failed: Count = Field(default=0, description="files given up after their last attempt")
    workers: Count = Field(default=0, description="worker pods that have not ended")
    oldest_wait_seconds: Count | None = Field(default=None, description="age of the oldest file in the queue")
    conditions: tuple[Condition, ...] = Field(default=(), description="whether it can work, or why not")


class BucketStatus(StoredValue):
    """How a bucket stands."""

    observed_generation: Count = Field(default=0, description="the generation that was last looked at")
    objects: Count = Field(default=0, description="objects in it, or the least number there are")
    old_versions: Count = Field(default=0, description="older versions and marks of deletion, likewise")
    is_bound: bool = Field(default=False, description="whether these two are only the least numbers")
    deletable: bool = Field(default=False, description="whether its deletion is let through now")
    message: str = Field(default="", description="why it is not deletable, for people")
    conditions: tuple[Condition, ...] = Field(default=(), description="whether it is there")


class NodePoolStatus(StoredValue):
    """How a pool stands. A node takes workers while it is ready, not cordoned and not about to go."""

    observed_generation: Count = Field(default=0, description="the generation that was last looked at")
    nodes: Count = Field(default=0, description="nodes that are in the cluster")
    ready: Count = Field(default=0, description="of these, nodes that take workers")
    conditions: tuple[Condition, ...] = Field(default=(), description="whether it can be used, or why not")


class GpuServerStatus(StoredValue):
    """How a GPU server stands."""

    observed_generation: Count = Field(default=0, description="the generation that was last looked at")
    conditions: tuple[Condition, ...] = Field(default=(), description="whether it serves, or why not")


def told(found: Mapping[str, Any], model: type[Told]) -> Told:
    """The status that an object bears; an empty one where it bears none, or what we did not write."""
    try:
        return model.from_json(json.dumps(found.get("status") or {}))
    except ValidationError:
        return model()


def condition(
    kind: str, before: Sequence[Condition], *, holds: bool, reason: str, message: str, now: float
) -> Condition:
    """A condition; it bears the time at which it came to hold, or ceased to."""
    status = Truth.TRUE if holds else Truth.FALSE
    same = (each for each in before if each.type == kind and each.status is status)
    since = next((each.last_transition_time for each in same), moment(now))
    return Condition(
        type=kind, status=status, reason=reason, message=message[:MOST_MESSAGE], last_transition_time=since
    )
