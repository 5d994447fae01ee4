"""The register in a config map, changed on condition that nobody else has changed it meanwhile."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import ValidationError

from headrace.kube.kinds import CONFIG_MAPS
from headrace.kube.naming import version_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    TransientError,
)
from headrace.nodes.eks.register import Register

TRIES = 5  # of a change that others come before

Edit = Callable[[Register], Register]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    """A change that waits to be written."""

    edit: Edit
    done: asyncio.Future[Register] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class KeptRegister:
    """The register of one node group: an entry of the platform's config map, one an entry each group."""

    def __init__(self, kube: Kube, namespace: str, *, group: str, pool: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._group = group
        self._key = f"{group}.json"
        self._empty = Register(pool=pool)
        self._turns: list[_Turn] = []
        self._lock = asyncio.Lock()
        self.newest = self._empty  # as it was read or written last

    async def read(self) -> Register:
        """As it is now. Raises ConfigurationError where another pool has the group."""
        self.newest = self._register(await self._found())
        return self.newest

    async def change(self, edit: Edit) -> Register:
        """Write what `edit` makes of it, and return that; edits that come together are one write.

        `edit` may be called several times. Raises TransientError where others kept coming before.
        """
        turn = _Turn(edit)
        self._turns.append(turn)
        await asyncio.sleep(0)  # those of the same decision come now
        async with self._lock:
            if not turn.done.done():
                await self._write_turns()
        return await turn.done

    async def _write_turns(self) -> None:
        turns, self._turns = self._turns, []
        try:
            written = await self._write([turn.edit for turn in turns])
        except HeadraceError as error:
            _fail(turns, error)
        except BaseException:
            _fail(turns, TransientError(f"config map {labels.NODE_SLOTS}: {self._key} was not written"))
            raise
        else:
            for turn in turns:
                turn.done.set_result(written)

    async def _write(self, edits: Sequence[Edit]) -> Register:
        for _ in range(TRIES):
            found = await self._found()
            before = after = self._register(found)
            for edit in edits:
                after = edit(after)
            if after != before:
                try:
                    await self._put(after, found)
                except (ChangedError, ExistsError, NotFoundError):
                    continue
            self.newest = after
            return after
        raise TransientError(
            f"config map {labels.NODE_SLOTS}: others changed it {TRIES} times in a row; try again later"
        )

    async def _put(self, register: Register, found: Manifest | None) -> None:
        data = {self._key: register.to_json().decode()}
        if found is None:
            marks = {labels.PART_OF: labels.HEADRACE}
            metadata = {"name": labels.NODE_SLOTS, "namespace": self._namespace, "labels": marks}
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            await self._kube.create(CONFIG_MAPS, made)
            return
        change = {"metadata": {"resourceVersion": version_of(found)}, "data": data}
        await self._kube.patch(CONFIG_MAPS, labels.NODE_SLOTS, change, namespace=self._namespace)

    async def _found(self) -> Manifest | None:
        with suppress(NotFoundError):
            return await self._kube.get(CONFIG_MAPS, labels.NODE_SLOTS, namespace=self._namespace)
        return None

    def _register(self, found: Manifest | None) -> Register:
        text = ((found or {}).get("data") or {}).get(self._key)
        if text is None:
            return self._empty
        try:
            register = Register.from_json(text)
        except ValidationError as error:
            # Instances then get their slots anew, by what their Node objects say.
            extra = {"action": "nodes.slots_unread"}
            _log.error(
                "config map %s: %s can't be read: %s", labels.NODE_SLOTS, self._key, error, extra=extra
            )
            return self._empty
        if register.pool == self._empty.pool:
            return register
        if not register.slots:
            return self._empty
        raise ConfigurationError(
            f"node group {self._group}: found pool {register.pool} on it, allowed one pool alone; give pool "
            f"{self._empty.pool} a node group of its own, or stop the nodes of pool {register.pool} first"
        )


def _fail(turns: Sequence[_Turn], error: HeadraceError) -> None:
    for turn in turns:
        turn.done.set_exception(error)
        turn.done.exception()  # whoever waits gets it; who was cancelled does not
