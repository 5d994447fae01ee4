"""Leading, on a Lease: who renews it, apart from the work, and the fence that the work asks.

`Elector` follows the rules of election.py on an event loop. `Leadership` gives it a thread, an event loop
and a client of its own: neither a slow decision nor a blocked event loop keeps a lease from being renewed,
and the fence needs nobody to be punctual, for it is asked and reads the clock itself.
"""

import asyncio
import logging
import socket
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

from headrace.kube import election
from headrace.kube.election import CLIENT_GO, Claim, Terms, holder_of
from headrace.kube.kinds import LEASES
from headrace.kube.port import Kube, Manifest
from headrace.model.errors import ChangedError, ExistsError, FatalError, HeadraceError, NotFoundError

LOG = logging.getLogger(__name__)
_JITTER = 1.2  # of a candidate's pause, as client-go has it: candidates come apart
_POLL_SECONDS = 0.1
_STOP_SECONDS = 15.0  # until the thread ends: two calls, to renew and to give back


def boot_clock() -> float:
    """Seconds on a clock that nothing sets and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Seat:
    """The Lease that is striven for; `identity` names this process and no other, now or later."""

    namespace: str
    name: str
    identity: str

    @classmethod
    def own(cls, namespace: str, name: str) -> "Seat":
        """With an identity that no other process has: in a pod the host's name is the pod's."""
        return cls(namespace, name, f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}")


class Elector:
    """One candidate. `claim` is replaced as a whole, so that any thread may read it."""

    def __init__(
        self,
        kube: Kube,
        seat: Seat,
        *,
        terms: Terms = CLIENT_GO,
        monotonic: Callable[[], float] = boot_clock,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Random | None = None,
    ) -> None:
        self.claim = Claim(seat.identity, terms)
        self.holder = ""  # as last seen
        self._kube = kube
        self._seat = seat
        self._monotonic = monotonic
        self._now = now
        self._sleep = sleep
        self._chance = chance or Random()  # noqa: S311  (spreads candidates; guards nothing)
        self._lease: Manifest | None = None  # as this candidate has written it last; None: read it

    def leading(self) -> bool:
        """The fence: whether it may act now. It is to be asked before each action; see election.py."""
        return self.claim.leads(self._monotonic())

    async def run(self) -> None:
        """Strive for the lease and renew it until cancelled."""
        while True:
            await self.once()
            spread = 0.0 if self.claim.renewed_at is not None else _JITTER * self._chance.random()
            await self._sleep(self.claim.terms.retry_seconds * (1.0 + spread))

    async def once(self) -> None:
        """One try. What goes wrong is logged; the fence falls by itself when nothing is confirmed in time."""
        before = self.claim.renewed_at is not None
        try:
            await self._try()
        except (ChangedError, ExistsError, NotFoundError):
            self._lease = None  # somebody was faster; who holds it is read with the next try
            if before:
                await self._try_again()
        except HeadraceError as error:
            self._lease = None
            self._tell("lease-failed", str(error), logging.WARNING)
        except Exception:
            self._lease = None
            LOG.exception("a defect while lease %s was renewed", self._seat.name, extra={"action": "defect"})

    async def release(self) -> None:
        """Give the lease back. From the first moment on the fence is down."""
        held = self.claim.renewed_at is not None
        self.claim = replace(self.claim, renewed_at=None)
        if not held:
            return
        try:
            lease = self._lease or await self._read()
            if lease is not None and holder_of(lease) == self._seat.identity:
                spec = election.released(lease, self._now())
                await self._kube.replace(LEASES, {**lease, "spec": spec})
                self._tell("lease-released", "given back")
        except HeadraceError as error:
            self._tell("lease-failed", str(error), logging.WARNING)

    async def _try_again(self) -> None:
        """A holder whose lease was written by somebody knows at once whether it still holds it."""
        with suppress(HeadraceError):
            await self._try()

    async def _try(self) -> None:
        lease = self._lease or await self._read()
        self._see(lease)
        if not self.claim.is_free(lease, self._monotonic()):
            self._lose()
            return
        sent = self._monotonic()
        self._lease = await self._write(lease)
        self._see(self._lease)
        self._gain(sent)

    async def _read(self) -> Manifest | None:
        with suppress(NotFoundError):
            return await self._kube.get(LEASES, self._seat.name, namespace=self._seat.namespace)
        return None

    async def _write(self, lease: Manifest | None) -> Manifest:
        spec = self.claim.wanted(lease, self._now())
        if lease is not None:
            return await self._kube.replace(LEASES, {**lease, "spec": spec})
        metadata = {"name": self._seat.name, "namespace": self._seat.namespace}
        return await self._kube.create(LEASES, {"metadata": metadata, "spec": spec})

    def _see(self, lease: Manifest | None) -> None:
        self.holder = holder_of(lease) if lease is not None else ""
        if election.version(lease) != self.claim.seen:
            seen_at = self._monotonic()
            self.claim = replace(self.claim, seen=election.version(lease), seen_at=seen_at)

    def _gain(self, sent: float) -> None:
        begins = not self.leading()
        self.claim = replace(self.claim, renewed_at=sent, term=self.claim.term + begins)
        if begins:
            self._tell("leading", f"term {self.claim.term}")

    def _lose(self) -> None:
        if self.claim.renewed_at is not None:
            self.claim = replace(self.claim, renewed_at=None)
            self._tell("leading-ended", f"{self.holder} holds the lease", logging.WARNING)

    def _tell(self, action: str, reason: str, level: int = logging.INFO) -> None:
        seat = self._seat
        extra = {"action": action, "lease": seat.name, "identity": seat.identity, "reason": reason}
        LOG.log(level, "lease %s/%s: %s", seat.namespace, seat.name, reason, extra=extra)


class Leadership:
    """A candidate with a thread of its own. `connect` makes its client, in that thread's event loop."""

    def __init__(
        self,
        connect: Callable[[], Kube],
        seat: Seat,
        *,
        terms: Terms = CLIENT_GO,
        chance: Random | None = None,
    ) -> None:
        self._connect = connect
        self._seat = seat
        self._terms = terms
        self._chance = chance
        self._elector: Elector | None = None
        self._down = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"lease {seat.name}", daemon=True)

    @property
    def term(self) -> int:
        """How often this process began to lead; another number than before: it did not lead in between."""
        return self._elector.claim.term if self._elector is not None else 0

    @property
    def holder(self) -> str:
        """Who held the lease when it was last seen; empty: nobody."""
        return self._elector.holder if self._elector is not None else ""

    def leading(self) -> bool:
        """The fence: whether this process may act now. From any thread; ask it before each action."""
        return not self._down and self._elector is not None and self._elector.leading()

    def start(self) -> None:
        """Begin to strive for the lease."""
        self._thread.start()

    async def elected(self) -> None:
        """Wait until this process leads. Raises FatalError where it never will."""
        while not self.leading():
            if self._down or not self._thread.is_alive():
                raise FatalError(f"nobody strives for lease {self._seat.name} here; its log says why")
            await asyncio.sleep(_POLL_SECONDS)

    async def ended(self) -> None:
        """Wait until this process leads no more."""
        while self.leading():  # noqa: ASYNC110  (the clock alone may end it)
            await asyncio.sleep(_POLL_SECONDS)

    async def strive(self) -> None:
        """For ever; raises FatalError when nobody strives for the lease any more."""
        while True:
            await self.elected()
            await self.ended()

    async def stop(self) -> None:
        """Let the fence down at once, give the lease back, end the thread. Stop acting before."""
        self._down = True
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, _STOP_SECONDS)

    def _live(self) -> None:
        try:
            asyncio.run(self._strive())
        except Exception:
            LOG.exception("the renewal of lease %s ended; the fence is down", self._seat.name)
        finally:
            self._down = True

    async def _strive(self) -> None:
        kube = self._connect()
        elector = Elector(kube, self._seat, terms=self._terms, chance=self._chance)
        self._elector = elector
        renewal = asyncio.create_task(elector.run())
        try:
            while not self._stopping.is_set():
                await asyncio.wait({renewal}, timeout=_POLL_SECONDS)
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await elector.release()
            await kube.close()
