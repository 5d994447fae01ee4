"""The scaler's newest decision for people and the controller, in a config map: at most one write a while."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import ValidationError

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import HeadraceError
from headrace.model.pool import NodePool
from headrace.scaler.explaining import Explanation, FunctionStory, PoolStory, Shortfall, explanation
from headrace.scaler.kubernetes.keeping import MANAGER, map_metadata
from headrace.scaler.plan import Reason, ReasonCode
from headrace.scaler.service import Decision
from headrace.scaler.snapshot import BootEstimate

_log = logging.getLogger(__name__)


class LeftOut(NamedTuple):
    """A pool that nobody can switch, and why."""

    pool: NodePool
    reason: str


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a decision does not know.

    `troubles`: by function why its workers can't do their part; `left_out`: pools that nobody can switch.
    """

    troubles: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()


class Bulletin:
    """Takes each decision; `write` publishes the newest, if anything but its time has changed."""

    def __init__(self, kube: Kube, namespace: str, remarks: Callable[[], Remarks]) -> None:
        self._kube = kube
        self._namespace = namespace
        self._remarks = remarks
        self._newest: tuple[Decision, Remarks] | None = None
        self._written: Explanation | None = None

    def tell(self, decision: Decision) -> None:
        """Remember it as the newest."""
        self._newest = decision, self._remarks()

    async def write(self) -> None:
        """Publish; a fault is logged, and the next call tries again."""
        if self._newest is None:
            return
        decision, remarks = self._newest
        told = remarked(explanation(decision.snapshot, decision.plan, decision.moment), remarks)
        if self._written is not None and told == self._written.model_copy(update={"at": told.at}):
            return
        try:
            await self._kube.apply(CONFIG_MAPS, plan_map(self._namespace, told), manager=MANAGER)
        except HeadraceError as error:
            _log.warning("the plan is not told: %s", error, extra={"action": "scaler.tell_failed"})
        else:
            self._written = told


def remarked(explained: Explanation, remarks: Remarks) -> Explanation:
    """The explanation with what else keeps files waiting or nodes off."""
    functions = tuple(
        replace(each, unmet=(*each.unmet, _failing(each, remarks.troubles[each.name])))
        if each.name in remarks.troubles
        else each
        for each in explained.functions
    )
    pools = (*explained.pools, *map(_left_out, remarks.left_out))
    return explained.model_copy(update={"functions": functions, "pools": pools})


def _failing(story: FunctionStory, trouble: str) -> Shortfall:
    reason = Reason(ReasonCode.WORKERS_FAILING, f"its workers can't do their part: {trouble}")
    return Shortfall(reason, story.waiting)


def _left_out(left_out: LeftOut) -> PoolStory:
    pool, spec = left_out.pool, left_out.pool.spec
    return PoolStory(
        pool.name,
        dict(pool.allocatable),
        {},
        spec.min_nodes,
        spec.max_nodes,
        BootEstimate(spec.boot_seconds, spec.boot_seconds),
        left_out=left_out.reason,
    )


def plan_map(namespace: str, told: Explanation) -> Manifest:
    """The config map that tells a decision."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": map_metadata(namespace, labels.PLAN),
        "data": {labels.PLAN_KEY: told.to_json().decode()},
    }


def explanation_of(plan: Manifest) -> Explanation | None:
    """What the scaler told; None when it is of a version that can't be read."""
    try:
        return Explanation.from_json(plan.get("data", {}).get(labels.PLAN_KEY, ""))
    except ValidationError as error:
        _log.warning("the plan can't be read: %s", error, extra={"action": "scaler.plan_unread"})
        return None
