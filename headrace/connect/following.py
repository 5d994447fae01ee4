"""Keeps a state folder as the cluster is, functions and plan; carries people's wishes of nodes there."""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from headrace.catalog.deployed import function_of, known_as
from headrace.catalog.folder import Installed
from headrace.files.whole import write_private
from headrace.files.wishes import WishesFile
from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS
from headrace.kube.mirror import Mirror
from headrace.kube.mirrors import View, mirror_of
from headrace.kube.port import Kube, Selection
from headrace.local.state import StackState, StateDirectory
from headrace.local.telling import Bulletin
from headrace.model import labels
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from headrace.model.function import digest_of
from headrace.model.settings import KubernetesSettings, Settings
from headrace.model.troubles import Trouble
from headrace.operations.node_wishes import set_enabled
from headrace.scaler.explaining import Explanation
from headrace.scaler.kubernetes.telling import explanation_of

LOOK_SECONDS = 0.5
SYNC_SECONDS = 20.0
LAST_SECONDS = 5.0
RUNTIME = "kubernetes"

_log = logging.getLogger(__name__)


class Follower:
    """Writes into `state` what `kube` shows of the stack that `settings` name."""

    def __init__(
        self, kube: Kube, settings: Settings, place: KubernetesSettings, state: StateDirectory
    ) -> None:
        self._kube = kube
        self._settings = settings
        self._place = place
        self._state = state
        self._folder = Path(settings.functions_directory)
        self._functions = mirror_of(kube, FUNCTIONS, place.namespaces)
        self._plans = Mirror(
            kube, CONFIG_MAPS, Selection(place.platform_namespace, {labels.COMPONENT: "scaler"})
        )
        self._bulletin = Bulletin(state, time.monotonic)
        self._started = time.time()
        self._wishes = WishesFile(state.wishes)
        self._wished: dict[str, bool] = {}
        self._written: Mapping[str, bytes] = {}
        self._explained: Explanation | None = None
        self._shown = (-1, -1)  # the mirrors' revisions that these are of

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Write it once, then keep it while the block runs. Raises HeadraceError when it can't be seen."""
        async with AsyncExitStack() as closing:
            views: tuple[View, ...] = (self._functions, self._plans)
            for mirror in views:
                await closing.enter_async_context(mirror)
                if not await mirror.sync(SYNC_SECONDS):
                    raise TransientError(
                        f"the cluster did not answer for {SYNC_SECONDS:g} s; is it up?",
                        trouble=Trouble.CLUSTER_AWAY,
                    )
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for stale in self._folder.glob("*.json"):
                stale.unlink()
            self._wished = dict(self._wishes.enabled())
            self._write()
            task = asyncio.create_task(self._keep())
            try:
                yield
            finally:
                task.cancel()
                await self._carry_last_wishes()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with _faults_logged():
                self._write()
                await self._carry_wishes()

    def _write(self) -> None:
        shown = self._functions.revision, self._plans.revision
        if shown != self._shown:
            self._write_functions()
            self._explained = self._explanation()
            self._shown = shown
        if self._explained is not None:  # the bulletin may have put off what was told before
            self._bulletin.tell(self._told(self._explained), self._explained)

    def _write_functions(self) -> None:
        objects = {
            known_as(item, self._place): json.dumps(item).encode() for item in self._functions.items.values()
        }
        for name, body in objects.items():
            if self._written.get(name) != body:
                write_private(self._folder / f"{name}.json", body)
        for name in self._written.keys() - objects.keys():
            (self._folder / f"{name}.json").unlink(missing_ok=True)
        self._written = objects

    def _explanation(self) -> Explanation | None:
        plans = [item for (_, name), item in self._plans.items.items() if name == labels.PLAN]
        return explanation_of(plans[0]) if plans else None

    def _told(self, explained: Explanation) -> StackState:
        return StackState(
            pid=os.getpid(),
            started_at=self._started,
            endpoint=self._settings.storage.address,
            runtime=RUNTIME,
            workers={each.name: each.workers for each in explained.functions},
            wanted={each.name: sum(each.wanted.values()) for each in explained.functions},
            reasons={each.name: each.reason.code.value for each in explained.functions},
        )

    async def _carry_last_wishes(self) -> None:
        """Those of the last moment: the next connection would take them for carried."""
        with _faults_logged():
            async with asyncio.timeout(LAST_SECONDS):
                await self._carry_wishes()

    async def _carry_wishes(self) -> None:
        for node, enabled in self._wishes.enabled().items():
            if self._wished.get(node) is not enabled:
                await set_enabled(self._kube, node, self._pool_of(node), enabled=enabled)
                self._wished[node] = enabled

    def _pool_of(self, node: str) -> str:
        nodes = self._explained.nodes if self._explained is not None else ()
        return next((each.pool for each in nodes if each.name == node), "")


@contextmanager
def _faults_logged() -> Iterator[None]:
    """What the cluster or the folder refuses ends no connection."""
    try:
        yield
    except (HeadraceError, OSError) as error:
        _log.warning("not followed: %s", error, extra={"action": "connect.not_followed"})


def read_objects(folder: Path, place: KubernetesSettings | None = None) -> tuple[Installed, ...]:
    """The sound ones of the functions that a follower wrote; the others have no workers."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            function = function_of(json.loads(path.read_bytes()), place)
        except (ConfigurationError, FileNotFoundError) as error:
            _log.warning("left out: %s", error, extra={"action": "connect.function_unsound"})
            continue
        found.append(Installed(function, folder, digest_of(function, {})))
    return tuple(found)
