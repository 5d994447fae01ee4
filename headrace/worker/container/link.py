"""The supervisor's end of two named pipes, whose other end is process 1 of the user's container.

What is said on them, init.py and init.sh tell. Whoever is in that container may say anything, so what is no
answer ends the connection, and with it that container; nothing more than its own work depends on it.
"""

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from headrace.worker.gpu_watch import Place, servers_of
from headrace.worker.runner_port import RunnerGoneError

log = logging.getLogger(__name__)

ANSWER_BYTES = 2**20  # an exception's text may be long
KILL_SECONDS = 10.0  # process 1 kills at once; who does not answer by then will not
END_SECONDS = 5.0  # for the container to end, once it is told to

Answer = Mapping[str, object]


@dataclass
class _Pipes:
    """What is open. The reader of `requests` is kept, so that writing waits for nobody to open it."""

    requests: asyncio.WriteTransport
    replies: asyncio.ReadTransport
    reading: int

    def close(self) -> None:
        self.requests.abort()
        self.replies.close()
        os.close(self.reading)


@dataclass
class Container:
    """One life of the user's container. `here`: it has said hello and has not gone."""

    folder: Path  # of the pipes; made anew
    id: str = ""  # what process 1 said of itself
    appeared: asyncio.Event = field(default_factory=asyncio.Event)
    departed: asyncio.Event = field(default_factory=asyncio.Event)  # it is to end, or has ended
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    told_to_leave: bool = False
    servers: Sequence[Place] = ()  # whose GPUs it has
    lost: str = ""  # why its GPUs can't be used any more, for people
    _answers: asyncio.Queue[Answer | None] = field(default_factory=asyncio.Queue)
    _pipes: _Pipes | None = None
    _listening: asyncio.Task[None] | None = None

    @property
    def here(self) -> bool:
        return self.appeared.is_set() and not self.gone.is_set()

    @property
    def log(self) -> Path:
        """What the user's processes print outside of any file."""
        return self.folder / "log"

    async def open(self) -> None:
        """Make the pipes, replacing those of an earlier life, and listen."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        requests, replies = self.folder / "requests", self.folder / "replies"
        # Of the group that both containers share: it reads requests and writes replies, no more.
        for path, mode in ((requests, 0o640), (replies, 0o620)):
            os.mkfifo(path)
            path.chmod(mode)
        self.log.touch()
        self.log.chmod(0o660)
        lines = asyncio.StreamReader(limit=ANSWER_BYTES)
        self._pipes = await _connected(requests, replies, lines)
        self._listening = asyncio.create_task(self._listen(lines))

    def send(self, word: str, rest: str = "") -> None:
        """Say a line. Raises RunnerGoneError when nobody is there."""
        if self._pipes is None or not self.here:
            raise RunnerGoneError("the user's container has ended")
        self._pipes.requests.write(f"{self.id} {word} {rest}".rstrip().encode() + b"\n")

    async def answer(self) -> Answer:
        """The next answer. Raises RunnerGoneError when none will come."""
        found = None if self.gone.is_set() and self._answers.empty() else await self._answers.get()
        if found is None:
            raise RunnerGoneError("the user's container has ended")
        return found

    def lose(self, reason: str) -> None:
        """Its GPUs are gone for good: it is to end, as its sessions are."""
        self.lost = self.lost or reason
        self.departed.set()

    async def kill(self) -> None:
        """Have all the user's processes killed; a container that does not confirm it is given up."""
        with suppress(RunnerGoneError):
            self.send("kill")
            try:
                async with asyncio.timeout(KILL_SECONDS):
                    while "killed" not in await self.answer():
                        continue
            except TimeoutError:
                self._give_up("it does not kill its processes")

    async def close(self) -> None:
        """Have the container end, and close the pipes."""
        with suppress(RunnerGoneError, TimeoutError):
            self.send("end")
            async with asyncio.timeout(END_SECONDS):
                await self.gone.wait()
        if self._listening is not None:
            self._listening.cancel()
        self._disconnect()

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await lines.readline()
            except ValueError:
                self._give_up(f"it said more than {ANSWER_BYTES} bytes in a line")
                return
            if not line.endswith(b"\n"):  # also where it ended in the middle of a line
                self._disconnect()
                return
            if not self._heard(line):
                return

    def _heard(self, line: bytes) -> bool:
        """Take a line in; False when the connection is given up."""
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            return self._give_up("it said what is no answer")
        if "hello" in said and self.appeared.is_set():
            return self._give_up("it was started anew")
        if "hello" in said:
            self.id, self.servers = str(said["hello"]), servers_of(said.get("gpus"))
            self.appeared.set()
        elif "leaving" in said:
            self.told_to_leave = True
            self.departed.set()
        else:
            self._answers.put_nowait(said)
        return True

    def _give_up(self, reason: str) -> bool:
        log.warning("the user's container: %s", reason, extra={"action": "worker.container_given_up"})
        self._disconnect()
        return False

    def _disconnect(self) -> None:
        """Process 1 takes closed pipes for the supervisor's end, and ends."""
        self.gone.set()
        self.departed.set()
        self._answers.put_nowait(None)
        if self._pipes is not None:
            self._pipes.close()
            self._pipes = None


async def _connected(requests: Path, replies: Path, lines: asyncio.StreamReader) -> _Pipes:
    """Open both pipes before anybody is at their other ends.

    Nobody here writes `replies`: its end tells that the container has gone, and comes only after somebody
    has opened it. The reader of `requests` is a descriptor of its own, as asyncio takes what it can read on
    a pipe that it writes to for the reader's end.
    """
    loop = asyncio.get_running_loop()
    flags = os.O_NONBLOCK | os.O_CLOEXEC
    reading = os.open(requests, os.O_RDONLY | flags)
    writing = os.fdopen(os.open(requests, os.O_WRONLY | flags), "wb", buffering=0)
    hearing = os.fdopen(os.open(replies, os.O_RDONLY | flags), "rb", buffering=0)
    heard, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), hearing)
    said, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writing)
    return _Pipes(said, heard, reading)
