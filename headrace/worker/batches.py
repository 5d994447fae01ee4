"""Runs batches, one after another, on one runner that is made anew when it dies; tells what each took."""

import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from headrace.model.observation import Finished
from headrace.worker.attempt import HANDED_BACK, Cause, Outcome
from headrace.worker.held import Held
from headrace.worker.identity import Identity
from headrace.worker.limits import Limits
from headrace.worker.pace import moving_average
from headrace.worker.runner_port import Runner, RunnerGoneError

log = logging.getLogger(__name__)


class Batches:
    """The runner of one function, and how fast it is. `seconds_per_file` is None until a file is done.

    `new_runner` makes one in a folder, not started; `tell` is the queue's, which waits for nothing.
    """

    def __init__(
        self,
        identity: Identity,
        folder: Path,
        *,
        new_runner: Callable[[Path], Runner],
        tell: Callable[[Finished], Awaitable[None]],
    ) -> None:
        self._identity = identity
        self._spec = identity.function.spec
        self._folder = folder
        self._new_runner = new_runner
        self._tell = tell
        self._runner: Runner | None = None
        self._made = 0
        self.seconds_per_file: float | None = None

    @property
    def most_files(self) -> int:
        """Files in a batch: a script takes one at a time."""
        return 1 if self._spec.run.script is not None else self._spec.batch.max_files

    async def warm(self) -> Runner:
        """A usable runner; its handler may still be loading.

        Raises OSError when none can be started, RunnerGoneError when none can be had any more.
        """
        if self._runner is None or not self._runner.usable:
            folder = self._folder / f"runner-{self._made}"
            self._made += 1
            self._runner = self._new_runner(folder)
            await self._runner.start()
        return self._runner

    async def run(self, batch: list[Held]) -> list[tuple[Held, Outcome]]:
        """The outcome of each file. The files of a failed batch run again, each alone: only that counts."""
        outcome = await self._execute(batch)
        if outcome.good or outcome.cause in HANDED_BACK or len(batch) == 1:
            return [(held, outcome) for held in batch]
        log.info(
            "a batch of %d failed, its files run alone: %s", len(batch), outcome.reason,
            extra={"action": "worker.batch_failed", "cause": outcome.cause.value},
        )  # fmt: skip
        return [(held, await self._alone(held)) for held in batch]

    async def _alone(self, held: Held) -> Outcome:
        try:
            shutil.rmtree(held.folder.output)
            held.folder.output.mkdir()
            held.folder.log.unlink(missing_ok=True)
        except OSError as error:  # what a container's processes wrote may be another user's
            return Outcome(Cause.LEFT, f"its folder can't be emptied: {error}")
        return await self._execute([held])

    async def _execute(self, batch: list[Held]) -> Outcome:
        try:
            runner = await self.warm()
        except OSError as error:
            return Outcome(Cause.NOT_LOADED, f"the runner could not be started: {error}")
        except RunnerGoneError as error:
            return Outcome(Cause.LEFT, str(error))
        for index, held in enumerate(batch):
            held.started, held.files_before = self._identity.now(), runner.files + index
        outcome = await runner.run([held.ready() for held in batch], self._limits(len(batch)))
        finished = self._identity.now()
        for held in batch:
            held.finished, held.load_seconds = finished, runner.load_seconds
        if outcome.good:
            await self._tell(self._took(batch, runner.computed_seconds))
        if outcome.cause is Cause.NOT_LOADED:
            batch[0].folder.log.write_bytes(runner.log_tail())
        self.seconds_per_file = moving_average(
            self.seconds_per_file, (finished - batch[0].started) / len(batch)
        )
        return outcome

    def _took(self, batch: list[Held], seconds: float) -> Finished:
        return Finished(
            function=self._identity.function.name,
            worker=self._identity.worker,
            files=len(batch),
            bytes=sum(max(0, held.task.size) for held in batch),  # a stored task may claim any size
            seconds=seconds,
            load_seconds=batch[0].load_seconds if batch[0].files_before == 0 else None,
        )

    def _limits(self, files: int) -> Limits:
        return Limits(
            seconds=self._spec.delivery.timeout_seconds * files,
            memory_bytes=self._spec.resources.memory_bytes,
            disk_bytes=self._spec.resources.ephemeral_storage_bytes * files,
        )

    async def close(self) -> None:
        """End the runner and all below it."""
        if self._runner is not None:
            await self._runner.kill()
