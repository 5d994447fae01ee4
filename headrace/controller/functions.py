"""A Function object: what it needs, how it stands, and its orderly end."""

import logging

from headrace.catalog.deployed import function_of, known_as
from headrace.controller import statuses
from headrace.controller.census import Census
from headrace.controller.parts import Deployed, Parts, owner_of
from headrace.controller.seen import Seen
from headrace.controller.statuses import Sight, Verdict, function_status
from headrace.controller.telling import Teller
from headrace.controller.world import World, finalizers
from headrace.kube.kinds import FUNCTIONS, PODS
from headrace.kube.naming import Key, is_ending, key_of
from headrace.kube.port import Manifest
from headrace.model.errors import (
    ConfigurationError,
    HeadraceError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from headrace.model.function import OnDelete, digest_of
from headrace.model.judging import judge
from headrace.model.labels import FINALIZER
from headrace.model.tenancy import qualified
from headrace.nodes.cluster import is_over
from headrace.placement.ways import choose_way
from headrace.queue.port import Backlog

BUSY_SECONDS = 2.0  # between two looks at a function that has files or workers
IDLE_SECONDS = 5.0  # at one that has none
PATIENCE = 3  # failures in a row before a status says that a server is out of reach
_EMPTY = Backlog(tasks=0, leased=0, oldest_received=None, bytes_estimate=0, paused=False)

_log = logging.getLogger(__name__)


class Functions:
    """Brings functions to what their objects say."""

    def __init__(self, world: World, seen: Seen, census: Census) -> None:
        self._world = world
        self._seen = seen
        self._census = census
        self._parts = Parts(world, seen)
        self._teller = Teller(world)
        self._last: dict[Key, Manifest] = {}

    async def reconcile(self, namespace: str, name: str, *, failures: int) -> float | None:
        """One look; after how many seconds the next is due, None: it is gone.

        `failures`: of the looks before this one, in a row. Raises what the ports raise.
        """
        found = self._seen.functions.get(name, namespace)
        if found is None:
            self._forget((namespace, name))
            return None
        self._last[namespace, name] = found
        try:
            return await self._look(found)
        except TransientError as error:
            if failures + 1 >= PATIENCE:
                verdict = Verdict.no(statuses.UNREACHABLE, str(error), digest=None)
                await self._tell(found, verdict, None)
            raise

    async def _look(self, found: Manifest) -> float | None:
        if not is_ending(found):
            await self._world.hands.hold(FUNCTIONS, found)
            verdict, backlog = await self._prepared(found), await self._backlog(found)
            if isinstance(backlog, Backlog):
                return await self._tell(found, verdict, backlog)
            if verdict.ready or verdict.reason == statuses.REFUSED:  # what was made for its workers is there
                verdict = Verdict.no(statuses.REFUSED, str(backlog), digest=None)
            return await self._tell(found, verdict, None)
        if FINALIZER not in finalizers(found):
            return None
        return await self._end(found)

    # What it needs

    async def _prepared(self, found: Manifest) -> Verdict:
        """Make what is missing; whether all is there."""
        try:
            function = function_of(found, self._world.kubernetes)
            digest = digest_of(function, {})
            self._parts.check(function, digest)
        except (ConfigurationError, RejectedError) as error:
            return Verdict.no(statuses.INVALID, str(error))
        if refusal := judge(function, self._world.kubernetes):
            return Verdict.no(statuses.NOT_ALLOWED, refusal)
        gpu = choose_way(function, self._seen.gpus())
        if not gpu.way.taken:
            return Verdict.no(statuses.NO_WAY_TO_GPU, gpu.way.reason, digest=None)
        deployed = Deployed(function, digest, owner_of(found))
        try:
            waits = await self._parts.make(deployed)
        except (ConfigurationError, RejectedError) as error:
            return Verdict.no(statuses.REFUSED, str(error))
        if waits:
            return Verdict.no(statuses.BUCKETS_MISSING, waits, digest=None)
        await self._parts.remove_old(deployed)
        return Verdict.yes("everything that it needs is there", digest)

    # How it stands

    async def _backlog(self, found: Manifest) -> Backlog | HeadraceError:
        """Or why the queue does not tell it. Raises TransientError while the queue is away."""
        name = known_as(found, self._world.kubernetes)
        try:
            return await self._world.queue.backlog(name)
        except NotFoundError:
            self._parts.stream_is_lost(name)
            return _EMPTY
        except TransientError:
            raise
        except HeadraceError as error:
            return error

    async def _tell(self, found: Manifest, verdict: Verdict, backlog: Backlog | None) -> float:
        """Write its status if that is due; in how many seconds to look again."""
        name = known_as(found, self._world.kubernetes)
        pods = self._seen.pods_of(key_of(found))
        is_busy = bool(pods or (backlog and backlog.tasks))
        if is_busy:
            self._census.stir(name)
        sight = Sight(backlog, self._census.counts(name), pods)
        status = function_status(found, verdict, sight, self._world.now())
        wait = await self._teller.tell(FUNCTIONS, found, status)
        return wait or (BUSY_SECONDS if is_busy or not verdict.ready else IDLE_SECONDS)

    # Its end

    async def _end(self, found: Manifest) -> float | None:
        """First its workers end, then its stream goes if it is to, then the object is let go."""
        policy, name = on_delete(found), known_as(found, self._world.kubernetes)
        looked = await self._backlog(found)
        backlog = looked if isinstance(looked, Backlog) else None
        if policy is not OnDelete.KEEP and isinstance(looked, HeadraceError):
            return await self._tell(found, _unseen(looked), None)
        if policy is OnDelete.REFUSE and backlog and backlog.tasks:
            return await self._tell(found, _held(backlog), backlog)
        pods = [pod for pod in self._seen.pods_of(key_of(found)) if not is_over(pod)]
        for pod in pods:
            await self._world.hands.delete(PODS, pod)
        if pods:
            message = f"it is being deleted; {len(pods)} workers still end"
            return await self._tell(found, Verdict.no(statuses.ENDING, message), backlog)
        if policy is OnDelete.PURGE:  # of `refuse` too the stream stays: a file may have come just now
            await self._world.hands.drop_stream(name)
        await self._world.hands.release(FUNCTIONS, found)
        _log.info(
            "deleted; waiting files: %s",
            policy,
            extra={"action": "controller.function_deleted", "function": name},
        )
        return None

    def _forget(self, key: Key) -> None:
        namespace, own = key
        name = qualified(self._world.kubernetes.tenant_in(namespace), own)
        self._census.forget(name)
        self._parts.stream_is_lost(name)
        last = self._last.pop(key, None)
        if last is not None:
            self._teller.forget(last)


def on_delete(found: Manifest) -> OnDelete:
    """What becomes of its files; of an object that says nothing valid they are kept."""
    spec = found.get("spec")
    said = spec.get("onDelete") if isinstance(spec, dict) else None
    return OnDelete(said) if said in tuple(OnDelete) else OnDelete.KEEP


def _unseen(error: HeadraceError) -> Verdict:
    """What can't be looked at is not dropped."""
    message = f"its deletion waits: {error}; see to it, or set spec.onDelete to keep"
    return Verdict.no(statuses.REFUSED, message, digest=None)


def _held(backlog: Backlog) -> Verdict:
    """Its workers go on, so the digest stays."""
    message = (
        f"its deletion waits: found {backlog.tasks} files in the queue, allowed none with onDelete: refuse; "
        "wait until they are worked, or set spec.onDelete to keep or purge"
    )
    return Verdict.no(statuses.HOLDS_FILES, message, digest=None)
