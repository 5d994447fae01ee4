"""A service's life: it works until it is told to end, or can't go on."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


async def until_told(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of them until SIGTERM or SIGINT; one that ends or fails ends all, and its fault is raised."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    tasks = [asyncio.create_task(each) for each in (*works, _wait(ended))]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in done:
        task.result()


async def _wait(ended: asyncio.Event) -> None:
    await ended.wait()
