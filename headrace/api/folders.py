"""The port on the functions' folder of the embedded stack, which receiver and manager look at often.

A function is one folder. What names its script is its function.yaml, which is replaced in one step, and a
script's file has its content's digest in its name: so whoever looks sees the old function or the new one.
"""

import asyncio
import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from headrace.api.deployments import MANAGER, NO_ENTRIES, Entries, check_made_here, entries_of, marked
from headrace.catalog.folder import FILE_NAME, Installed, examine, function_folders, load_function
from headrace.files.whole import write_private, write_whole
from headrace.model.errors import ConfigurationError, ExistsError, NotFoundError, RejectedError
from headrace.model.function import Function

SCRIPT = "script.sh"  # how a script is called outside of its folder
_HEAD = f"# made by {MANAGER}"  # the first line of a secret's file
_MODE = 0o644
_DIGITS = 12  # of a script's digest, in its file's name


class FolderDeployments:
    """See the port. One process writes here, people may write beside it."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self._folder = folder
        self._secrets = secrets  # <name>.env files of mode 0600, as the worker reads them
        self._lock = asyncio.Lock()

    async def listed(self) -> Sequence[Function]:
        """See the port."""
        return await asyncio.to_thread(self._listed)

    def _listed(self) -> Sequence[Function]:
        return [inlined(each) for each in examine(function_folders(self._folder)).installed]

    async def read(self, name: str) -> Function:
        """See the port."""
        return await asyncio.to_thread(self._read, name)

    def _read(self, name: str) -> Function:
        folder = self._folder / name
        if folder.parent != self._folder or name.startswith(".") or not (folder / FILE_NAME).is_file():
            raise NotFoundError(f"function {name} is not there")
        return inlined(load_function(folder))

    async def create(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """See the port."""
        async with self._lock:
            await asyncio.to_thread(self._create, marked(function), secrets)

    def _create(self, function: Function, entries: Entries) -> None:
        target, kept = self._folder / function.name, self._secret(function.name)
        for path in (target, *([kept] if entries else [])):
            if path.exists():
                raise ExistsError(f"function {function.name}: {path} is there already")
        made = self._folder / f".{function.name}-{secrets.token_hex(4)}"
        # Its name is checked against the folder's: it is whole before it bears that name.
        whole = made / function.name
        whole.mkdir(parents=True)
        try:
            _write(whole, function)
            _check(whole)
            self._keep(function.name, entries_of(entries, {}))
            whole.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    async def update(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """See the port."""
        async with self._lock:
            await asyncio.to_thread(self._update, marked(function), secrets)

    def _update(self, function: Function, entries: Entries) -> None:
        check_made_here(self._read(function.name))
        if entries:
            self._keep(function.name, entries_of(entries, self._entries(function.name)))
        _write(self._folder / function.name, function)

    async def delete(self, name: str) -> None:
        """See the port."""
        async with self._lock:
            await asyncio.to_thread(self._delete, name)

    def _delete(self, name: str) -> None:
        check_made_here(self._read(name))
        gone = self._folder / f".{name}-{secrets.token_hex(4)}"
        (self._folder / name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        if _HEAD in self._text(name):
            self._secret(name).unlink()

    async def secret_names(self, function: Function) -> Sequence[str]:
        """See the port."""
        found: set[str] = set()
        for name in function.spec.secrets:
            found |= self._entries(name).keys()
        return sorted(found)

    def _secret(self, name: str) -> Path:
        return self._secrets / f"{name}.env"

    def _text(self, name: str) -> str:
        try:
            return self._secret(name).read_text()
        except FileNotFoundError:
            return ""

    def _entries(self, name: str) -> dict[str, str]:
        lines = (line.partition("=") for line in self._text(name).splitlines() if not line.startswith("#"))
        return {key: value for key, equals, value in lines if equals}

    def _keep(self, name: str, entries: Entries) -> None:
        if entries:
            lines = (f"{key}={value}\n" for key, value in sorted(entries.items()))
            write_private(self._secret(name), f"{_HEAD}\n{''.join(lines)}".encode())


def inlined(installed: Installed) -> Function:
    """A folder's function with its script's text in it; of a handler the code stays in the folder."""
    run = installed.function.spec.run
    if run.script is None or run.source is not None:
        return installed.function
    text = (installed.folder / run.script).read_text(encoding="utf-8", errors="replace")
    return _with_run(installed.function, SCRIPT, text)


def _write(folder: Path, function: Function) -> None:
    """Its script first, which nobody reads before function.yaml names it."""
    kept = ""
    run = function.spec.run
    if run.script is not None and run.source is not None:
        digest = hashlib.sha256(run.source.encode()).hexdigest()[:_DIGITS]
        kept = f"script-{digest}.sh"
        write_whole(folder / kept, run.source.encode(), mode=_MODE)
        function = _with_run(function, kept, None)
    # JSON is YAML; indented, as a person may look at it.
    document = json.dumps(json.loads(function.to_json()), indent=2)
    write_whole(folder / FILE_NAME, f"{document}\n".encode(), mode=_MODE)
    for stale in folder.glob("script-*.sh"):
        if stale.name != kept:
            stale.unlink()


def _with_run(function: Function, script: str, source: str | None) -> Function:
    run = function.spec.run.model_copy(update={"script": script, "source": source})
    spec = function.spec.model_copy(update={"run": run})
    return function.model_copy(update={"spec": spec})


def _check(folder: Path) -> None:
    """Raises RejectedError for what its folder does not bear out, such as a handler without code."""
    try:
        load_function(folder)
    except ConfigurationError as error:
        raise RejectedError(str(error)) from error
