"""A step for each of many items, a bounded number at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def flow(
    step: Callable[[Item], Awaitable[Result]], items: Iterable[Item], *, most: int
) -> list[Result]:
    """The results in the order in which they came. Items are taken one by one, in their order.

    The first error ends the others and is raised. Unlike one coroutine an item, memory stays bounded.
    """
    waiting = iter(items)
    results: list[Result] = []

    async def work() -> None:
        for item in waiting:
            result = await step(item)
            results.append(result)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(most):
                group.create_task(work())
    except* Exception as errors:
        raise _first(errors) from errors
    return results


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
