"""What each worker holds, as it told; and what is believed of one that was not heard yet."""

from collections.abc import Callable, Mapping

from headrace.model.errors import HeadraceError
from headrace.model.observation import Standing
from headrace.model.tenancy import tenant_of
from headrace.queue.port import Queue
from headrace.scaler.kubernetes.pods import WorkerPod

ALL_HEARD_SECONDS = 10.0  # a worker tells every 5 s how it stands; one of those tellings may be lost


class Hearing:
    """Listens to workers. `now` gives seconds since the epoch."""

    def __init__(self, queue: Queue, now: Callable[[], float]) -> None:
        self._queue = queue
        self._now = now
        self._since: float | None = None  # it listens; None: it does not
        self._unheard: Mapping[str, float] = {}  # by tenant of which nothing was heard for a time: up to when
        self._standings: Mapping[str, Standing] = {}

    async def listen(self) -> None:
        """Take what was told; a standby calls this too, so that it knows when it leads.

        Raises TransientError while the queue is away, ConfigurationError where it refuses this user; what is
        told meanwhile is lost, so that all must tell anew.
        """
        try:
            self._standings = await self._queue.standings()
        except HeadraceError:
            self._since = None
            raise
        now = self._now()
        if self._since is None:
            self._since, self._unheard = now, {}
        self._unheard = {**self._unheard, **dict.fromkeys(self._queue.unheard, now)}

    def standing(self, pod: WorkerPod) -> Standing:
        """What it told last. Who was there before us may work and just not have been heard yet."""
        told = self._standings.get(pod.name)
        if told is not None:
            return told
        since = self._heard_since(tenant_of(pod.name))
        held = int(pod.running and self._now() - since < ALL_HEARD_SECONDS and pod.started < since)
        return Standing(function=pod.function, worker=pod.name, held=held, since=pod.started)

    def _heard_since(self, tenant: str) -> float:
        """Since when a tenant's workers are heard; now, where they are not."""
        if self._since is None:
            return self._now()
        return max(self._since, self._unheard.get(tenant, self._since))
