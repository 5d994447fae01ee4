"""/system/logs/{service} and /system/tasks/{service}: what became of a service's files."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from headrace.api.access import Caller
from headrace.api.documents import TaskOutput, TaskState
from headrace.api.jobs import dismiss, jobs, task_of
from headrace.api.world import TASK_HEADER, World, answer
from headrace.health.faults import refusal
from headrace.model.errors import NotFoundError
from headrace.model.record import FailureRecord, Record
from headrace.operations.logs import logs
from headrace.operations.purge import purge
from headrace.operations.stack import Stack
from headrace.operations.task_story import Stage, TaskStory, look

_YES = frozenset({"1", "t", "true", "yes"})


class JobCalls:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def listed(self, request: Request) -> Response:
        """One page of a service's jobs."""
        caller, function, stack = await self._begin(request)
        page = request.query_params.get("page", "")
        return answer(await jobs(stack, function, caller.service_name(function), page))

    async def log(self, request: Request) -> Response:
        """What a job printed."""
        _, function, stack = await self._begin(request)
        task = task_of(request.path_params["job"])
        if task in await stack.records.dismissed(function):
            raise refusal(HTTPStatus.NOT_FOUND, "not found", f"job {task} was deleted by a client")
        log = await logs(stack, function, task)
        return PlainTextResponse(log.text, headers={TASK_HEADER: task})

    async def delete(self, request: Request) -> Response:
        """Delete a job: one that ended is listed no more, one in the queue is taken out of it first."""
        _, function, stack = await self._begin(request)
        task = task_of(request.path_params["job"])
        story = await look(stack, function, task)
        if story.stage is Stage.ABSENT:
            raise refusal(HTTPStatus.NOT_FOUND, "not found", f"{function} has no job {task}")
        if story.stage is Stage.QUEUED:
            await purge(stack, function, now=self._world.now(), ids={task})
        await dismiss(stack, function, [task])
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def delete_all(self, request: Request) -> Response:
        """Delete the jobs that are done; with `all` those that failed, and those in the queue, too."""
        _, function, stack = await self._begin(request)
        everything = request.query_params.get("all", "").lower() in _YES
        if everything:
            await self._purge(stack, function)
        records = frozenset(await stack.records.listed(function))
        spared = frozenset() if everything else await stack.records.marked(function)
        gone = records - spared - await stack.records.dismissed(function)
        await dismiss(stack, function, sorted(gone))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def task(self, request: Request) -> Response:
        """A task's state."""
        caller, function, stack = await self._begin(request)
        task = task_of(request.path_params["task"])
        story = await look(stack, function, task)
        if story.stage is Stage.ABSENT:
            reason = f"{function} has no task {task}: it never had, or its file has not been told of yet"
            raise refusal(HTTPStatus.NOT_FOUND, "not found", reason)
        return answer(state_of(story, caller.service_name(function)))

    async def _begin(self, request: Request) -> tuple[Caller, str, Stack]:
        caller = self._world.caller(request)
        installed = await self._world.function(caller, request.path_params["service"])
        return caller, installed.function.name, self._world.stack(installed)

    async def _purge(self, stack: Stack, function: str) -> None:
        try:
            await purge(stack, function, now=self._world.now())
        except NotFoundError:  # it has no stream: nothing was ever queued
            return


def state_of(story: TaskStory, service: str) -> TaskState:
    """A task's story as a document."""
    record = story.record
    return TaskState(
        service=service,
        task=story.task_id,
        stage=story.stage.value,
        settled=story.settled,
        bucket=record.task.bucket if record else None,
        key=record.task.key if record else None,
        received=story.received,
        started=record.times.started if isinstance(record, Record) else None,
        ended=_ended(record),
        ahead=story.ahead,
        paused=story.paused,
        failures=story.failures,
        reason=record.reason if isinstance(record, FailureRecord) else None,
        outputs=tuple(
            TaskOutput(
                name=each.output.name,
                bucket=each.output.bucket,
                key=each.output.key,
                size=each.output.size,
                state=each.published.value,
            )
            for each in story.outputs
        ),
    )


def _ended(record: Record | FailureRecord | None) -> float | None:
    if record is None:
        return None
    return record.times.committed if isinstance(record, Record) else record.ended
