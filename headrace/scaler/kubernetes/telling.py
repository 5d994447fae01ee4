"""The scaler's newest decision for people and the controller, in a config map: at most one write a while."""

import logging

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import HeadraceError
from headrace.scaler.explaining import Explanation, explanation
from headrace.scaler.kubernetes.keeping import MANAGER
from headrace.scaler.service import Decision

NAME = "headrace-plan"
KEY = "plan.json"

_log = logging.getLogger(__name__)


class Bulletin:
    """Takes each decision; `write` publishes the newest, if anything but its time has changed."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._newest: Decision | None = None
        self._written: Explanation | None = None

    def tell(self, decision: Decision) -> None:
        """Remember it as the newest."""
        self._newest = decision

    async def write(self) -> None:
        """Publish; a fault is logged, and the next call tries again."""
        if self._newest is None:
            return
        told = explanation(self._newest.snapshot, self._newest.plan, self._newest.moment)
        if self._written is not None and told == self._written.model_copy(update={"at": told.at}):
            return
        try:
            await self._kube.apply(CONFIG_MAPS, plan_map(self._namespace, told), manager=MANAGER)
        except HeadraceError as error:
            _log.warning("the plan is not told: %s", error, extra={"action": "scaler.tell_failed"})
        else:
            self._written = told


def plan_map(namespace: str, told: Explanation) -> Manifest:
    """The config map that tells a decision."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {labels.PART_OF: labels.HEADRACE, labels.COMPONENT: "scaler"},
        },
        "data": {KEY: told.to_json().decode()},
    }
