"""Whatever a function or a file does, it ends as the design says: on a stack started by `headrace up`."""

import asyncio
import os
import random
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from headrace.model.errors import HeadraceError
from headrace.model.keys import log_key, record_key
from headrace.model.record import FailureRecord, Record, read_record
from headrace.model.task import task_id
from tests.stack import Stack, running, write_function

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the stack serves all tests here

ROOT = Path(__file__).parents[2]
SPEC = """\
  run: {{script: script.sh}}
  input: [{{bucket: uploads, prefix: {name}/}}]
  output: [{{bucket: results, prefix: {name}/, suffix: [.txt]}}]
  delivery: {{attempts: 2, timeoutSeconds: {seconds}}}
  resources: {{memory: 128Mi}}
"""
SCRIPTS = {
    "copies": 'cd "$TMP_OUTPUT_DIR"; cp "$INPUT_FILE_PATH" "${INPUT_FILE_PATH##*/}.txt"; echo no >x.tmp',
    "fails": 'echo "the reason is here"; exit 7',
    "hangs": "trap '' TERM; sleep 1000",
    "eats": '"$HEADRACE_PYTHON" -c "import time; x = bytearray(400 * 2**20); time.sleep(60)"',
    "silent": "true",
    "forks": 'setsid sleep 1000 & setsid sleep 1000 & echo $! >"$TMP_OUTPUT_DIR/pid.txt"',
    "chatty": "seq 1 5000; exit 3",
    "flaky": '[ "$HEADRACE_ATTEMPT" = 2 ] || exit 1; echo "$HEADRACE_ATTEMPT" >"$TMP_OUTPUT_DIR/n.txt"',
    "secretive": 'echo "token is $TOKEN"; env >"$TMP_OUTPUT_DIR/env.txt"',
    "measures": 'stat -c %s "$INPUT_FILE_PATH" >"$TMP_OUTPUT_DIR/size.txt"',
}
TOKEN = "correct-horse-battery"
ODD_SPEC = """\
  run: {handler: "odd:Odd"}
  input: [{bucket: uploads, prefix: odd/}]
  output: [{bucket: results, prefix: odd/}]
  batch: {maxFiles: 8}
"""
ODD = """\
class Odd:
    def __call__(self, files):
        for file in files:
            inside = file.input.resolve().parent == file.output.parent.resolve() / "input"
            (file.output / "out.txt").write_text(f"{inside} {file.key}")
"""
PIECES = [
    *(
        "..",
        ".",
        "/",
        "//",
        "\\",
        "\n",
        "\r",
        "\t",
        "\x01",
        "\x7f",
        " ",
        "  ",
        "%",
        "%2F",
        "%25",
        "+",
        "?",
        "#",
    ),
    *(
        "&",
        "=",
        ":",
        "*",
        "~",
        "'",
        '"',
        "<",
        ">",
        "|",
        ";",
        "$(id)",
        "`id`",
        "-rf",
        "a",
        "B",
        "ü",
        "e\u0301",
    ),
    *("日本", "🫀", "\u202e", "\u200b", "/etc/passwd", "~root", "CON", ".dcm", ".tar.gz", "x" * 100),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory) -> AsyncIterator[Stack]:
    base = tmp_path_factory.mktemp("endings")
    for name, script in SCRIPTS.items():
        spec = SPEC.format(name=name, seconds=2 if name == "hangs" else 60)
        if name == "secretive":
            spec += "  secrets: [token]\n"
        write_function(base / "functions", name, spec, {"script.sh": script})
    write_function(base / "functions", "odd", ODD_SPEC, {"odd.py": ODD})
    shutil.copytree(ROOT / "functions" / "echo", base / "functions" / "echo")
    secrets = base / "state" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "token.env").write_text(f"TOKEN={TOKEN}\n")
    (secrets / "token.env").chmod(0o600)
    async with running(base / "state", base / "functions", workers=2) as stack:
        yield stack


async def upload(stack: Stack, function: str, key: str, body: bytes | Path) -> str:
    """Put a file; the id of its task."""
    await stack.storage.put("uploads", key, body)
    info = await stack.storage.head("uploads", key)
    return task_id(function, "uploads", key, info.identity)


