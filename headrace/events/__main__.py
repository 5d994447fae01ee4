"""`python -m headrace.events --settings FILE`: the receiver, the polls of SQS and the listing as one process.

On Kubernetes several run at once: each takes notifications and polls, one of them lists all functions.
Exit status: 0 after SIGTERM or SIGINT, 1 with the reason on stderr when it can't go on.
"""

import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from headrace.events.objects import ObjectSource
from headrace.events.service import Service
from headrace.events.sources import FolderSource, FunctionSource
from headrace.events.sqs import SqsQueue
from headrace.events.watcher import Watcher
from headrace.health.http_service import run_service, server_of
from headrace.kube.kinds import FUNCTIONS
from headrace.kube.leadership import Leadership, Seat
from headrace.kube.lightkube import LightKube
from headrace.kube.mirrors import mirror_of
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Service as Teller
from headrace.metrics.serving import metrics_route
from headrace.model.labels import LISTING_LEASE
from headrace.model.settings import KubernetesSettings, Settings
from headrace.queue.accounts import queue_of
from headrace.storage.s3 import S3Storage
from headrace.tracing.choosing import tracer_of

GRACE_SECONDS = 4  # for requests that are under way when the process is told to stop

Leading = Callable[[], bool]


async def _serve(settings: Settings) -> None:
    async with AsyncExitStack() as closing:
        storage, queue = S3Storage(settings.storage), queue_of(settings.queue)
        closing.push_async_callback(storage.close)
        closing.push_async_callback(queue.close)
        tracer = tracer_of(settings.trace, Teller.RECEIVER.value, socket.gethostname())
        closing.push_async_callback(tracer.close)
        exposition = Exposition(Teller.RECEIVER)
        messages = _messages(settings, closing)
        source, leading = await _surroundings(settings, closing)
        service = Service(
            settings, source, storage, queue, clock=time.time, leading=leading, messages=messages,
            watcher=Watcher(exposition, tracer),
        )  # fmt: skip
        await service.start()
        app, place = service.receiver.app(metrics_route(exposition, service.figures)), settings.receiver
        server = server_of(app, host=place.host, port=place.port, grace_seconds=GRACE_SECONDS)
        async with service.background(give_up=lambda: setattr(server, "should_exit", True)):
            await server.serve()


def _messages(settings: Settings, closing: AsyncExitStack) -> SqsQueue | None:
    if settings.sqs is None:
        return None
    queue = SqsQueue(settings.sqs)
    closing.push_async_callback(queue.close)
    return queue


async def _surroundings(settings: Settings, closing: AsyncExitStack) -> tuple[FunctionSource, Leading]:
    """Who knows the functions, and whether this process is the one that lists."""
    if settings.kubernetes is None:
        return FolderSource(Path(settings.functions_directory)), lambda: True
    return await _on_kubernetes(settings.kubernetes, closing)


async def _on_kubernetes(
    place: KubernetesSettings, closing: AsyncExitStack
) -> tuple[FunctionSource, Leading]:
    kube = LightKube.of(place)
    closing.push_async_callback(kube.close)
    functions = await closing.enter_async_context(mirror_of(kube, FUNCTIONS, place.namespaces))
    seat = Seat.own(place.platform_namespace, LISTING_LEASE)
    leadership = Leadership(lambda: LightKube.of(place), seat)
    leadership.start()
    closing.push_async_callback(leadership.stop)
    return ObjectSource(functions, place), leadership.leading


def main(settings: Annotated[Path, typer.Option(help="the settings document")]) -> None:
    """Receive notifications and put tasks."""
    run_service("events", settings, _serve)


if __name__ == "__main__":
    typer.run(main)
