"""The API of a stack on this machine or on a cluster, for tests that speak to it by HTTP."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from headrace.files.whole import write_private
from headrace.local.provision import provision
from headrace.local.state import StateDirectory
from headrace.model.api import ApiSettings
from headrace.model.settings import Settings

START_SECONDS = 90.0
WAIT_SECONDS = 60.0
SCRIPT = """\
#!/bin/sh
echo "worked $(wc -c < "$INPUT_FILE_PATH") bytes"
{command}
"""
UPPER = 'tr a-z A-Z < "$INPUT_FILE_PATH" > "$TMP_OUTPUT_DIR/$(basename "$INPUT_FILE_PATH").txt"'


@dataclass(frozen=True, kw_only=True)
class Site:
    """A stack that runs, how its user comes to it, and what definitions need to say there."""

    endpoint: str
    user: str
    password: str
    usual: Mapping[str, Any] = field(default_factory=dict)

    def service(self, name: str, command: str, **changes: Any) -> dict[str, Any]:
        """A definition that can run here."""
        return service(name, command, **{**self.usual, **changes})


@dataclass(frozen=True, kw_only=True)
class MachineSite(Site):
    """`headrace up`."""

    process: psutil.Process

    def resident_bytes(self) -> int:
        """Resident memory of the API's process."""
        for each in self.process.children():
            with suppress(psutil.Error):  # a worker that has ended meanwhile
                if "headrace.api" in each.cmdline():
                    return int(each.memory_info().rss)
        return 0


def service(name: str, command: str, **changes: Any) -> dict[str, Any]:
    """A definition as OSCAR's own examples write it."""
    return {
        "name": name,
        "memory": "128Mi",
        "cpu": "0.5",
        "image": "registry.example/tools",
        "script": SCRIPT.format(command=command),
        "log_level": "CRITICAL",
        "input": [{"storage_provider": "minio.default", "path": f"{name}/input"}],
        "output": [{"storage_provider": "minio.default", "path": f"{name}/output"}],
        **changes,
    }


def poll(what: str, found: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"no {what} after {seconds:g} s"
        time.sleep(0.1)
    return value


@contextmanager
def running_api(top: Path, **changes: object) -> Iterator[MachineSite]:
    """Start a stack of its own in a folder; `changes` of the API's settings. It ends with the block."""
    state, functions = top / "state", top / "functions"
    functions.mkdir()
    if changes:
        _change(state, functions, changes)
    options = ["--state", str(state), "--functions", str(functions), "--workers", "2"]
    with (top / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-c", "from headrace.cli.main import run; run()", "up", *options],
            stdout=log,
            stderr=log,
        )
    try:
        poll("stack", lambda: up.poll() is not None or (state / "stack.json").exists(), START_SECONDS)
        assert up.poll() is None, (top / "up.log").read_text()
        api = _api(Settings.from_json((state / "settings.json").read_bytes()))
        user = api.users[0]
        yield MachineSite(
            endpoint=f"http://{api.host}:{api.port}",
            user=user.name,
            password=user.password,
            process=psutil.Process(up.pid),
        )
    finally:
        up.terminate()
        up.wait(WAIT_SECONDS)


def _change(state: Path, functions: Path, changes: Mapping[str, object]) -> None:
    """What the API's settings are to be at the first start already."""
    directory = StateDirectory(state)
    with directory.locked():
        settings = provision(directory, functions)
        api = _api(settings).model_copy(update=dict(changes))
        write_private(directory.settings, settings.model_copy(update={"api": api}).to_json())


def _api(settings: Settings) -> ApiSettings:
    assert settings.api is not None
    return settings.api
