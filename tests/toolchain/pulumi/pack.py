"""One policy pack in a process of its own, the engine's calls handed on: `pack.py PYTHON FOLDER ENGINE`.

The engine tells a stack's configuration by a call, a pack of Pulumi's Python SDK reads it from its
environment: so the pack is started only after that call, behind this proxy. Pulumi's own host does the same.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

HANDED_ON = (
    "Analyze",
    "AnalyzeStack",
    "Remediate",
    "GetAnalyzerInfo",
    "GetPluginInfo",
    "Configure",
    "Cancel",
)
LARGE = [
    (f"grpc.max_{way}_message_length", 400 * 1024 * 1024) for way in ("send", "receive")
]  # as the SDK has it


class Proxy(analyzer_pb2_grpc.AnalyzerServicer):
    """What the engine calls; gRPC names the methods."""

    def __init__(self) -> None:
        self.configuration: Future[Any] = Future()
        self.pack: Future[Any] = Future()

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        self.configuration.set_result(request)
        return analyzer_pb2.AnalyzerStackConfigureResponse()


def _handing_on(name: str) -> Callable[[Proxy, Any, Any], Any]:
    def call(self: Proxy, request: Any, context: Any) -> Any:
        try:
            return getattr(self.pack.result(), name)(request)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())

    return call


for each in HANDED_ON:
    setattr(Proxy, each, _handing_on(each))


def environment(configured: Any) -> Mapping[str, str]:
    """The variables by which a pack knows its stack."""
    found = {
        "PULUMI_ORGANIZATION": configured.organization,
        "PULUMI_PROJECT": configured.project,
        "PULUMI_STACK": configured.stack,
        "PULUMI_DRY_RUN": str(configured.dry_run).lower(),
        "PULUMI_CONFIG": json.dumps(dict(configured.config)),
    }
    return {**os.environ, **{name: value for name, value in found.items() if value}}


def main(python: str, folder: str, engine: str) -> int:
    """Serve until told to stop, or until the pack ends; its first line tells the engine the port."""
    proxy = Proxy()
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=LARGE)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(proxy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    configured = proxy.configuration.result()
    command = [python, "-u", "-m", "pulumi.policy", engine, folder]
    environ = environment(configured)
    try:
        pack = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        proxy.pack.set_exception(error)  # a call that waits for it would keep this process
        raise
    try:
        told = pack.stdout.readline().strip()
        if not told.isdigit():
            proxy.pack.set_exception(RuntimeError(f"the pack ended with code {pack.wait()} before it served"))
            return 1
        stub = analyzer_pb2_grpc.AnalyzerStub(grpc.insecure_channel(f"127.0.0.1:{told}", options=LARGE))
        stub.ConfigureStack(configured, wait_for_ready=True)
        proxy.pack.set_result(stub)
        return pack.wait()
    finally:
        pack.kill()
        server.stop(grace=None).wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.exit(main(*sys.argv[1:4]))