async def ending(stack: Stack, function: str, task: str, seconds: float = 60.0) -> Record | FailureRecord:
    """The task's record, once it is there and the queue has let the task go."""
    deadline = time.monotonic() + seconds
    # The record first: a task that has not come yet is not in the queue either.
    while not await exists(stack, record_key(function, task)) or task in await stack.queue.ids(function):
        assert time.monotonic() < deadline, f"task {task} of {function} did not end"
        await asyncio.sleep(0.1)
    return read_record(await stack.storage.read("headrace", record_key(function, task)))


async def exists(stack: Stack, key: str) -> bool:
    return key in [info.key async for info in stack.storage.list("headrace", key)]


async def tried(
    stack: Stack, function: str, name: str = "a.bin", body: bytes = b"x"
) -> Record | FailureRecord:
    return await ending(stack, function, await upload(stack, function, f"{function}/{name}", body))


async def test_a_result_is_published_and_what_the_suffix_refuses_is_not(stack):
    record = await tried(stack, "copies", "sub/a.bin", b"content")
    assert record.state == "done"
    assert [output.key for output in record.outputs] == ["copies/sub/a.bin.txt"]
    assert await stack.storage.read("results", "copies/sub/a.bin.txt") == b"content"


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("fails", "exit code 7"),
        ("hangs", "time-out: ran longer than 2 s"),
        ("eats", "out of memory: "),
    ],
)
async def test_a_bad_script_ends_as_a_failure_with_its_reason(stack, function, reason):
    record = await tried(stack, function)
    assert isinstance(record, FailureRecord)
    assert record.reason.startswith(reason)
    assert record.attempts == 2


async def test_the_log_of_a_failure_is_kept(stack):
    record = await tried(stack, "fails", "log.bin", b"log")
    assert record.log == "the reason is here\n"


async def test_a_long_log_is_kept_whole_beside_its_end(stack):
    record = await tried(stack, "chatty")
    assert record.log.endswith("4999\n5000\n")
    prefix = log_key("chatty", record.task.id, "").removesuffix(".log")
    logs = [await stack.storage.read("headrace", i.key) async for i in stack.storage.list("headrace", prefix)]
    assert logs == ["".join(f"{n}\n" for n in range(1, 5001)).encode()] * 2


async def test_a_script_that_writes_nothing_is_done_with_no_outputs(stack):
    record = await tried(stack, "silent")
    assert record.state == "done"
    assert record.outputs == ()


async def test_a_script_that_leaves_children_leaves_none(stack):
    record = await tried(stack, "forks")
    assert record.state == "done"
    pid = int(await stack.storage.read("results", "forks/pid.txt"))
    assert not psutil.pid_exists(pid) or "sleep" not in psutil.Process(pid).name()


async def test_a_second_attempt_may_succeed(stack):
    record = await tried(stack, "flaky")
    assert record.state == "done"
    assert record.attempt_number == 2
    assert await stack.storage.read("results", "flaky/n.txt") == b"2\n"


async def test_a_secret_reaches_the_script_and_no_log_and_no_credential_of_ours_does(stack):
    record = await tried(stack, "secretive")
    assert record.log == "token is ***\n"
    environment = (await stack.storage.read("results", "secretive/env.txt")).decode()
    assert f"TOKEN={TOKEN}" in environment
    assert stack.settings.storage.secret_key not in environment
    assert stack.settings.queue.token not in environment


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [("zero.dcm", b"", "zero.dcm"), ("corrupt.dcm", b"DICM" * 1000, "corrupt.dcm")],
)
async def test_a_file_that_is_no_dicom_fails_with_its_name(stack, name, body, told):
    record = await tried(stack, "echo", name, body)
    assert isinstance(record, FailureRecord)
    assert told in record.reason
    assert record.attempts == 3


async def paused_upload(stack: Stack, key: str) -> str:
    await stack.queue.pause("copies")
    task = await upload(stack, "copies", key, b"first")
    deadline = time.monotonic() + 20
    while task not in await stack.queue.ids("copies"):
        assert time.monotonic() < deadline, "the file was not queued"
        await asyncio.sleep(0.05)
    return task


