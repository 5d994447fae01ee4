"""The runner in the user's container, as the worker sees it. Memory is bounded there by the kernel."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from headrace.model.function import Run
from headrace.worker.attempt import RETURNED, Cause, Outcome, Staged
from headrace.worker.container.folders import close_input, lay_out, take_results
from headrace.worker.container.link import Answer, Container
from headrace.worker.gpu_watch import GpuWatch
from headrace.worker.limits import Limits, Usage, exceeded, folder_bytes
from headrace.worker.runner_port import RunnerGoneError, answered, request_of, vanished

WATCH_SECONDS = 0.2
KILLED_BY_SIGNAL_9 = 137  # a shell's exit code for it


class ContainerRunner:
    """One start of the user's code in a container; `container` outlives it."""

    def __init__(self, container: Container, run: Run) -> None:
        self._container = container
        self._script = run.script is not None
        self._alive = False
        self.load_seconds: float | None = None
        self.files = 0
        self.computed_seconds = 0.0

    @property
    def usable(self) -> bool:
        """See the port."""
        return self._alive and self._container.here

    async def start(self) -> None:
        """See the port."""
        self._container.send("start")
        self._alive = True

    async def run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        """See the port."""
        try:
            outcome = await self._run(batch, limits)
        except RunnerGoneError:
            self._alive = False
            outcome = self._cut_off(limits)
        for staged in batch if self._script else ():
            close_input(staged.folder)
        return outcome if outcome.good else await self._judged(outcome)

    async def _judged(self, outcome: Outcome) -> Outcome:
        """A failure, unless a GPU's server is the cause: then the container has lost its GPUs for good."""
        if outcome.cause is Cause.LEFT or not self._container.servers:
            return outcome
        if not self._container.lost and (silent := await GpuWatch(self._container.servers).silent()):
            self._container.lose(f"{silent}; {outcome.reason}")
        lost = self._container.lost
        return Outcome(Cause.GPU_LOST, lost) if lost else outcome

    async def _run(self, batch: Sequence[Staged], limits: Limits) -> Outcome:
        if self.load_seconds is None:
            outcome = await self._watched(self._loaded(limits), [], limits)
            if not outcome.good:
                await self.kill()
                return outcome
        self.files += len(batch)
        await asyncio.to_thread(self._lay_out, batch)
        began = time.monotonic()
        self._container.send("run", str(batch[0].folder.path) if self._script else request_of(batch))
        outcome = await self._watched(self._answered(limits), batch, limits)
        self.computed_seconds = time.monotonic() - began
        return await self._taken(batch) if outcome.good else outcome

    def _lay_out(self, batch: Sequence[Staged]) -> None:
        for staged in batch:
            lay_out(staged, script=self._script)

    async def _taken(self, batch: Sequence[Staged]) -> Outcome:
        try:
            for staged in batch:
                await asyncio.to_thread(take_results, staged.folder)
        except OSError as error:
            return Outcome(Cause.EXCEPTION, f"the results can't be read: {error}")
        return RETURNED

    def _cut_off(self, limits: Limits) -> Outcome:
        """A container that had to leave was ended from outside: no fault of the file in hand."""
        if self._container.told_to_leave:
            return Outcome(Cause.LEFT, "the pod's time to leave was up")
        return vanished(limits, "the container ended")

    async def _loaded(self, limits: Limits) -> Outcome:
        answer = await self._container.answer()
        if "ended" in answer:
            return self._ended(answer, limits)
        if "ready" in answer:
            self.load_seconds = _number(answer["ready"])
            return RETURNED
        return Outcome(Cause.NOT_LOADED, f"the handler could not be loaded: {answer.get('broken')}")

    async def _answered(self, limits: Limits) -> Outcome:
        answer = await self._container.answer()
        if "ended" in answer:
            return self._ended(answer, limits)
        if "code" not in answer:
            await self.kill()
            return Outcome(Cause.EXCEPTION, "the runner gave an answer that is none")
        if self._script and answer["code"] == KILLED_BY_SIGNAL_9:
            return vanished(limits, f"exit code {answer['code']}")
        return answered(answer)

    def _ended(self, answer: Answer, limits: Limits) -> Outcome:
        self._alive = False
        return vanished(limits, f"the runner ended with {answer['ended']}")

    async def _watched(
        self, reply: Coroutine[Any, Any, Outcome], batch: Sequence[Staged], limits: Limits
    ) -> Outcome:
        answer = asyncio.ensure_future(reply)
        began = time.monotonic()
        try:
            while True:
                done, _ = await asyncio.wait({answer}, timeout=WATCH_SECONDS)
                if done:
                    return answer.result()
                outcome = await self._cut_short(batch, time.monotonic() - began, limits)
                if outcome is not None and not answer.done():
                    answer.cancel()
                    await self.kill()
                    return outcome
        finally:
            answer.cancel()

    async def _cut_short(self, batch: Sequence[Staged], seconds: float, limits: Limits) -> Outcome | None:
        """Why it is not waited for any longer."""
        if self._container.lost:
            return Outcome(Cause.GPU_LOST, self._container.lost)
        return await asyncio.to_thread(_exceeded, batch, seconds, limits)

    def log_tail(self) -> bytes:
        """See the port."""
        return self._container.log.read_bytes()[-4096:]

    async def kill(self) -> None:
        """See the port."""
        if self.usable:
            self._alive = False
            await self._container.kill()


def _exceeded(batch: Sequence[Staged], seconds: float, limits: Limits) -> Outcome | None:
    usage = Usage(
        seconds=seconds,
        memory_bytes=0,
        disk_bytes=folder_bytes(staged.folder.output for staged in batch),
        log_bytes=sum(s.folder.log.stat().st_size for s in batch if s.folder.log.exists()),
    )
    return exceeded(usage, limits)


def _number(said: object) -> float:
    return float(said) if isinstance(said, int | float) else 0.0
