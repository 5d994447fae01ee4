"""Workers that die or can't start: how long no more of their kind are started, and what is told of them."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from headrace.scaler.backoff import STEADY_SECONDS, Backoff
from headrace.scaler.kubernetes.pods import WorkerPod

Kind = tuple[str, str]  # a function and a digest as pods bear it: what another digest did is no guide

FORGOTTEN_SECONDS = 300.0  # after the last pause's end

_log = logging.getLogger(__name__)


class Failing:
    """By kind. `now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buried: frozenset[str] = frozenset()  # uids of dead pods that were counted
        self._backoffs: dict[Kind, Backoff] = {}
        self._reasons: dict[Kind, str] = {}  # of the last death or refusal
        self._stuck: frozenset[Kind] = frozenset()
        self._told: Mapping[str, str] = {}

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why workers of a function can't do their part, in Kubernetes' words; without those that can."""
        return self._told

    def learn(self, pods: Sequence[WorkerPod]) -> None:
        """Look at all of them; a change of what hinders a function is logged once."""
        kinds: dict[Kind, list[WorkerPod]] = defaultdict(list)
        for pod in pods:
            kinds[pod.function, pod.digest].append(pod)
        for kind, own in kinds.items():
            self._count_deaths(kind, [pod for pod in own if pod.died and pod.uid not in self._buried])
        self._buried = frozenset(pod.uid for pod in pods if pod.died)
        # Where some run well it is their node that hinders the others.
        self._stuck = frozenset(
            kind for kind, own in kinds.items() if any(map(_is_stuck, own)) and not any(map(_is_well, own))
        )
        self._forget(kinds)
        self._tell(pods)

    def refused(self, kind: Kind, reason: str) -> None:
        """The API server does not take such a pod; many that are refused at once count as one."""
        self._reasons[kind] = reason
        if not self.is_held_up(kind):
            self._die(kind, started=self._now())

    def is_held_up(self, kind: Kind) -> bool:
        """Whether no more of them are started now: one that tries is enough to learn when it can."""
        return kind in self._stuck or self._now() < self._backoff(kind).not_before

    def _count_deaths(self, kind: Kind, dead: Sequence[WorkerPod]) -> None:
        """Those that die together count as one."""
        if dead:
            self._reasons[kind] = dead[0].trouble or "ended before its time"
            self._die(kind, started=max(pod.started for pod in dead))

    def _die(self, kind: Kind, *, started: float) -> None:
        self._backoffs[kind] = self._backoff(kind).after_death(started=started, now=self._now())

    def _backoff(self, kind: Kind) -> Backoff:
        return self._backoffs.get(kind, Backoff())

    def _forget(self, kinds: Mapping[Kind, Sequence[WorkerPod]]) -> None:
        """A kind that runs steadily has a clean sheet, and so has one of which nothing was seen for long."""
        now = self._now()
        for kind, backoff in list(self._backoffs.items()):
            pods = kinds.get(kind, ())
            steady = any(_is_well(pod) and now - pod.started >= STEADY_SECONDS for pod in pods)
            if (steady and now >= backoff.not_before) or (
                not pods and now - backoff.not_before >= FORGOTTEN_SECONDS
            ):
                del self._backoffs[kind]
                self._reasons.pop(kind, None)

    def _tell(self, pods: Sequence[WorkerPod]) -> None:
        told = {kind[0]: self._reasons[kind] for kind in self._backoffs if kind in self._reasons}
        told |= {pod.function: pod.trouble for pod in pods if pod.trouble and not (pod.leaving or pod.ended)}
        for function, trouble in told.items():
            if self._told.get(function) != trouble:
                _log.warning(
                    "workers of %s: %s", function, trouble,
                    extra={"action": "scaler.workers_failing", "function": function},
                )  # fmt: skip
        self._told = told


def _is_stuck(pod: WorkerPod) -> bool:
    return pod.stuck and not pod.leaving


def _is_well(pod: WorkerPod) -> bool:
    return pod.running and not pod.leaving
