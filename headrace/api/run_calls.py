"""/job and /run: a file or a notification is taken; `/run` waits for the result."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from headrace.api.access import Caller
from headrace.api.answering import answer_file, base64_length, base64_of, failure, outputs_of
from headrace.api.documents import Accepted, Ignored
from headrace.api.jobs import job_name
from headrace.api.payload import MAX_EVENT_BYTES, checked_name, notification_of
from headrace.api.spool import Taken
from headrace.api.submitting import Submitted, Submitter
from headrace.api.world import TASK_HEADER, World, answer
from headrace.catalog.folder import Installed
from headrace.health.faults import Fault, FaultError, refusal
from headrace.model.event import Delivery
from headrace.model.judging import judge
from headrace.model.record import FailureRecord, Record
from headrace.operations.logs import logs
from headrace.operations.stack import Stack
from headrace.operations.waiting import StillWaitingError, settled

ENCODING_HEADER = "headrace-encoding"  # `raw`: the body is the file, even if it looks like base64
ANSWER_HEADER = "Headrace-Answer"  # `file`, `zip` or `log`
FILE_HEADER = "Headrace-File"  # the file's name, percent-encoded
NAME_PARAMETER = "name"  # of the query: how the file is called


class RunCalls:
    """See the module."""

    def __init__(self, world: World, submitter: Submitter) -> None:
        self._world = world
        self._submitter = submitter

    async def job(self, request: Request) -> Response:
        """Take a file or a notification; its tasks are worked later."""
        caller, installed, stack = await self._begin(request)
        found = await self._submitted(request, installed, stack)
        service = caller.service_name(installed.function.name)
        document = Accepted(
            tasks=found.tasks,
            jobs=tuple(job_name(service, each) for each in found.tasks),
            ignored=tuple(Ignored(bucket=i.bucket, key=i.key, reason=i.reason) for i in found.ignored),
            held=found.held,
        )
        later = bool(found.held) or not found.tasks
        status = HTTPStatus.ACCEPTED if later else HTTPStatus.CREATED
        return answer(document, status, **_named(found.tasks))

    async def run(self, request: Request) -> Response:
        """Take a file, wait for its end, and answer what the function made of it."""
        _, installed, stack = await self._begin(request)
        found = await self._submitted(request, installed, stack)
        if not found.tasks:
            reasons = "; ".join(dict.fromkeys(each.reason for each in found.ignored))
            reason = f"no object of the notification became a task: {reasons or 'it has none'}"
            raise refusal(HTTPStatus.BAD_REQUEST, "nothing to run", reason)
        records = [await self._record(request, stack, installed, each) for each in found.tasks]
        if len(records) > 1:
            texts = [(await logs(stack, installed.function.name, each)).text for each in found.tasks]
            return PlainTextResponse("".join(texts))
        return await self._answer(stack, records[0])

    async def _begin(self, request: Request) -> tuple[Caller, Installed, Stack]:
        caller = self._world.caller(request)
        installed = await self._world.function(caller, request.path_params["service"])
        place = self._world.settings.kubernetes
        if place is not None and (why := judge(installed.function, place)):
            raise refusal(HTTPStatus.FORBIDDEN, "forbidden", why)
        await self._submitter.admit(installed.function.name)
        return caller, installed, self._world.stack(installed)

    async def _submitted(self, request: Request, installed: Installed, stack: Stack) -> Submitted:
        given = request.query_params.get(NAME_PARAMETER)
        name = checked_name(given) if given else f"event-file-{self._world.number()}"
        is_raw = request.headers.get(ENCODING_HEADER, "").lower() == "raw"
        taking = self._world.spool.taking(request.stream(), declared=_declared(request), is_raw=is_raw)
        async with taking as taken:
            delivery = None if is_raw else await asyncio.to_thread(_notification, taken)
            if delivery is not None:
                return await self._submitter.take(installed, delivery)
            return await self._submitter.send(stack, installed, taken.path, name)

    async def _record(self, request: Request, stack: Stack, installed: Installed, task: str) -> Record:
        """The record of a task once it is done. Raises FaultError; ClientDisconnect when nobody waits."""

        async def sleep(seconds: float) -> None:
            await self._world.sleep(seconds)
            if await request.is_disconnected():
                raise ClientDisconnect

        name, seconds = installed.function.name, self._world.api.run_seconds
        try:
            story = await settled(
                stack, name, task, timeout_seconds=seconds, now=self._world.now, sleep=sleep
            )
        except StillWaitingError as error:
            headers = {TASK_HEADER: task}
            status = HTTPStatus.GATEWAY_TIMEOUT
            raise FaultError(
                Fault(status, "it is not done yet", str(error), {"task": task}, headers)
            ) from error
        if isinstance(story.record, FailureRecord):
            text = (await logs(stack, name, task)).text
            raise FaultError(failure(story.record, text))
        if story.record is None:
            raise refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "lost", f"task {task} ended without a record")
        return story.record

    async def _answer(self, stack: Stack, record: Record) -> Response:
        task = record.task
        outputs = outputs_of(record)
        if not outputs:
            text = (await logs(stack, task.function, task.id)).text
            return PlainTextResponse(text, headers={TASK_HEADER: task.id, ANSWER_HEADER: "log"})
        async with AsyncExitStack() as closing:
            spool = self._world.spool
            # Fetched, and once more in a zip.
            closing.enter_context(spool.room(2 * sum(each.size for each in outputs)))
            folder = closing.enter_context(spool.folder())
            path = await answer_file(stack, record, folder)
            kind = (
                {ANSWER_HEADER: "zip"}
                if len(outputs) > 1
                else {ANSWER_HEADER: "file", FILE_HEADER: quote(path.name)}
            )
            return _FileAnswer(path, closing.pop_all(), {TASK_HEADER: task.id, **kind})


class _FileAnswer(Response):
    """A file in base64, sent piece by piece; what it lies in is given back at the end, however it comes."""

    def __init__(self, path: Path, closing: AsyncExitStack, headers: Mapping[str, str]) -> None:
        length = str(base64_length(path.stat().st_size))
        super().__init__(headers={"content-length": length, **headers}, media_type="text/plain")
        self._path = path
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        async with self._closing:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            pieces = base64_of(self._path)
            while piece := await asyncio.to_thread(next, pieces, b""):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _notification(taken: Taken) -> Delivery | None:
    return notification_of(taken.path.read_bytes()) if taken.size <= MAX_EVENT_BYTES else None


def _declared(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdigit() else None


def _named(tasks: Sequence[str]) -> dict[str, str]:
    return {TASK_HEADER: tasks[0]} if len(tasks) == 1 else {}
