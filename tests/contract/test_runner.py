"""Every runner, wherever the user's code is, passes the same suite."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from headrace.local.process import free_ports
from headrace.model.function import Http, Run
from headrace.model.task import Task
from headrace.worker.attempt import Cause, Folder, Outcome, Staged
from headrace.worker.container.served import ServedRunner, Server
from headrace.worker.limits import Limits
from headrace.worker.outputs import written_files
from headrace.worker.runner_port import Runner
from headrace.worker.runner_process import Program, RunnerProcess
from tests.integration import test_runner_container as in_a_container

LIMITS = Limits(seconds=60.0, memory_bytes=2**30, disk_bytes=2**30)
RETURNED = Outcome(Cause.RETURNED)

SCRIPT = """\
case $(cat "$INPUT_FILE_PATH") in
  bad) echo "no pixel data"; exit 3 ;;
  hang) sleep 1000 ;;
  big) head -c 5000000 /dev/zero >"$TMP_OUTPUT_DIR/out"; sleep 1000 ;;
  *) cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/out" ;;
esac
"""
HANDLER = """\
import time
class Work:
    def __call__(self, files):
        for file in files:
            said, out = file.input.read_bytes(), file.output / "out"
            if said == b"bad":
                print("no pixel data")
                raise ValueError("bad")
            out.write_bytes(b"x" * 5000000 if said == b"big" else said)
            if said in (b"big", b"hang"):
                time.sleep(1000)
"""


async def answer(request: web.Request) -> web.StreamResponse:
    said = await request.read()
    if said == b"bad":
        return web.Response(status=422, text="no pixel data")
    if said == b"hang":
        await asyncio.sleep(1000)
    body = b"x" * 5000000 if said == b"big" else said
    return web.Response(body=body, headers={"Content-Disposition": 'attachment; filename="out"'})


@dataclass
class Place:
    """Where a kind of runner has its code; `start` gives a started one."""

    base: Path
    start: Callable[[], Awaitable[Runner]]
    tasks: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def staged(self, content: bytes) -> Staged:
        name = f"{next(self.tasks)}.bin"
        folder = Folder(self.base / "work" / "tasks" / name)
        folder.input.mkdir(parents=True)
        folder.output.mkdir()
        (folder.input / name).write_bytes(content)
        task = Task(id=f"id-{name}", function="f", bucket="in", key=name, etag="e", size=1, received=0.0)
        return Staged(task, folder, folder.input / name, 1)


@asynccontextmanager
async def process(base: Path, run: Run) -> AsyncIterator[Place]:
    function, runners = base / "function", itertools.count()
    function.mkdir()
    (function / "script.sh").write_text(SCRIPT)
    (function / "work.py").write_text(HANDLER)
    program = Program(run, function, {"PATH": os.environ["PATH"]})

    async def start() -> Runner:
        runner = RunnerProcess(program, base / f"runner-{next(runners)}")
        await runner.start()
        return runner

    yield Place(base, start)


@asynccontextmanager
async def container(base: Path, run: Run) -> AsyncIterator[Place]:
    async with in_a_container.opened(base, run, "" if run.script else sys.executable) as bench:
        bench.code(SCRIPT if run.script else HANDLER)
        await bench.appear()
        async with asyncio.timeout(20):
            await bench.container.appeared.wait()
        yield Place(base, bench.runner)


@asynccontextmanager
async def served(base: Path, _: Run) -> AsyncIterator[Place]:
    application = web.Application()
    application.router.add_post("/", answer)
    runner, (port,) = web.AppRunner(application, shutdown_timeout=0.1), free_ports(1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()

    async def start() -> Runner:
        made = ServedRunner(Server(Http(port=port)))
        await made.start()
        return made

    yield Place(base, start)
    await runner.cleanup()


Opening = Callable[[Path, Run], AbstractAsyncContextManager[Place]]

A_SCRIPT, A_HANDLER = Run(script="script.sh"), Run(handler="work:Work")
KINDS = [
    pytest.param(process, A_SCRIPT, id="process script"),
    pytest.param(process, A_HANDLER, id="process handler"),
    pytest.param(container, A_SCRIPT, id="container script", marks=in_a_container.pytestmark),
    pytest.param(container, A_HANDLER, id="container handler", marks=in_a_container.pytestmark),
    pytest.param(served, Run(http=Http(port=80)), id="served"),
]


@pytest.fixture
async def place(tmp_path: Path, opening: Opening, run: Run) -> AsyncIterator[Place]:
    async with opening(tmp_path, run) as made:
        yield made


def results(staged: Staged) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in written_files(staged.folder.output)}


every_kind = pytest.mark.parametrize(("opening", "run"), KINDS)


@every_kind
async def test_a_files_result_lies_in_its_output_folder_and_the_runner_stays_loaded(place):
    runner, one, two = await place.start(), place.staged(b"one"), place.staged(b"two")
    assert await runner.run([one], LIMITS) == RETURNED
    loaded = runner.load_seconds
    assert await runner.run([two], LIMITS) == RETURNED
    assert (results(one), results(two)) == ({"out": b"one"}, {"out": b"two"})
    assert (runner.files, runner.usable, runner.load_seconds) == (2, True, loaded)
    assert loaded is not None
    assert runner.computed_seconds > 0
    await runner.kill()


@every_kind
async def test_a_files_failure_has_a_reason_and_a_log_and_the_next_one_is_worked(place):
    runner, bad, good = await place.start(), place.staged(b"bad"), place.staged(b"good")
    outcome = await runner.run([bad], LIMITS)
    assert (outcome.good, outcome.reason != "", runner.usable) == (False, True, True)
    assert "no pixel data" in bad.folder.log.read_text()
    assert await runner.run([good], LIMITS) == RETURNED
    assert results(good) == {"out": b"good"}
    await runner.kill()


@every_kind
async def test_a_file_that_hangs_is_a_time_out_and_another_one_can_be_worked(place):
    runner = await place.start()
    assert await runner.run([place.staged(b"one")], LIMITS) == RETURNED
    short = Limits(seconds=0.5, memory_bytes=2**30, disk_bytes=2**30)
    assert await runner.run([place.staged(b"hang")], short) == Outcome(
        Cause.TIME_OUT, "time-out: ran longer than 0.5 s"
    )
    after = runner if runner.usable else await place.start()
    assert await after.run([place.staged(b"two")], LIMITS) == RETURNED
    await after.kill()


@every_kind
async def test_a_result_beyond_the_disks_limit_is_cut_off(place):
    runner = await place.start()
    small = Limits(seconds=60.0, memory_bytes=2**30, disk_bytes=2**20)
    outcome = await runner.run([place.staged(b"big")], small)
    assert (outcome.cause, "limit 1 MiB" in outcome.reason) == (Cause.DISK, True)
    await runner.kill()


@every_kind
async def test_a_runner_that_was_killed_is_not_usable_and_may_be_killed_again(place):
    runner = await place.start()
    assert await runner.run([place.staged(b"one")], LIMITS) == RETURNED
    for _ in range(2):
        await runner.kill()
        assert not runner.usable
