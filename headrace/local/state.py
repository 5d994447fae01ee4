"""The folder that one embedded stack lives in: what lies where, and that only one lives in it."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from headrace.files.whole import write_private
from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from headrace.model.troubles import Trouble
from headrace.model.value import StoredValue
from headrace.scaler.explaining import Explanation


class StackState(StoredValue):
    """What a stack tells about itself to whoever looks in; no secrets. Times: seconds since the epoch.

    `workers` are those that run, `wanted` those that the files waiting call for; `reasons` are the codes
    of the scaler's reasons.
    """

    pid: int
    started_at: float
    endpoint: str
    runtime: str
    processes: Mapping[str, int] = Field(default_factory=dict)  # name -> pid
    workers: Mapping[str, int] = Field(default_factory=dict)  # function -> number
    wanted: Mapping[str, int] = Field(default_factory=dict)
    reasons: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A stack's folder, of mode 0700."""

    path: Path

    @property
    def settings(self) -> Path:
        """The services' settings with their secrets, mode 0600."""
        return self.path / "settings.json"

    @property
    def client(self) -> Path:
        """The same endpoint and keys as variables that S3 clients read, mode 0600."""
        return self.path / "s3.env"

    @property
    def page(self) -> Path:
        """What leads a browser to the status page and logs in there, mode 0600."""
        return self.path / "status.html"

    @property
    def stack(self) -> Path:
        """A StackState, while a stack lives."""
        return self.path / "stack.json"

    @property
    def plan(self) -> Path:
        """The scaler's Explanation of its newest decision, while a stack lives."""
        return self.path / "plan.json"

    @property
    def memory(self) -> Path:
        """What the scaler remembers over restarts."""
        return self.path / "scaler.json"

    @property
    def wishes(self) -> Path:
        """What people wish of nodes."""
        return self.path / "nodes.json"

    @property
    def store(self) -> Path:
        return self.path / "seaweedfs"

    @property
    def queue(self) -> Path:
        return self.path / "nats"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def prepare(self) -> None:
        """Make the folder and those below it, closed to others."""
        for folder in (self.path, self.work, self.secrets, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while the block runs; the kernel lets go when this process dies, however.

        Raises ConfigurationError when another stack lives in it.
        """
        self.prepare()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                raise ConfigurationError(
                    f"a stack lives in {self.path} already (process {holder or 'unknown'}); "
                    "stop it, or name another folder with --state",
                    trouble=Trouble.STATE_IN_USE,
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def read_settings(self) -> Settings | None:
        """The settings of the last time; None the first time.

        Raises ConfigurationError for a file that is none: it may hold the only copy of the keys.
        """
        try:
            return Settings.from_json(self.settings.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ConfigurationError(
                f"{self.settings} can't be used: {error}; mend it, or name an empty folder with --state",
                trouble=Trouble.STATE_UNREADABLE,
            ) from error

    def tell(self, state: StackState) -> None:
        """Publish what the stack tells about itself."""
        write_private(self.stack, state.to_json())

    def explain(self, explained: Explanation) -> None:
        """Publish why the scaler decided as it did."""
        write_private(self.plan, explained.to_json())

    def fall_silent(self) -> None:
        """Take both back: no stack lives here any more."""
        self.stack.unlink(missing_ok=True)
        self.plan.unlink(missing_ok=True)
