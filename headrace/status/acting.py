"""What a person does on the page: replay, pause, resume; a node is enabled or disabled."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from headrace.files.wishes import wish
from headrace.health.faults import refusal
from headrace.kube.port import Kube
from headrace.model.errors import NotFoundError
from headrace.model.record import Ending, FailureRecord
from headrace.model.settings import places_of
from headrace.model.task import TASK_ID_LENGTH
from headrace.model.value import Value
from headrace.operations.change import Changes
from headrace.operations.logs import logs
from headrace.operations.node_wishes import set_enabled
from headrace.operations.purge import Pausing, pause, resume
from headrace.operations.replay import replay
from headrace.status.access import May
from headrace.status.answers import Done, LogTail
from headrace.status.gathering import Gathering

MOST_LOG = 64_000  # characters of a log's end
ENABLED = "takes work again"
DISABLED = "takes no new work; its workers finish the files that they compute, and hand back the others"
_TASK = re.compile(rf"[0-9a-f]{{{TASK_ID_LENGTH}}}")
Sent = TypeVar("Sent", bound=Value)
SetEnabled = Callable[[str, str, bool], Awaitable[None]]  # node, its pool, whether it may be used


class OnFunction(Value):
    """What is sent with replay, pause and resume. Without a `task` all failed files are replayed."""

    function: str = Field(min_length=1, max_length=200)
    task: str | None = Field(default=None, min_length=1, max_length=64)


class OnNode(Value):
    """What is sent with enable and disable."""

    node: str = Field(min_length=1, max_length=253)


@dataclass
class Acts:
    """The actions of one stack. `set_enabled` says a wish of a node where the scaler reads it."""

    gathering: Gathering
    set_enabled: SetEnabled
    _turns: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def act(self, what: May, body: bytes) -> Done:
        """Do it, and have all sources asked anew. Raises FaultError, and what the operations raise."""
        if what in {May.ENABLE, May.DISABLE}:
            done = await self._able(_parsed(body, OnNode).node, enabled=what is May.ENABLE)
        else:
            done = await self._on_function(what, _parsed(body, OnFunction))
        self.gathering.hurry()
        return done

    async def _on_function(self, what: May, sent: OnFunction) -> Done:
        if what is May.REPLAY:
            return await self._replay(sent)
        if sent.task is not None:
            reason = "task: allowed with replay alone; a function is paused with all its files"
            raise refusal(HTTPStatus.BAD_REQUEST, "not valid", reason)
        step = pause if what is May.PAUSE else resume
        return _of_pausing(what, await step(self.gathering.stack, sent.function))

    async def _replay(self, sent: OnFunction) -> Done:
        async with self._turns[sent.function]:  # an operation that must not run twice at once
            ids = None if sent.task is None else {sent.task}
            return _of_changes(await replay(self.gathering.stack, sent.function, ids=ids))

    async def _able(self, node: str, *, enabled: bool) -> Done:
        plan = self.gathering.sight.plan
        known = {each.name: each for each in (plan.nodes if plan is not None else ())}
        if node not in known:
            names = ", ".join(sorted(known)[:20]) or "none yet"
            raise NotFoundError(f"node {node!r} is not known; known: {names}")
        found = known[node]
        await self.set_enabled(node, found.pool, enabled)
        what = May.ENABLE if enabled else May.DISABLE
        changed = int(found.enabled is not enabled)
        message = f"{node} {ENABLED if enabled else DISABLED}"
        return Done(action=what, subject=node, changed=changed, left=1 - changed, message=message)

    async def log(self, function: str, task: str) -> LogTail:
        """Of a file that has failed. Raises NotFoundError."""
        stack = self.gathering.stack
        name = stack.find(function).function.name
        record = await stack.records.find(name, task) if _TASK.fullmatch(task) else None
        if not isinstance(record, FailureRecord) or record.state is not Ending.FAILED:
            raise NotFoundError(f"task {task} of {function} has not failed, or is replayed by now")
        found = await logs(stack, function, task)
        return LogTail(
            function=function,
            task=task,
            bucket=found.bucket,
            key=found.key,
            state=record.state,
            reason=record.reason,
            attempts=record.attempts,
            at=round(record.ended),
            worker=record.worker,
            size=record.task.size,
            text=found.text[-MOST_LOG:],
            cut=len(found.text) > MOST_LOG,
        )


def _parsed(body: bytes, model: type[Sent]) -> Sent:
    try:
        return model.from_json(body)
    except ValidationError as error:
        fields = ", ".join(each.alias or name for name, each in model.model_fields.items())
        reason = f"faulty are: {places_of(error)}; allowed is a JSON object with {fields}"
        raise refusal(HTTPStatus.BAD_REQUEST, "not valid", reason) from error


def _of_pausing(what: May, found: Pausing) -> Done:
    words = "is paused: its files wait" if found.paused else "goes on"
    already = " already" if found.was_paused is found.paused else ""
    return Done(
        action=what,
        subject=found.function,
        changed=int(found.was_paused is not found.paused),
        left=int(found.was_paused is found.paused),
        message=f"{found.function} {words}{already} ({found.waiting:,} wait)",
    )


def _of_changes(found: Changes) -> Done:
    changed, left = len(found.changed), len(found.left)
    noun = "file" if changed == 1 else "files"
    message = f"{changed:,} {noun} of {found.function} queued again"
    if left:
        message += f"; {left:,} left: {found.left[0].reason}"
    return Done(action=May.REPLAY, subject=found.function, changed=changed, left=left, message=message)


def on_machine(wishes_file: Path) -> SetEnabled:
    """Wishes of a stack on this machine, in the file that its scaler reads."""

    async def set_enabled_there(node: str, _: str, enabled: bool) -> None:  # noqa: FBT001  (of a port)
        await asyncio.to_thread(wish, wishes_file, node, enabled=enabled)

    return set_enabled_there


def on_cluster(kube: Kube) -> SetEnabled:
    """Wishes of a cluster's nodes, in their objects."""

    async def set_enabled_there(node: str, pool: str, enabled: bool) -> None:  # noqa: FBT001  (of a port)
        await set_enabled(kube, node, pool, enabled=enabled)

    return set_enabled_there
