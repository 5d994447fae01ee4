"""Traces of a stack that runs, at a real OTLP/HTTP collector; and of one whose collector is away."""

import asyncio
import contextlib
import socket
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace.model.keys import record_key
from headrace.model.task import task_id
from tests.stack import Stack, running, write_function

FUNCTION = """\
  run: {handler: "shout:Handler"}
  input: [{bucket: uploads, prefix: shout/}]
  output: [{bucket: results, prefix: shout/}]
  scale: {minWorkers: 1}
"""
HANDLER = textwrap.dedent("""\
    class Handler:
        def __call__(self, files):
            for file in files:
                (file.output / file.input.name).write_bytes(file.input.read_bytes().upper())
    """)
SECONDS = 60.0


class Collector:
    """Decodes what OTLP/HTTP brings, as https://opentelemetry.io/docs/specs/otlp/#otlphttp has it."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        self.port = 0

    async def take(self, request: Request) -> Response:
        assert request.headers["content-type"] == "application/x-protobuf"
        for resource in ExportTraceServiceRequest.FromString(await request.body()).resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        return Response(answer, media_type="application/x-protobuf")

    def trace(self, task: str) -> list[tuple[str, Span]]:
        return [each for each in self.spans if each[1].trace_id.hex() == task]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Collector"]:
        app = Starlette(routes=[Route("/v1/traces", self.take, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        server.capture_signals = contextlib.nullcontext
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            task = asyncio.create_task(server.serve([listening]))
            yield self
            server.should_exit = True
            await task


async def upload(stack: Stack, *names: str) -> list[str]:
    """Put files; the ids of their tasks."""
    found = []
    for name in names:
        await stack.storage.put("uploads", f"shout/{name}", name.encode())
        info = await stack.storage.head("uploads", f"shout/{name}")
        found.append(task_id("shout", info.bucket, info.key, info.identity))
    return found


async def until(condition) -> None:
    async with asyncio.timeout(SECONDS):
        while not await condition():
            await asyncio.sleep(0.1)


async def ended(stack: Stack, tasks: list[str]) -> None:
    """Wait until each has its record and none is in the queue: by then its result is published."""

    async def all_are_done() -> bool:
        found = [each.key async for each in stack.storage.list(stack.settings.platform_bucket, "records/")]
        has_all = {record_key("shout", task) for task in tasks} <= set(found)
        return has_all and not (await stack.queue.backlog("shout")).tasks

    await until(all_are_done)


async def test_a_file_is_one_trace_from_its_event_to_its_commit(tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    write_function(functions, "shout", FUNCTION, {"shout.py": HANDLER})
    async with Collector().serving() as collector:
        endpoint = f"http://127.0.0.1:{collector.port}"
        async with running(tmp_path / "state", functions, workers=1, options=("--trace", endpoint)) as stack:
            (task,) = await upload(stack, "a.txt")
            await ended(stack, [task])

            async def is_whole() -> bool:
                return {"file shout", "send tasks.shout"} <= {span.name for _, span in collector.trace(task)}

            await until(is_whole)
    found = collector.trace(task)
    by_name = {span.name: (service, span) for service, span in found}
    assert len(by_name) == len(found) == 11
    parents = {
        name: next((other.name for _, other in found if other.span_id == span.parent_span_id), "")
        for name, (_, span) in by_name.items()
    }
    attempt = "process tasks.shout"
    assert parents == {
        "file shout": "",
        "receive event": "file shout",
        "send tasks.shout": "receive event",
        attempt: "file shout",
        **dict.fromkeys(
            ("stage", "wait", "compute", "upload", "commit", "publish", "ack tasks.shout"), attempt
        ),
    }
    assert by_name["file shout"][1].parent_span_id == b""
    services = {name: service for name, (service, _) in by_name.items()}
    told_by_receiver = {name for name, service in services.items() if service == "headrace-receiver"}
    assert told_by_receiver == {"receive event", "send tasks.shout"}
    assert set(services.values()) == {"headrace-receiver", "headrace-worker"}
    kinds = {name: span.kind for name, (_, span) in by_name.items()}
    assert kinds["send tasks.shout"] == Span.SPAN_KIND_PRODUCER
    assert kinds[attempt] == Span.SPAN_KIND_CONSUMER
    for _, span in by_name.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    root = by_name["file shout"][1]
    assert all(span.end_time_unix_nano <= root.end_time_unix_nano for _, span in found)


@pytest.mark.parametrize("answers", [False, True], ids=["nobody listens", "it never answers"])
async def test_a_collector_that_is_away_costs_no_task(tmp_path: Path, answers: bool) -> None:
    functions = tmp_path / "functions"
    write_function(functions, "shout", FUNCTION, {"shout.py": HANDLER})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not answers:
            silent.close()
        trace = ("--trace", f"http://127.0.0.1:{port}")
        async with running(tmp_path / "state", functions, workers=1, options=trace) as stack:
            tasks = await upload(stack, *(f"{number}.txt" for number in range(20)))
            await ended(stack, tasks)
            for number in range(20):
                found = await stack.storage.read("results", f"shout/{number}.txt")
                assert found == f"{number}.txt".upper().encode()
