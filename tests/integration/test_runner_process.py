"""The runner as a real process: outcomes, limits, and that nothing it starts is left behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from headrace.model.function import Run
from headrace.model.task import Task
from headrace.worker.attempt import Cause, Folder, Outcome, Staged
from headrace.worker.limits import Limits
from headrace.worker.outputs import written_files
from headrace.worker.runner_process import Program, RunnerProcess

LIMITS = Limits(seconds=30.0, memory_bytes=2**30, disk_bytes=2**30)
SHORT = Limits(seconds=0.5, memory_bytes=2**30, disk_bytes=2**30)


def staged(tmp_path: Path, name: str = "a", content: bytes = b"x") -> Staged:
    folder = Folder(tmp_path / "tasks" / name)
    folder.input.mkdir(parents=True)
    folder.output.mkdir()
    file = folder.input / f"{name}.bin"
    file.write_bytes(content)
    task = Task(id=f"id-{name}", function="f", bucket="in", key=f"{name}.bin", etag="e", size=1, received=0.0)
    return Staged(task, folder, file, 1)


def program(tmp_path: Path, *, script: str = "", handler: str = "") -> Program:
    folder = tmp_path / "function"
    folder.mkdir()
    if script:
        (folder / "script.sh").write_text(script)
    else:
        (folder / "work.py").write_text(handler)
    run = Run(script="script.sh") if script else Run(handler="work:Work")
    return Program(run, folder, {"PATH": os.environ["PATH"], "HEADRACE_PYTHON": sys.executable})


async def outcome_of(tmp_path: Path, limits: Limits = LIMITS, **code: str) -> Outcome:
    runner = RunnerProcess(program(tmp_path, **code), tmp_path / "runner")
    await runner.start()
    try:
        return await runner.run([staged(tmp_path)], limits)
    finally:
        await runner.kill()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


HANDLER = """
class Work:
    def __init__(self): self.calls = 0
    def __call__(self, files):
        self.calls += 1
        for file in files:
            (file.output / "out").write_text(f"{file.key} {self.calls} {file.attempt} {file.task_id}")
        print("hello from", len(files))
