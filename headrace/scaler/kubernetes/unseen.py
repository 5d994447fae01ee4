"""Pods that were created and that the mirror does not show yet: the next decision must count with them."""

from collections.abc import Callable, Sequence

from headrace.kube.mirror import Mirror
from headrace.kube.naming import uid_of
from headrace.kube.port import Event
from headrace.scaler.kubernetes.pods import WorkerPod

UNSEEN_SECONDS = 30.0  # one that has not been shown by then came and went while no watch stood


class Unseen:
    """Until the mirror tells of them. `now` gives seconds since the epoch."""

    def __init__(self, pods: Mirror, now: Callable[[], float]) -> None:
        self._now = now
        self._born: dict[str, tuple[float, WorkerPod]] = {}  # by uid, and when
        pods.listen(self._hear)

    def add(self, pod: WorkerPod) -> None:
        """The API server has made it."""
        self._born[pod.uid] = self._now(), pod

    def beside(self, shown: Sequence[WorkerPod]) -> Sequence[WorkerPod]:
        """What the mirror shows, and what it does not show yet."""
        if not self._born:
            return shown
        seen, oldest = {pod.uid for pod in shown}, self._now() - UNSEEN_SECONDS
        self._born = {
            uid: (born, pod)
            for uid, (born, pod) in self._born.items()
            if born > oldest and uid not in seen  # it may have been told of before the answer came
        }
        return (*shown, *(pod for _, pod in self._born.values()))

    def _hear(self, event: Event) -> None:
        self._born.pop(uid_of(event.manifest), None)
