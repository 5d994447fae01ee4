"""The runner in a container, which a process namespace of its own stands for: process 1 and all below it."""

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from headrace.model.function import Run
from headrace.model.task import Task
from headrace.worker.attempt import Cause, Folder, Outcome, Staged
from headrace.worker.container.link import Container
from headrace.worker.container.pod import HERE
from headrace.worker.container.runner import ContainerRunner
from headrace.worker.limits import Limits
from headrace.worker.outputs import written_files
from headrace.worker.runner_port import RunnerGoneError

LIMITS = Limits(seconds=60.0, memory_bytes=2**30, disk_bytes=2**30)
SHORT = Limits(seconds=0.5, memory_bytes=2**30, disk_bytes=2**30)
NAMESPACES = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "--")

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="process namespaces need root and unshare"
)


def works(kind: str) -> bool:
    """Whether it runs: a name on PATH may only say that there is none."""
    program, *rest = kind.split()
    return (
        shutil.which(program) is not None
        and not subprocess.run([program, *rest, "-c", ""], check=False, capture_output=True).returncode
    )


def oldest_python() -> str:
    """The oldest Python that an image may have: on PATH, or kept by pyenv beside the one that is chosen."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.8.*/bin/python3.8")
    return next((each for each in ("python3.8", *map(str, kept)) if works(each)), "python3.8")


def first(*kinds: str) -> list[object]:
    """Interpreters for process 1; those that this machine lacks are skipped and named."""
    return [
        pytest.param(kind, marks=pytest.mark.skipif(not works(kind), reason=f"no {kind}")) for kind in kinds
    ]


SHELLS = first("dash", "bash", "busybox sh")
PYTHONS = first(sys.executable, oldest_python())


@dataclass
class Bench:
    """A container whose process 1 runs `code`, and what the supervisor has of it."""

    base: Path
    interpreter: list[str]
    run: Run
    tasks: int = 0
    servers: str = ""  # whose GPUs the container has
    programs: Path | None = None  # where the files that run in the container lie; None: in the package
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.function = self.base / "function"
        self.function.mkdir()
        self.container = Container(self.base / "work" / "pipes")

    def code(self, text: str) -> None:
        (self.function / ("script" if self.run.script else "work.py")).write_text(text)

    async def open(self) -> None:
        await self.container.open()

    async def start(self) -> ContainerRunner:
        """Start process 1 and the runner."""
        await self.appear()
        async with asyncio.timeout(20):
            await self.container.appeared.wait()
        return await self.runner()

    async def appear(self) -> None:
        pipes = [str(self.container.folder / name) for name in ("requests", "replies")]
        if self.run.script:
            program = (self.programs or HERE) / "init.sh"
            command = [*self.interpreter, str(program), *pipes, str(self.function / "script")]
        else:
            program, runner = (
                (self.programs or HERE) / "init.py",
                (self.programs or HERE.parent) / "runner.py",
            )
            command = [
                *self.interpreter,
                "-I",
                "-S",
                str(program),
                *pipes,
                str(runner),
                str(self.run.handler),
            ]
        variables = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
        variables |= {"HEADRACE_GPU_SERVERS": self.servers} if self.servers else {}
        process = await asyncio.create_subprocess_exec(
            *NAMESPACES, *command, cwd=self.function, env=variables
        )
        self.processes.append(process)

    async def runner(self) -> ContainerRunner:
        runner = ContainerRunner(self.container, self.run)
        await runner.start()
        return runner

    def staged(self, content: bytes = b"x") -> Staged:
        self.tasks += 1
        name = f"{self.tasks}.bin"
        folder = Folder(self.base / "work" / "tasks" / str(self.tasks))
        folder.input.mkdir(parents=True)
        folder.output.mkdir()
        (folder.input / name).write_bytes(content)
        (folder.input / name).chmod(0o600)  # as a download leaves it
        task = Task(id=f"id-{name}", function="f", bucket="in", key=name, etag="e", size=1, received=0.0)
        return Staged(task, folder, folder.input / name, 1)

    @property
    def first(self) -> psutil.Process:
        """Process 1, as seen from here."""
        return psutil.Process(self.processes[-1].pid).children()[0]

    async def status(self) -> int:
        async with asyncio.timeout(10):
            return await self.processes[-1].wait()

    async def close(self) -> None:
        await self.container.close()
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
def interpreter(request: pytest.FixtureRequest) -> str:
    """What runs process 1; empty: the machine's own."""
    return getattr(request, "param", "")


