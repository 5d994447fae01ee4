"""A function that serves, tried on this machine: its server a child process, files posted as workers do."""

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.catalog.folder import Installed
from headrace.cli.function_trying import Result
from headrace.local.process import Process, answers, free_ports
from headrace.model.errors import ConfigurationError
from headrace.model.function import Http
from headrace.model.task import Task, task_id
from headrace.worker.attempt import Folder, Staged
from headrace.worker.container.posting import refused, request_headers, result_name

HOST = "127.0.0.1"
START_SECONDS = 60.0  # for the server to listen, its model loaded
STOP_SECONDS = 5.0

Poster = Callable[[Path, str], Result]


@contextmanager
def served(installed: Installed, command: str) -> Iterator[Poster]:
    """Posts files to the function's server while the block runs; the server gets its port as PORT.

    Raises ConfigurationError for a function that does not serve, or a command that can't be started;
    FatalError for a server that does not listen.
    """
    http = installed.function.spec.run.http
    if http is None:
        raise ConfigurationError(
            f"function {installed.function.name!r} does not serve: found --serve, allowed with run.http only"
        )
    port = free_ports(1)[0]
    with TemporaryDirectory(prefix="headrace-") as folder:
        log = Path(folder) / "server.log"
        server = _start(installed, command, port=port, log=log)
        try:
            server.wait_until(lambda: answers(port), seconds=START_SECONDS)

            def post(file: Path, key: str) -> Result:
                return _posted(installed, http, port, file=file, key=key)

            yield post
        finally:
            server.stop(seconds=STOP_SECONDS)


def _start(installed: Installed, command: str, *, port: int, log: Path) -> Process:
    environment: Mapping[str, str] = {"PORT": str(port), **installed.function.spec.environment}
    try:
        return Process.start(
            "the server",
            shlex.split(command),
            log=log,
            environment={**os.environ, **environment},
            directory=installed.folder,
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{command!r} can't be started: {error}; correct --serve") from error


def _posted(installed: Installed, http: Http, port: int, *, file: Path, key: str) -> Result:
    """What the server makes of one file; what a worker would repeat is a failure here."""
    bucket = installed.function.spec.input[0].bucket
    staged = Staged(_task(installed, bucket, file=file, key=key), Folder(file.parent), file, 1)
    connection = HTTPConnection(HOST, port, timeout=installed.function.spec.delivery.timeout_seconds)
    begun = time.monotonic()
    try:
        with file.open("rb") as body:
            connection.request("POST", http.path, body, request_headers(staged))
        answer = connection.getresponse()
        content = answer.read()
    except (HTTPException, OSError) as error:
        return Result("failed", {}, f"the server does not answer: {error!r}")
    finally:
        connection.close()
    return _result(file.name, answer, content, time.monotonic() - begun)


def _result(name: str, answer: HTTPResponse, content: bytes, seconds: float) -> Result:
    if not 200 <= answer.status < 300:
        outcome = refused(answer.status, content, location=answer.headers.get("location"))
        return Result("failed", {}, outcome.reason)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    outputs = {result_name(name, headers): content} if content else {}
    return Result("done", outputs, seconds=seconds)


def _task(installed: Installed, bucket: str, *, file: Path, key: str) -> Task:
    name = installed.function.name
    return Task(
        id=task_id(name, bucket, key, "tried"),
        function=name,
        bucket=bucket,
        key=key,
        version=None,
        etag="tried",
        size=file.stat().st_size,
        received=time.time(),
    )