"""


async def test_a_handler_is_loaded_once_and_called_with_batches(tmp_path):
    runner = RunnerProcess(program(tmp_path, handler=HANDLER), tmp_path / "runner")
    await runner.start()
    first, second, third = (staged(tmp_path, name) for name in "abc")
    assert await runner.run([first, second], LIMITS) == Outcome(Cause.RETURNED)
    assert await runner.run([third], LIMITS) == Outcome(Cause.RETURNED)
    await runner.kill()
    assert (first.folder.output / "out").read_text() == "a.bin 1 1 id-a"
    assert (third.folder.output / "out").read_text() == "c.bin 2 1 id-c"
    assert first.folder.log.read_text() == "hello from 2\n"
    assert runner.files == 3
    assert runner.load_seconds is not None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no pixel data')", "ValueError: no pixel data"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
async def test_an_exception_of_a_handler_is_told_and_the_runner_lives_on(tmp_path, body, reason):
    code = f"class Work:\n    def __call__(self, files):\n        {body}\n"
    runner = RunnerProcess(program(tmp_path, handler=code), tmp_path / "runner")
    await runner.start()
    assert await runner.run([staged(tmp_path)], LIMITS) == Outcome(Cause.EXCEPTION, reason)
    assert runner.usable
    await runner.kill()


async def test_an_exception_of_megabytes_is_cut_short(tmp_path):
    code = "class Work:\n    def __call__(self, files):\n        raise ValueError('x' * 2**22)\n"
    outcome = await outcome_of(tmp_path, handler=code)
    assert outcome.cause is Cause.EXCEPTION
    assert len(outcome.reason) == 2000


async def test_a_handler_that_cannot_be_loaded_says_why(tmp_path):
    outcome = await outcome_of(tmp_path, handler="import no_such_module")
    assert outcome.cause is Cause.NOT_LOADED
    assert "no_such_module" in outcome.reason


async def test_a_script_gets_the_variables_of_oscars_supervisor(tmp_path):
    copies = 'cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/$HEADRACE_TASK_ID"; '
    script = copies + 'echo "$STORAGE_OBJECT_KEY"; pwd; echo err >&2'
    runner = RunnerProcess(program(tmp_path, script=script), tmp_path / "runner")
    await runner.start()
    one, two = staged(tmp_path, "a"), staged(tmp_path, "b", b"y")
    assert (await runner.run([one], LIMITS)).good
    assert (await runner.run([two], LIMITS)).good
    await runner.kill()
    assert (two.folder.output / "id-b").read_bytes() == b"y"
    assert one.folder.log.read_text() == f"a.bin\n{one.folder.path}\nerr\n"


LINKS = """\
mkdir "$TMP_OUTPUT_DIR/sub" "$TMP_OUTPUT_DIR/.hidden"
ln -s "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/sub/copy"
ln -s "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/.hidden/.copy"
ln -s nowhere "$TMP_OUTPUT_DIR/a gap"
ln -s "$TMP_INPUT_DIR" "$TMP_OUTPUT_DIR/folder"
mkfifo "$TMP_OUTPUT_DIR/sub/pipe"
exit 3
"""


async def test_a_link_to_a_file_becomes_a_copy_of_it_and_what_is_left_out_is_told(tmp_path):
    runner = RunnerProcess(program(tmp_path, script=LINKS), tmp_path / "runner")
    await runner.start()
    one = staged(tmp_path)
    assert await runner.run([one], LIMITS) == Outcome(Cause.EXIT_CODE, "exit code 3")
    await runner.kill()
    found = {file.name: file.path.read_bytes() for file in written_files(one.folder.output)}
    assert found == {"sub/copy": b"x", ".hidden/.copy": b"x"}
    left = "is neither a file nor a link to one: left out of the results"
    assert one.folder.log.read_text().splitlines() == [
        f"headrace: {name} {left}" for name in ("a gap", "folder", "sub/pipe")
    ]


async def test_a_script_is_run_by_the_shell_whatever_its_first_line_says(tmp_path):
    assert (await outcome_of(tmp_path, script="#!/bin/false\n. /dev/null\n")).good


@pytest.mark.parametrize("code", [1, 3, 127, 255])
async def test_the_exit_code_of_a_script_is_honoured(tmp_path, code):
    assert await outcome_of(tmp_path, script=f"exit {code}") == Outcome(Cause.EXIT_CODE, f"exit code {code}")


async def test_a_script_that_hangs_is_killed_at_its_time_out(tmp_path):
    outcome = await outcome_of(tmp_path, SHORT, script="trap '' TERM; sleep 1000")
    assert outcome == Outcome(Cause.TIME_OUT, "time-out: ran longer than 0.5 s")


async def test_a_runner_that_eats_memory_is_killed_and_the_limit_is_told(tmp_path):
    limits = Limits(seconds=30.0, memory_bytes=64 * 2**20, disk_bytes=2**30)
    eater = '"$HEADRACE_PYTHON" -c "import time; x = bytearray(200 * 2**20); time.sleep(60)"'
    outcome = await outcome_of(tmp_path, limits, script=eater)
    assert outcome.cause is Cause.MEMORY
    assert "limit 64 MiB (soft" in outcome.reason


async def test_a_runner_that_fills_the_disk_is_killed(tmp_path):
    limits = Limits(seconds=30.0, memory_bytes=2**30, disk_bytes=2**20)
    outcome = await outcome_of(
        tmp_path, limits, script='head -c 5000000 /dev/zero >"$TMP_OUTPUT_DIR/big"; sleep 60'
    )
    assert outcome.cause is Cause.DISK


async def test_a_handler_that_is_killed_is_said_to_be_probably_out_of_memory(tmp_path):
    code = "import os\nclass Work:\n    def __call__(self, files):\n        os.kill(os.getpid(), 9)\n"
    outcome = await outcome_of(tmp_path, handler=code)
    assert outcome.cause is Cause.VANISHED
    assert outcome.reason.startswith("killed, probably out of memory (limit 1024 MiB)")


LEAVES_CHILDREN = """
sleep 1000 &
echo $! >"$TMP_OUTPUT_DIR/child"
setsid sh -c 'sleep 1000 & echo $! >"$TMP_OUTPUT_DIR/grandchild"; wait' >/dev/null 2>&1 &
while [ ! -s "$TMP_OUTPUT_DIR/grandchild" ]; do sleep 0.01; done
"""


async def test_children_that_a_script_leaves_are_killed_before_its_result_is_taken(tmp_path):
    runner = RunnerProcess(program(tmp_path, script=LEAVES_CHILDREN), tmp_path / "runner")
    await runner.start()
    one = staged(tmp_path)
    assert (await runner.run([one], LIMITS)).good
    pids = [int((one.folder.output / name).read_text()) for name in ("child", "grandchild")]
    assert [gone(pid) for pid in pids] == [True, True]
    await runner.kill()


WORKER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.integration.test_runner_process import LIMITS, Path, RunnerProcess, program, staged
async def main():
    base = Path({base!r})
    runner = RunnerProcess(program(base, script={script!r}), base / "runner")
    await runner.start()
    print(runner._process.pid, flush=True)
    await runner.run([staged(base)], LIMITS)
asyncio.run(main())
"""
STAYS = LEAVES_CHILDREN + "wait\n"


async def start_worker(tmp_path: Path) -> tuple[asyncio.subprocess.Process, int, list[int]]:
    """A process that runs a script with children; (process, its guard, the script's descendants)."""
    root = str(Path(__file__).parents[2])
    code = WORKER.format(root=root, base=str(tmp_path), script=STAYS)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    guard = int(await process.stdout.readline())
    output = tmp_path / "tasks" / "a" / "output"
    await until(
        lambda: all((output / n).exists() and (output / n).read_text() for n in ("child", "grandchild"))
    )
    return process, guard, [int((output / name).read_text()) for name in ("child", "grandchild")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_all_that_a_function_started_dies_with_the_worker(tmp_path, number):
    process, guard, pids = await start_worker(tmp_path)
    process.send_signal(number)
    await process.wait()
    await until(lambda: gone(guard) and all(gone(pid) for pid in pids))


async def test_the_runner_dies_with_its_guard(tmp_path):
    process, guard, _ = await start_worker(tmp_path)
    runner = psutil.Process(guard).children()[0].pid
    os.kill(guard, signal.SIGKILL)
    await until(lambda: gone(runner))
    process.kill()
    await process.wait()