@asynccontextmanager
async def opened(base: Path, run: Run, interpreter: str) -> AsyncIterator[Bench]:
    made = Bench(base, (interpreter or ("sh" if run.script else sys.executable)).split(), run)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def bench(tmp_path: Path, interpreter: str) -> AsyncIterator[Bench]:
    """With a script."""
    async with opened(tmp_path, Run(script="s.sh"), interpreter) as made:
        yield made


@pytest.fixture
async def handling(tmp_path: Path, interpreter: str) -> AsyncIterator[Bench]:
    """With a handler."""
    async with opened(tmp_path, Run(handler="work:Work"), interpreter) as made:
        yield made


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


def below(process: psutil.Process) -> int:
    return len([each for each in process.children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE])


# Scripts

COPIES = (
    'cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/$HEADRACE_TASK_ID"; echo "$STORAGE_OBJECT_KEY"; echo err >&2\n'
)


@pytest.mark.parametrize("interpreter", SHELLS, indirect=True)
async def test_a_script_is_run_once_a_file_and_its_exit_code_honoured(bench):
    bench.code(COPIES + 'pwd; echo "$TMPDIR"; exit "$(cat "$INPUT_FILE_PATH")"')
    runner = await bench.start()
    good, bad, again = bench.staged(b"0"), bench.staged(b"3"), bench.staged(b"0")
    assert await runner.run([good], LIMITS) == Outcome(Cause.RETURNED)
    assert await runner.run([bad], LIMITS) == Outcome(Cause.EXIT_CODE, "exit code 3")
    assert await runner.run([again], LIMITS) == Outcome(Cause.RETURNED)
    assert (good.folder.output / "id-1.bin").read_bytes() == b"0"
    scratch = good.folder.path / "scratch"
    assert good.folder.log.read_text() == f"1.bin\nerr\n{bench.function}\n{scratch}\n", (
        "the image's own folder"
    )
    assert (runner.files, runner.usable) == (3, True)


LINKS = """
mkdir "$TMP_OUTPUT_DIR/sub"
ln -s "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/sub/copy"
ln -s /nowhere "$TMP_OUTPUT_DIR/gap"
ln -s / "$TMP_OUTPUT_DIR/folder"
"""


@pytest.mark.parametrize("interpreter", SHELLS, indirect=True)
async def test_a_link_to_a_file_becomes_a_copy_of_it_and_what_is_left_out_is_told(bench):
    bench.code(LINKS)
    runner = await bench.start()
    one = bench.staged(b"x")
    assert (await runner.run([one], LIMITS)).good
    assert {file.name: file.path.read_bytes() for file in written_files(one.folder.output)} == {
        "sub/copy": b"x"
    }
    left = "is neither a file nor a link to one: left out of the results"
    assert one.folder.log.read_text() == f"headrace: folder {left}\nheadrace: gap {left}\n"


