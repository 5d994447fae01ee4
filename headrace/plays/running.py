"""Plays one playbook by ansible-runner, in a process of its own: `python -m headrace.plays.running`.

It is told what to play by one line on its standard input, and tells events and the end by lines on its
standard output. When its standard input ends, as it does with whoever started it, Ansible ends too. Secrets
are in a file of mode 0600, in a folder that is removed in any case.
"""

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import ansible_runner
import psutil
import yaml

from headrace.model.value import Value
from headrace.plays.events import Ended, Status, counts, event
from headrace.plays.play import COLLECTION, MANIFEST_FOLDERS, Play


class _Unsafe(str):
    """A text that Ansible takes as it is: a password with braces is no template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes such texts, too."""


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def main() -> None:
    """Play, and tell."""
    with os.fdopen(os.dup(1), "wb", buffering=0) as out, open(0, "rb", buffering=0, closefd=False) as given:
        os.dup2(2, 1)  # what libraries print is no event
        play = Play.from_json(given.readline())
        limit = Limit(play.timeout_seconds)
        with TemporaryDirectory(prefix="headrace-play-") as folder:
            _tell(out, _played(play, Path(folder), limit, lambda each: _tell(out, each)))


class Limit:
    """Ends all that runs here, when time is up or standard input ends.

    Not ansible-runner's own: that kills a group of processes, of which Ansible's workers are none.
    """

    def __init__(self, seconds: float) -> None:
        self.reason: Status | None = None
        for target in (self._at_end_of_input, lambda: self._after(seconds)):
            threading.Thread(target=target, daemon=True).start()

    def is_reached(self) -> bool:
        """What ansible-runner asks from time to time."""
        return self.reason is not None

    def _at_end_of_input(self) -> None:
        while os.read(0, 4096):
            pass
        self._end(Status.CANCELED)

    def _after(self, seconds: float) -> None:
        time.sleep(seconds)
        self._end(Status.TIMEOUT)

    def _end(self, reason: Status) -> None:
        # Before ansible-runner is told: it would kill the first of them, and nobody would know the others.
        while processes := psutil.Process().children(recursive=True):
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.reason = self.reason or reason
            time.sleep(0.05)
        self.reason = self.reason or reason


def _tell(out: BinaryIO, what: Value) -> None:
    try:
        out.write(what.to_json() + b"\n")
    except BrokenPipeError:
        return  # nobody listens any more; the folder is still to be removed


def _played(play: Play, folder: Path, limit: Limit, tell: Callable[[Value], None]) -> Ended:
    stats: dict[str, Any] = {}

    def handle(raw: Mapping[str, Any]) -> bool:
        if raw.get("event") == "playbook_on_stats":
            stats.update(raw["event_data"])
        elif (found := event(raw)) is not None:
            tell(found)
        return False  # it is not written to a file

    run = ansible_runner.run(
        private_data_dir=str(folder),
        playbook=play.playbook,
        inventory=play.inventory if isinstance(play.inventory, str) else dict(play.inventory),
        limit=play.limit or None,
        forks=play.forks or None,
        cmdline=shlex.join(_arguments(play, folder)),
        envvars=_environment(play, folder),
        settings={"pexpect_timeout": 1},
        quiet=True,
        event_handler=handle,
        cancel_callback=limit.is_reached,
    )
    with run.stdout as told:
        output = told.read()
    return Ended(
        status=limit.reason or Status(run.status),
        hosts=counts(stats),
        written=_written(folder),
        output=output,
    )


def _arguments(play: Play, folder: Path) -> list[str]:
    """Variables go by files: a command line is for everyone to see."""
    _manifests(folder).mkdir()
    manifests = dict.fromkeys(MANIFEST_FOLDERS, str(_manifests(folder)))
    public = _file(folder / "variables.yml", {**play.variables, **manifests})
    secret = _file(folder / "secrets.yml", _unsafe(play.secrets))
    vault = ["--vault-password-file", play.vault_password_file] if play.vault_password_file else []
    return ["--extra-vars", f"@{public}", "--extra-vars", f"@{secret}", *vault]


def _file(path: Path, content: object) -> Path:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        yaml.dump(content, file, Dumper=_Dumper, allow_unicode=True)
    return path


def _unsafe(tree: object) -> object:
    if isinstance(tree, Mapping):
        return {key: _unsafe(each) for key, each in tree.items()}
    if isinstance(tree, list | tuple):
        return [_unsafe(each) for each in tree]
    return _Unsafe(tree) if isinstance(tree, str) else tree


def _environment(play: Play, folder: Path) -> dict[str, str]:
    """Ansible's programs are beside this Python; what it writes locally goes with the folder."""
    found = str(_linked(Path(play.collection), folder)) if play.collection else play.collections
    return {
        **({"ANSIBLE_COLLECTIONS_PATH": found} if found else {}),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        "ANSIBLE_NOCOLOR": "1",
        "TMPDIR": str(folder),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }


def _linked(collection: Path, folder: Path) -> Path:
    """Where Ansible finds the collection: a link to it needs no installation, and is never an old one."""
    link = folder.joinpath("collections", "ansible_collections", *COLLECTION.split("."))
    link.parent.mkdir(parents=True)
    link.symlink_to(collection, target_is_directory=True)
    return folder / "collections"


def _manifests(folder: Path) -> Path:
    return folder / "manifests"


def _written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(_manifests(folder).glob("*.y*ml"))}


if __name__ == "__main__":
    main()
