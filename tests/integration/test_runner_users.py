"""The supervisor and the user's processes as two users, as in a pod: what either may read, write and remove.

Both are in one more group, the volume's. This process plays the supervisor without root's rights.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from headrace.model.function import Run
from headrace.worker.attempt import Cause, Outcome
from headrace.worker.container.folders import UMASK
from headrace.worker.container.pod import HERE
from headrace.worker.folders import TaskFolders
from tests.integration.test_runner_container import LIMITS, SHORT, Bench

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")),
    reason="other users in process namespaces need root, unshare and setpriv",
)
SUPERVISOR, USER = 65532, 20001
AS_USER = f"setpriv --reuid={USER} --regid={USER} --groups={SUPERVISOR} --no-new-privs --bounding-set=-all"


@contextmanager
def as_supervisor() -> Iterator[None]:
    """This process without root's rights, which it takes back at the end."""
    groups, before = os.getgroups(), os.umask(UMASK)
    os.setgroups([SUPERVISOR])
    os.setegid(SUPERVISOR)
    os.seteuid(SUPERVISOR)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        os.umask(before)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A volume as the kubelet makes it: of the group that both containers are in."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        os.chown(folder, 0, SUPERVISOR)
        folder.chmod(0o2777)
        yield folder


@asynccontextmanager
async def strangers(shared: Path, run: Run, code: str) -> AsyncIterator[Bench]:
    interpreter = "sh" if run.script else "/usr/bin/python3"
    bench = Bench(shared, [*AS_USER.split(), interpreter], run)
    bench.code(code)
    with as_supervisor():
        await bench.open()
    for file in (HERE / "init.sh", HERE / "init.py", HERE.parent / "runner.py"):
        shutil.copyfile(file, shared / file.name)
        (shared / file.name).chmod(0o644)
    bench.programs = shared
    await bench.appear()
    with as_supervisor():
        yield bench
    await bench.close()


PRIVATE = """
umask 077
content=$(cat "$INPUT_FILE_PATH")
mkdir "$TMP_OUTPUT_DIR/below" "$TMPDIR/below" "$TMP_INPUT_DIR/below"
echo result >"$TMP_OUTPUT_DIR/below/out"
echo note >"$TMPDIR/below/note"
echo note >"$TMP_INPUT_DIR/below/note"
mv "$INPUT_FILE_PATH" "$INPUT_FILE_PATH.png" || echo "could not rename it"
echo more >>"$INPUT_FILE_PATH.png" || echo "could not write into it"
chmod 0600 "$TMP_OUTPUT_DIR/below/out"
ln -s /etc/hostname "$TMP_OUTPUT_DIR/link"
cd "$TMP_OUTPUT_DIR/.."
for place in ./x ../x ../other/input/x ../other/input/2.bin environment; do
  if (echo y >"$place") 2>/dev/null; then echo "could write $place"; fi
done
exit "$content"
"""


async def test_the_supervisor_reads_and_removes_what_another_user_keeps_to_itself(shared):
    async with strangers(shared, Run(script="s.sh"), PRIVATE) as bench:
        async with asyncio.timeout(20):
            await bench.container.appeared.wait()
        runner, staged, other = await bench.runner(), bench.staged(b"0"), bench.staged(b"0")
        other.folder.path.rename(other.folder.path.with_name("other"))  # what waits its turn meanwhile
        assert await runner.run([staged], LIMITS) == Outcome(Cause.RETURNED)
        assert staged.folder.log.read_text() == "", "it could write nowhere else"
        assert (staged.folder.output / "below" / "out").read_text() == "result\n"
        assert sorted(path.name for path in staged.folder.output.iterdir()) == ["below", "link"]
        assert (staged.folder.output / "link").read_bytes() == Path("/etc/hostname").read_bytes()
        folders = TaskFolders(staged.folder.path.parent)
        folders.give_back(staged.folder)
        assert sorted(path.name for path in folders.take().path.iterdir()) == ["input", "output"]


@pytest.mark.parametrize("content", [b"1", b"x"], ids=["failed", "killed"])
async def test_what_a_failed_or_killed_run_of_another_user_left_is_removed_too(shared, content):
    hangs = PRIVATE.replace("exit ", '[ "$content" = 1 ] || sleep 1000\nexit ')
    async with strangers(shared, Run(script="s.sh"), hangs) as bench:
        await bench.container.appeared.wait()
        runner, staged = await bench.runner(), bench.staged(content)
        assert not (await runner.run([staged], SHORT)).good
        folders = TaskFolders(staged.folder.path.parent)
        folders.give_back(staged.folder)
        assert sorted(path.name for path in folders.take().path.iterdir()) == ["input", "output"]


KEEPS = """
import os
class Work:
    def __call__(self, files):
        os.umask(0o077)
        for file in files:
            (file.output / "below").mkdir()
            (file.output / "below" / "out").write_text(file.input.read_text())
            print("hello")
"""


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no python3 that every user may run")
async def test_a_handler_of_another_user_gives_its_results_and_its_log(shared):
    async with strangers(shared, Run(handler="work:Work"), KEEPS) as bench:
        async with asyncio.timeout(20):
            await bench.container.appeared.wait()
        runner = await bench.runner()
        batch = [bench.staged(b"a"), bench.staged(b"b")]
        assert await runner.run(batch, LIMITS) == Outcome(Cause.RETURNED)
        found = [(each.folder.output / "below" / "out").read_text() for each in batch]
        assert (found, batch[0].folder.log.read_text()) == (["a", "b"], "hello\nhello\n")


async def test_the_pipes_let_another_user_read_requests_and_write_replies_and_no_more(shared):
    test = '[ -r "$p" ] && echo "reads $p"; [ -w "$p" ] && echo "writes $p"'
    script = f'cd "$TMP_OUTPUT_DIR/../../../pipes"; for p in requests replies log .; do {test}; done; exit 0'
    async with strangers(shared, Run(script="s.sh"), script) as bench:
        await bench.container.appeared.wait()
        runner, staged = await bench.runner(), bench.staged(b"0")
        assert (await runner.run([staged], LIMITS)).good
        assert staged.folder.log.read_text().splitlines() == [
            "reads requests", "writes replies", "reads log", "writes log", "reads .",
        ]  # fmt: skip
