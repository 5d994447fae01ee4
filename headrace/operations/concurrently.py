"""The same step for many items, a bounded number at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_AT_ONCE = 32


async def concurrently(
    step: Callable[[Item], Awaitable[Result]], items: Iterable[Item], *, most: int = MOST_AT_ONCE
) -> list[Result]:
    """The results in the order of the items. The first error ends the others and is raised."""
    room = asyncio.Semaphore(most)

    async def one(item: Item) -> Result:
        async with room:
            return await step(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except* Exception as errors:
        raise _first(errors) from errors
    return [task.result() for task in tasks]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
