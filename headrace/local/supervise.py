"""Keeps one server process running: started, watched, started again with back-off when it dies."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from headrace.local.process import Process
from headrace.model.errors import HeadraceError
from headrace.scaler.backoff import Backoff

LOOK_SECONDS = 0.1
_log = logging.getLogger(__name__)


@dataclass
class Server:
    """A server of the stack.

    `launch` starts it and returns when it answers, `end` ends it for good. `launch` runs in `launcher`,
    whose one thread must live as long as the servers: the kernel kills a child when the thread that
    started it ends.
    """

    name: str
    launch: Callable[[], Process]
    end: Callable[[Process], None]
    launcher: Executor
    _process: Process | None = None
    _started: float = 0.0

    @property
    def pid(self) -> int | None:
        """The id of its process; None while there is none."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start it. Raises what `launch` raises."""
        await asyncio.get_running_loop().run_in_executor(self.launcher, self._launch)

    def _launch(self) -> None:
        self._process = self.launch()
        self._started = time.monotonic()

    async def keep(self) -> None:
        """Start it again whenever it dies, until cancelled."""
        backoff = Backoff()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._process is not None and self._process.alive:
                continue
            self._report()
            backoff = backoff.after_death(started=self._started, now=time.monotonic())
            await asyncio.sleep(backoff.not_before - time.monotonic())
            await self._start_again()

    async def _start_again(self) -> None:
        try:
            await self.start()
        except (HeadraceError, OSError) as error:
            _log.error("%s: %s", self.name, error, extra={"action": "stack.server_start_failed"})
        else:
            _log.warning("%s runs again", self.name, extra={"action": "stack.server_started"})

    def _report(self) -> None:
        if self._process is None:
            return
        _log.error(
            "%s ended with %s and is started again:\n%s",
            self.name, self._process.exit_status, self._process.log_tail(),
            extra={"action": "stack.server_died", "server": self.name},
        )  # fmt: skip
        self.stop()

    def stop(self) -> None:
        """End it. While `keep` runs it is started again, with whatever `launch` does by then."""
        if self._process is not None:
            process, self._process = self._process, None
            self.end(process)