async def test_an_input_overwritten_while_it_waits_is_superseded_and_the_new_one_is_done(stack):
    first = await paused_upload(stack, "copies/over.bin")
    second = await upload(stack, "copies", "copies/over.bin", b"second")
    await stack.queue.resume("copies")
    assert (await ending(stack, "copies", first)).state == "superseded"
    assert (await ending(stack, "copies", second)).state == "done"
    assert await stack.storage.read("results", "copies/over.bin.txt") == b"second"


async def test_an_input_deleted_while_it_waits_is_gone(stack):
    task = await paused_upload(stack, "copies/deleted.bin")
    await stack.storage.delete("uploads", ["copies/deleted.bin"])
    await stack.queue.resume("copies")
    assert (await ending(stack, "copies", task)).state == "gone"


@pytest.mark.parametrize("gib", [0.5, pytest.param(2.0, marks=pytest.mark.long)])
async def test_a_file_of_gibibytes_is_worked_in_flat_memory(stack, tmp_path, gib):
    big, size = tmp_path / "big", int(gib * 2**30)
    with big.open("wb") as file:
        file.write(os.urandom(2**20))
        file.truncate(size)
    uploading = asyncio.create_task(upload(stack, "measures", f"measures/{gib}.bin", big))
    greatest = 0
    while not uploading.done() or not await exists(stack, record_key("measures", uploading.result())):
        greatest = max(
            [greatest, *stack.resident_bytes("headrace.worker"), *stack.resident_bytes("headrace.events")]
        )
        await asyncio.sleep(0.1)
    record = await ending(stack, "measures", uploading.result(), 240)
    assert record.state == "done"
    assert await stack.storage.read("results", "measures/size.txt") == f"{size}\n".encode()
    assert greatest < 400 * 2**20, f"{greatest / 2**20:.0f} MiB"


def odd_keys(count: int) -> list[str]:
    """Keys made of pieces that hurt, the same at each run."""
    source = random.Random(20)
    keys: dict[str, None] = {}
    while len(keys) < count:
        keys["odd/" + "".join(source.choices(PIECES, k=source.randint(1, 6)))] = None
    return list(keys)


async def stored_keys(stack: Stack, count: int) -> set[str]:
    """What the store made of them: it refuses some, and takes `a//b` and `a/b` for the same object."""
    gate = asyncio.Semaphore(16)

    async def put(key: str) -> None:
        async with gate:
            with suppress(HeadraceError):
                await stack.storage.put("uploads", key, key.encode())

    await asyncio.gather(*(put(key) for key in odd_keys(count)))
    return {info.key async for info in stack.storage.list("uploads", "odd/") if not info.key.endswith("/")}


async def done_records(stack: Stack, function: str) -> list[Record]:
    """Of the newest version of each key: the store folds some keys into one, and so overwrites."""
    newest = {(info.key, info.etag) async for info in stack.storage.list("uploads", f"{function}/")}
    prefix = record_key(function, "").removesuffix(".json")
    found = [
        read_record(await stack.storage.read("headrace", info.key))
        async for info in stack.storage.list("headrace", prefix)
    ]
    return [r for r in found if isinstance(r, Record) and (r.task.key, r.task.etag) in newest]


@pytest.mark.parametrize("count", [250, pytest.param(1000, marks=pytest.mark.long)])
async def test_odd_keys_each_end_done_and_none_leaves_its_folder(stack, count):
    stored = await stored_keys(stack, count)
    assert len(stored) > 0.6 * count, "most keys are taken by the store"
    records = await done_records(stack, "odd")
    deadline = time.monotonic() + 200
    while {record.task.key for record in records} != stored:
        assert time.monotonic() < deadline, "not every odd key ended done"
        await asyncio.sleep(2.0)
        records = await done_records(stack, "odd")
    for record in records[::10]:
        (output,) = record.outputs
        assert output.key == record.task.key[: record.task.key.rfind("/") + 1] + "out.txt"
    written = {o.key: await stack.storage.read("results", o.key) for r in records for o in r.outputs}
    assert {body.split()[0] for body in written.values()} == {b"True"}
