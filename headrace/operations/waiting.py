"""Waiting for a task's end."""

from collections.abc import Awaitable, Callable

from headrace.model.errors import TransientError
from headrace.model.troubles import Trouble
from headrace.operations.stack import Stack
from headrace.operations.task_story import Stage, TaskStory, look

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 0.5


class StillWaitingError(TransientError):
    """Time ran out: the task has not ended, and goes on."""

    trouble = Trouble.STILL_WAITING


async def settled(
    stack: Stack,
    function: str,
    identifier: str,
    *,
    timeout_seconds: float | None,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    tell: Callable[[TaskStory], None] = lambda _: None,
) -> TaskStory:
    """Wait until a task has ended and its outputs are published, and `tell` each look before.

    Raises StillWaitingError when time runs out.
    """
    begun, wait = now(), FIRST_WAIT_SECONDS
    while not (story := await look(stack, function, identifier)).settled:
        if timeout_seconds is not None and now() - begun >= timeout_seconds:
            raise StillWaitingError(
                f"task {identifier} of {function} has not ended after {timeout_seconds:g} s: "
                f"{describe(story)}. It is not given up; `headrace explain` tells how it stands"
            )
        tell(story)
        await sleep(wait)
        wait = min(LONGEST_WAIT_SECONDS, wait * 1.5)
    return story


def describe(story: TaskStory) -> str:
    """Where a task is, in a few words."""
    if story.stage is Stage.ABSENT:
        return "waiting for the store's notification"
    if story.stage is Stage.DONE:
        return "publishing its outputs"
    failed = f", {_counted(len(story.failures), 'attempt')} failed" if story.failures else ""
    if story.paused:
        return f"queued, but the function is paused{failed}"
    if story.ahead:
        return f"queued behind {_counted(story.ahead, 'file')}{failed}"
    return f"next, or being worked{failed}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
