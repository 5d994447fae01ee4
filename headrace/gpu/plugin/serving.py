"""The plugin's two sockets below the kubelet's folder: by one it is found, at the other it is asked.

https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/ and the kubelet's plugin manager.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from headrace.gpu.kubelet import dra_pb2, health_pb2, registration_pb2
from headrace.gpu.plugin.answers import Answers
from headrace.gpu.plugin.health import Health
from headrace.model.errors import ConfigurationError
from headrace.model.labels import GPU_DRIVER

DRA, HEALTH = "v1.DRAPlugin", "v1alpha1.DRAResourceHealth"
GRACE_SECONDS = 5.0  # for calls under way when the plugin ends

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where they are; `kubelet` is its root folder, at the same path for the kubelet and for this process."""

    kubelet: Path

    @property
    def registration(self) -> Path:
        return self.kubelet / "plugins_registry" / f"{GPU_DRIVER}-reg.sock"

    @property
    def plugin(self) -> Path:
        return self.kubelet / "plugins" / GPU_DRIVER / "dra.sock"

    @property
    def missing(self) -> str:
        """What is not there, for people; empty: nothing."""
        gone = [str(path) for path in (self.registration, self.plugin) if not path.is_socket()]
        return f"the kubelet can't reach the plugin: {', '.join(gone)} is gone" if gone else ""


class Registration:
    """Tells the kubelet what this plugin is."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self.fault = "the kubelet has not registered the plugin yet"

    async def info(self, _: registration_pb2.InfoRequest, __: object) -> registration_pb2.PluginInfo:
        """GetInfo."""
        return registration_pb2.PluginInfo(
            type="DRAPlugin",
            name=GPU_DRIVER,
            endpoint=str(self._sockets.plugin),
            supported_versions=[DRA, HEALTH],
        )

    async def status(
        self, told: registration_pb2.RegistrationStatus, _: object
    ) -> registration_pb2.RegistrationStatusResponse:
        """NotifyRegistrationStatus."""
        self.fault = "" if told.plugin_registered else f"the kubelet refuses the plugin: {told.error}"
        log = _log.info if told.plugin_registered else _log.error
        log(self.fault or "registered with the kubelet", extra={"action": "gpu.registered"})
        return registration_pb2.RegistrationStatusResponse()


@asynccontextmanager
async def serving(sockets: Sockets, answers: Answers, health: Health) -> AsyncIterator[Registration]:
    """Answer the kubelet while the block runs. Raises ConfigurationError where a socket can't be had."""
    registration = Registration(sockets)
    async with AsyncExitStack() as closing:
        for path, handlers in (
            (
                sockets.plugin,
                (_dra(answers), _health(health)),
            ),  # the kubelet asks as soon as it finds the other
            (sockets.registration, (_registration(registration),)),
        ):
            await closing.enter_async_context(_server(path, handlers))
        yield registration


@asynccontextmanager
async def _server(path: Path, handlers: tuple[grpc.GenericRpcHandler, ...]) -> AsyncIterator[None]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of a plugin that was killed
        server.add_insecure_port(f"unix:{path}")
        await server.start()
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"the plugin can't listen at {path} ({error}); mount the kubelet's folder there, writable"
        ) from error
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)
        path.unlink(missing_ok=True)


def _dra(answers: Answers) -> grpc.GenericRpcHandler:
    calls = {
        "NodePrepareResources": _unary(answers.prepare, dra_pb2.NodePrepareResourcesRequest),
        "NodeUnprepareResources": _unary(answers.unprepare, dra_pb2.NodeUnprepareResourcesRequest),
    }
    return _handler("k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin", calls)


def _health(health: Health) -> grpc.GenericRpcHandler:
    stream = grpc.unary_stream_rpc_method_handler(
        health.watch,
        request_deserializer=health_pb2.NodeWatchResourcesRequest.FromString,
        response_serializer=health_pb2.NodeWatchResourcesResponse.SerializeToString,
    )
    return _handler("v1alpha1.DRAResourceHealth", {"NodeWatchResources": stream})


def _registration(registration: Registration) -> grpc.GenericRpcHandler:
    calls = {
        "GetInfo": _unary(registration.info, registration_pb2.InfoRequest),
        "NotifyRegistrationStatus": _unary(registration.status, registration_pb2.RegistrationStatus),
    }
    return _handler("pluginregistration.Registration", calls)


def _unary(call: Any, request: Any) -> Any:  # noqa: ANN401  (grpc's handlers are typed for threads, not for asyncio)
    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


def _handler(service: str, calls: Mapping[str, Any]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(service, dict(calls))
