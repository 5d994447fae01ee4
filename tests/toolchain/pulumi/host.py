"""A small Python language host for tests: `pulumi` starts it for a program or a policy pack of ours.

Pulumi's own host is no Go module that can be built. The SDK's server for inline programs does the work
here, in a process of its own for each run, as the real host has it. Not for users: their Pulumi brings it.
"""

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

PROGRAM, PACK = (Path(__file__).with_name(name) for name in ("program.py", "pack.py"))
STOP_SECONDS = 5.0


class Host(LanguageServer):
    """What the engine calls for `up`, `preview`, `refresh` and `destroy`; gRPC names the methods."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(program=lambda: None)
        self.engine_address = engine_address
        self.children: list[subprocess.Popen[bytes]] = []

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        if not request.args:
            request.args.append(self.engine_address)
        with tempfile.TemporaryDirectory(prefix="headrace-pulumi-") as name:
            asked, answered = Path(name, "request"), Path(name, "response")
            asked.write_bytes(request.SerializeToString())
            command = [sys.executable, "-u", "-P", str(PROGRAM), str(asked), str(answered)]
            folder = request.pwd or request.info.program_directory
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=folder)
            self.children.append(child)
            code = child.wait()
            self.children.remove(child)
            if answered.exists():
                return language_pb2.RunResponse.FromString(answered.read_bytes())
        return language_pb2.RunResponse(error=f"the program's process ended with code {code} and no answer")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802  (gRPC's name)
        if request.kind != "analyzer":
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"only policy packs, not plugins of kind {request.kind}"
            )
        python = Path(request.info.root_directory, request.info.options["virtualenv"], "bin", "python")
        if not python.exists():
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"there is no {python}: make policy")
        pack = [str(python), request.info.program_directory, *request.args]
        command = [sys.executable, "-u", "-P", str(PACK), *pack]
        environ = os.environ | dict(each.split("=", 1) for each in request.env)
        child = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.children.append(child)
        context.add_callback(child.terminate)  # so the engine says that it needs the pack no more
        for output, line in _lines(child):
            yield language_pb2.RunPluginResponse(**{output: line})
        self.children.remove(child)
        yield language_pb2.RunPluginResponse(exitcode=child.wait())

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        self.stop()
        return empty_pb2.Empty()

    def stop(self) -> None:
        """End the programs that still run."""
        for child in list(self.children):
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def _lines(child: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """What a process writes, as it comes, until both its streams have ended."""
    told: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def read(output: str) -> None:
        for line in getattr(child, output):
            told.put((output, line))
        told.put((output, b""))

    for output in ("stdout", "stderr"):
        threading.Thread(target=read, args=(output,), daemon=True).start()
    running = 2
    while running:
        output, line = told.get()
        if line:
            yield output, line
        else:
            running -= 1


def main(arguments: Sequence[str]) -> None:
    """Serve until told to stop; the first line on stdout tells the engine the port."""
    addresses = [each for each in arguments if not each.startswith("-")]
    if not addresses:
        sys.exit("pulumi-language-python: the engine's address is missing; pulumi itself starts this program")
    host = Host(addresses[0])
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopped.wait()
    host.stop()
    server.stop(grace=None).wait()


if __name__ == "__main__":
    main(sys.argv[1:])