async def test_a_script_may_rename_and_change_its_input_and_nobody_may_when_it_has_ended(bench):
    bench.code('mv "$INPUT_FILE_PATH" "$INPUT_FILE_PATH.png" && echo y >>"$TMP_INPUT_DIR/1.bin.png"')
    runner = await bench.start()
    one = bench.staged(b"x")
    assert (await runner.run([one], LIMITS)).good
    assert (one.folder.input / "1.bin.png").read_bytes() == b"xy\n"
    assert stat.S_IMODE(one.folder.input.stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize("interpreter", SHELLS, indirect=True)
async def test_a_script_that_hangs_is_killed_and_the_next_file_runs(bench):
    bench.code('[ "$(cat "$INPUT_FILE_PATH")" = x ] || exit 0; trap "" TERM; sleep 1000 & wait')
    runner = await bench.start()
    outcome = await runner.run([bench.staged()], SHORT)
    assert outcome == Outcome(Cause.TIME_OUT, "time-out: ran longer than 0.5 s")
    assert not runner.usable
    assert below(bench.first) == 0
    assert (await (await bench.runner()).run([bench.staged(b"y")], LIMITS)).good


LEAVES = """
sleep 1000 &
setsid sh -c 'sleep 1000 & echo $! >"$TMPDIR/grandchild"; wait' >/dev/null 2>&1 &
while [ ! -s "$TMPDIR/grandchild" ]; do sleep 0.01; done
"""


@pytest.mark.parametrize("interpreter", SHELLS, indirect=True)
async def test_what_a_script_leaves_behind_is_killed_before_its_result_is_taken(bench):
    bench.code(LEAVES)
    runner = await bench.start()
    assert (await runner.run([bench.staged()], LIMITS)).good
    await until(lambda: below(bench.first) == 0)


@pytest.mark.parametrize("interpreter", SHELLS, indirect=True)
async def test_term_is_told_at_once_the_script_goes_on_and_then_all_ends_well(bench):
    bench.code('while [ ! -e "$TMP_INPUT_DIR/go" ]; do sleep 0.05; done')
    runner = await bench.start()
    staged = bench.staged()
    running = asyncio.ensure_future(runner.run([staged], LIMITS))
    await until(lambda: below(bench.first) > 0)
    bench.first.terminate()
    async with asyncio.timeout(5):
        await bench.container.departed.wait()
    assert (bench.container.told_to_leave, bench.container.here) == (True, True)
    (staged.folder.input / "go").touch()
    assert (await running).good
    await bench.container.close()
    assert await bench.status() == 0


@pytest.mark.parametrize("interpreter", SHELLS, indirect=True)
async def test_term_while_nothing_runs_is_told_and_work_may_go_on(bench):
    bench.code("exit 0")
    runner = await bench.start()
    assert (await runner.run([bench.staged()], LIMITS)).good
    bench.first.terminate()
    async with asyncio.timeout(5):
        await bench.container.departed.wait()
    assert (await runner.run([bench.staged()], LIMITS)).good
    bench.first.terminate()
    assert (await runner.run([bench.staged()], LIMITS)).good
    await bench.container.close()
    assert await bench.status() == 0


async def test_a_script_killed_by_the_kernel_is_said_to_be_probably_out_of_memory(bench):
    bench.code("kill -9 $$")
    runner = await bench.start()
    assert await runner.run([bench.staged()], LIMITS) == Outcome(
        Cause.VANISHED, "killed, probably out of memory (limit 1024 MiB); exit code 137"
    )
    assert (await runner.run([bench.staged()], LIMITS)).cause is Cause.VANISHED, "the container lives on"


async def test_a_script_that_kills_all_that_it_can_reach_is_a_time_out_and_nothing_worse(bench):
    bench.code('[ "$(cat "$INPUT_FILE_PATH")" = y ] || { kill -9 -1; sleep 1000; }')
    runner = await bench.start()
    assert (await runner.run([bench.staged()], SHORT)).cause is Cause.TIME_OUT
    assert (await (await bench.runner()).run([bench.staged(b"y")], LIMITS)).good


async def test_a_script_that_fills_the_disk_is_killed(bench):
    bench.code('head -c 5000000 /dev/zero >"$TMP_OUTPUT_DIR/big"; sleep 60')
    runner = await bench.start()
    limits = Limits(seconds=60.0, memory_bytes=2**30, disk_bytes=2**20)
    assert (await runner.run([bench.staged()], limits)).cause is Cause.DISK


# Handlers

HANDLER = """
print("loading")
class Work:
    def __init__(self): self.calls = 0
    def __call__(self, files):
        self.calls += 1
        for file in files:
            (file.output / "out").write_text(f"{file.key} {self.calls} {file.attempt} {file.task_id}")
        print("hello from", len(files))
"""


@pytest.mark.parametrize("interpreter", PYTHONS, indirect=True)
async def test_a_handler_is_loaded_once_and_called_with_batches(handling):
    handling.code(HANDLER)
    runner = await handling.start()
    one, two, three = (handling.staged() for _ in range(3))
    assert await runner.run([one, two], LIMITS) == Outcome(Cause.RETURNED)
    assert await runner.run([three], LIMITS) == Outcome(Cause.RETURNED)
    assert (one.folder.output / "out").read_text() == "1.bin 1 1 id-1.bin"
    assert (three.folder.output / "out").read_text() == "3.bin 2 1 id-3.bin"
    assert one.folder.log.read_text() == "hello from 2\n"
    assert runner.log_tail() == b"loading\n"
    assert runner.load_seconds > 0


async def test_an_exception_is_told_and_the_handler_stays_loaded(handling):
    handling.code("class Work:\n    def __call__(self, files):\n        raise ValueError('no pixel data')\n")
    runner = await handling.start()
    for _ in range(2):
        assert await runner.run([handling.staged()], LIMITS) == Outcome(
            Cause.EXCEPTION, "ValueError: no pixel data"
        )
    assert runner.usable


async def test_a_handler_that_cannot_be_loaded_says_why_and_is_tried_again(handling):
    handling.code("import no_such_module")
    await handling.start()
    for _ in range(2):
        outcome = await (await handling.runner()).run([handling.staged()], LIMITS)
        assert (outcome.cause, "no_such_module" in outcome.reason) == (Cause.NOT_LOADED, True)
    handling.code(HANDLER)
    assert (await (await handling.runner()).run([handling.staged()], LIMITS)).good


KILLS_ITSELF = """
import os
class Work:
    def __call__(self, files):
        if files[0].input.read_bytes() == b"x": os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("interpreter", PYTHONS, indirect=True)
async def test_a_handler_that_is_killed_is_told_and_a_new_one_started_in_the_same_container(handling):
    handling.code(KILLS_ITSELF)
    runner = await handling.start()
    assert await runner.run([handling.staged()], LIMITS) == Outcome(
        Cause.VANISHED, "killed, probably out of memory (limit 1024 MiB); the runner ended with -9"
    )
    assert (runner.usable, handling.container.here) == (False, True)
    assert (await (await handling.runner()).run([handling.staged(b"y")], LIMITS)).good


LEAVES_CHILDREN = """
import os, subprocess
class Work:
    def __call__(self, files):
        self.own = subprocess.Popen(["sleep", "1000"])
        subprocess.run(["sh", "-c", "sleep 1000 & sleep 1000 & setsid sh -c 'sleep 1000 & wait' & exit 0"])
"""


@pytest.mark.parametrize("interpreter", PYTHONS, indirect=True)
async def test_orphans_of_a_handler_are_killed_and_its_own_children_stay(handling):
    handling.code(LEAVES_CHILDREN)
    runner = await handling.start()
    assert (await runner.run([handling.staged()], LIMITS)).good
    assert [each.name() for each in handling.first.children(recursive=True)][1:] == ["sleep"]
    await runner.kill()
    assert handling.first.children() == []


SLOW_C = (
    "import ctypes\nclass Work:\n    def __call__(self, files):\n        ctypes.PyDLL(None).usleep(900000)\n"
)


async def test_term_is_told_while_the_handler_is_deep_in_c_code_and_the_file_is_finished(handling):
    handling.code(SLOW_C)
    runner = await handling.start()
    running = asyncio.ensure_future(runner.run([handling.staged()], LIMITS))
    await until(lambda: runner.files == 1)
    handling.first.terminate()
    async with asyncio.timeout(10):
        await handling.container.departed.wait()
    assert not running.done()
    assert (await running).good
    await handling.container.close()
    assert await handling.status() == 0


async def test_a_batch_larger_than_a_pipe_is_handed_over_whole(handling):
    handling.code(
        "class Work:\n    def __call__(self, files):\n        [f.environment['EVENT'] for f in files]\n"
    )
    runner = await handling.start()
    assert (await runner.run([handling.staged() for _ in range(150)], LIMITS)).good


async def test_a_hanging_load_is_a_time_out(handling):
    handling.code("import time\ntime.sleep(1000)\n")
    runner = await handling.start()
    assert (await runner.run([handling.staged()], SHORT)).cause is Cause.TIME_OUT
    assert handling.first.children() == []


# The container itself


async def test_a_container_that_vanishes_is_noticed_its_file_counts_and_no_other_runner_is_had(handling):
    handling.code("import time\nclass Work:\n    def __call__(self, files):\n        time.sleep(1000)\n")
    runner = await handling.start()
    running = asyncio.ensure_future(runner.run([handling.staged()], LIMITS))
    await until(lambda: runner.files == 1)
    handling.first.kill()
    async with asyncio.timeout(5):
        assert await running == Outcome(
            Cause.VANISHED, "killed, probably out of memory (limit 1024 MiB); the container ended"
        )
    assert handling.container.departed.is_set()
    with pytest.raises(RunnerGoneError):
        await handling.runner()


async def test_a_container_ended_after_it_was_told_to_leave_is_no_fault_of_the_file(bench):
    bench.code("sleep 1000")
    runner = await bench.start()
    running = asyncio.ensure_future(runner.run([bench.staged()], LIMITS))
    await until(lambda: below(bench.first) > 0)
    bench.first.terminate()
    await bench.container.departed.wait()
    bench.first.kill()
    async with asyncio.timeout(5):
        assert (await running).cause is Cause.LEFT


@asynccontextmanager
async def gpu_server() -> AsyncIterator[tuple[asyncio.Server, int]]:
    """One that takes connections."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server, server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("kind", ["script", "handler"])
async def test_a_failure_is_the_servers_where_it_is_gone_and_the_files_where_it_is_there(tmp_path, kind):
    run = Run(script="s.sh") if kind == "script" else Run(handler="work:Work")
    raising = "class Work:\n def __call__(self, files):\n  raise OSError('lost')\n"
    async with opened(tmp_path, run, "") as bench, gpu_server() as (server, port):
        bench.servers = f"127.0.0.1:{port}"
        bench.code("exit 3" if kind == "script" else raising)
        runner = await bench.start()
        assert bench.container.servers == [("127.0.0.1", port)]
        own = await runner.run([bench.staged()], LIMITS)
        assert (own.cause, bench.container.lost) != (Cause.GPU_LOST, ""), "the server answers"
        server.close()
        outcome = await runner.run([bench.staged()], LIMITS)
    assert outcome.cause is Cause.GPU_LOST
    assert outcome.reason.startswith(f"GPU server 127.0.0.1:{port} does not answer")
    assert outcome.reason.endswith(own.reason), "what the application made of it is told too"
    assert bench.container.departed.is_set(), "its sessions are gone for good"


async def test_a_file_that_hangs_on_a_dead_server_is_cut_off_with_that_reason(bench):
    bench.code("sleep 1000")
    runner = await bench.start()
    running = asyncio.create_task(runner.run([bench.staged()], LIMITS))
    await asyncio.sleep(0.3)
    bench.container.servers = [("127.0.0.1", 1)]
    bench.container.lose("GPU server 127.0.0.1:1 has not answered for 15 s")
    async with asyncio.timeout(10):
        outcome = await running
    assert outcome == Outcome(Cause.GPU_LOST, "GPU server 127.0.0.1:1 has not answered for 15 s")
    assert not runner.usable


@pytest.mark.parametrize("run", [Run(script="s.sh"), Run(handler="work:Work")], ids=["script", "handler"])
async def test_a_container_ends_when_its_supervisor_dies(tmp_path, run):
    bench = Bench(tmp_path, ["sh" if run.script else sys.executable], run)
    await bench.open()
    bench.code("sleep 1000" if run.script else "import time\ntime.sleep(1000)\n")
    await bench.start()
    bench.container._disconnect()
    assert await bench.status() == 70
    await bench.close()


async def test_a_second_life_of_the_container_knows_nothing_of_the_first(bench):
    bench.code('cat "$INPUT_FILE_PATH"; [ "$(cat "$INPUT_FILE_PATH")" = y ] || sleep 1000')
    runner = await bench.start()
    running = asyncio.ensure_future(runner.run([bench.staged()], LIMITS))
    await until(lambda: below(bench.first) > 0)
    first_id = bench.container.id
    bench.first.kill()
    assert (await running).cause is Cause.VANISHED
    await bench.container.close()
    bench.container = Container(bench.container.folder)
    await bench.open()
    second = await bench.start()
    staged = bench.staged(b"y")
    assert (await second.run([staged], LIMITS)).good
    assert bench.container.id != first_id
    assert staged.folder.log.read_text() == "y"


async def test_lines_for_another_life_are_read_over(bench):
    bench.code("exit 0")
    runner = await bench.start()
    own, bench.container.id = bench.container.id, "another"
    for word in ("start", "kill", "end", "run /nowhere"):
        bench.container.send(word)
    bench.container.id = own
    assert (await runner.run([bench.staged()], LIMITS)).good


async def test_process_one_that_is_started_anew_before_its_end_was_seen_ends_the_connection(bench):
    bench.code("sleep 1000")
    runner = await bench.start()
    running = asyncio.ensure_future(runner.run([bench.staged()], LIMITS))
    await bench.appear()
    assert (await running).cause is Cause.VANISHED
    assert await bench.status() == 70


@pytest.mark.parametrize("said", [b"rubbish\n", b"[]\n", b"\xff\n", b"x" * (2**20 + 10)], ids=len)
async def test_who_says_what_is_no_answer_is_given_up(bench, said):
    bench.code("sleep 1000")
    runner = await bench.start()
    running = asyncio.ensure_future(runner.run([bench.staged()], LIMITS))
    with (bench.container.folder / "replies").open("wb", buffering=0) as replies:
        await asyncio.to_thread(replies.write, said)
    assert (await running).cause is Cause.VANISHED
    assert await bench.status() == 70


async def test_an_answer_of_a_kind_that_is_none_fails_its_file_alone(bench):
    bench.code('[ "$(cat "$INPUT_FILE_PATH")" = y ] || sleep 1000')
    runner = await bench.start()
    running = asyncio.ensure_future(runner.run([bench.staged()], LIMITS))
    await until(lambda: below(bench.first) > 0)
    with (bench.container.folder / "replies").open("wb", buffering=0) as replies:
        replies.write(json.dumps({"what": 1}).encode() + b"\n")
    assert (await running).cause is Cause.EXCEPTION
    assert (await (await bench.runner()).run([bench.staged(b"y")], LIMITS)).good


async def test_process_one_refuses_to_be_another(tmp_path):
    for command in (["sh", HERE / "init.sh"], [sys.executable, HERE / "init.py"]):
        process = await asyncio.create_subprocess_exec(
            *map(str, command), "a", "b", "c", "d", stderr=asyncio.subprocess.PIPE, cwd=tmp_path
        )
        _, error = await process.communicate()
        assert (process.returncode, b"process 1 of a container" in error) == (1, True)


def test_signal_numbers_are_those_that_the_reasons_name():
    assert 128 + signal.SIGKILL == 137
