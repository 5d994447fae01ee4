"""What Ctrl-C and SIGTERM do to a program that runs a stack."""

import asyncio
import signal


def cancel_on_signals() -> None:
    """SIGINT and SIGTERM cancel the current task, whose clean-up stops the stack.

    A second signal cuts the waiting in that clean-up short. Call it from the main thread.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
