"""GPU servers, the publisher and a node's plugin around a box: real processes, with the rights of a stack."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.gpu.backends.table import backends
from headrace.gpu.publisher.service import Publisher, Rhythm, World
from headrace.gpu.stub.status import ServerStatus
from headrace.kube.lightkube import LightKube
from headrace.local.process import Process
from headrace.manifests.definitions import definitions
from headrace.manifests.gpu_claims import claim_spec, device_class
from headrace.manifests.gpu_slices import Published, published_in
from headrace.model.function import Isolation
from headrace.model.settings import KubernetesSettings
from headrace.placement.ways import GpuClaim
from infra import access, names
from tests.fixtures.accounts import granted
from tests.fixtures.stub_gpu import StubServer, stub_server
from tests.toolchain.cluster import finding
from tests.toolchain.cluster.box import Box
from tests.toolchain.places import CHECKOUT

PATIENCE_SECONDS = 120.0
SPACE = "gpu-tests"
PLUGIN_PORT = 8499  # inside of the box's own network
GIB = 2**30
BRISK = Rhythm(probe=0.5, probe_limit=1.0, lease=2.0, reap=1.0, grace=3.0)


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.2)
    return found


def gpu_server(name: str, server: StubServer, *, gpus: int = 2, memory: str = "16Gi") -> dict[str, Any]:
    spec = {
        "address": server.address, "port": server.port, "backend": "stub", "maxSessions": 16,
        "devices": [{"model": "stub", "memory": memory, "cudaVersion": "12.4"}] * gpus,
    }  # fmt: skip
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "GpuServer",
        "metadata": {"name": name},
        "spec": spec,
    }


def pod(name: str, image: str, code: str, *, gibibytes: int | None, whole: bool = False) -> dict[str, Any]:
    """One that runs Python code with a GPU of a server: by a claim, or `whole` by plain limits."""
    asked = {"limits": {"gpu.headrace.dev/gpu": "1"}} if whole else {"claims": [{"name": "gpu"}]}
    claims = [{"name": "gpu", "resourceClaimTemplateName": template_name(gibibytes)}]
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        **({} if whole else {"resourceClaims": claims}),
        "containers": [
            {"name": "main", "image": image, "command": ["python", "-c", code], "resources": asked}
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": spec,
    }


def template_name(gibibytes: int | None) -> str:
    return f"gpu-{gibibytes or 'whole'}"


def template(gibibytes: int | None) -> dict[str, Any]:
    claim = GpuClaim(1, None if gibibytes is None else gibibytes * GIB, Isolation.MEMORY)
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": template_name(gibibytes), "namespace": SPACE},
        "spec": {"spec": dict(claim_spec(claim))},
    }


@dataclass
class GpuSite:
    """What a test sees and breaks."""

    box: Box
    folder: Path
    publisher: Publisher
    plugin_user: Path  # a kubeconfig
    stack: ExitStack
    servers: dict[str, StubServer] = field(default_factory=dict)
    plugin: Process | None = None

    def serve(self, name: str, port: int = 0) -> None:
        """A server of two GPUs; once more at its port, where it was killed."""
        options = {"address": self.box.host, "gpus": 2, "memory": "16Gi", "sessions": 16, "port": port}
        log = self.folder / f"{name}.log"
        self.servers[name] = self.stack.enter_context(stub_server(log, **options))

    # The plugin

    async def start_plugin(self, *program: str) -> None:
        """In the box's own mounts and network, by the plugin's own account; the kubelet knows it then."""
        before = self._registrations()
        (kubelet,) = finding.children(self.box.place, "kubelet")
        inside = ["nsenter", f"--target={kubelet}", "--mount", "--net", f"--wd={CHECKOUT}"]
        own = ["headrace.gpu.plugin", f"--kubeconfig={self.plugin_user}", f"--port={PLUGIN_PORT}"]
        command = [*inside, sys.executable, "-m", *(program or own)]
        self.plugin = Process.start("plugin", command, log=self.log)
        await until(lambda: self._registered(before), "the plugin's registration")

    @property
    def log(self) -> Path:
        return self.folder / "plugin.log"

    def _registrations(self) -> int:
        return self.log.read_text().count("registered with the kubelet") if self.log.exists() else 0

    async def _registered(self, before: int) -> bool:
        return self._registrations() > before

    async def start_deadly_plugin(self, point: int) -> None:
        """One that dies at a point, once; see gpu_plugin_killed."""
        folders = ("/var/lib/kubelet", "/var/run/cdi", "/var/lib/headrace/gpu")
        where = (*folders, str(self.plugin_user), str(PLUGIN_PORT))
        await self.start_plugin("tests.integration.gpu_plugin_killed", str(point), str(self.mark), *where)

    @property
    def mark(self) -> Path:
        return self.folder / "died"

    def stop_plugin(self) -> None:
        if self.plugin is not None:
            self.plugin.stop(seconds=10.0)
            self.plugin = None

    # What there is

    async def published(self) -> tuple[Published, ...]:
        return published_in((await asyncio.to_thread(self.box.get, "resourceslices"))["items"])

    async def statuses(self) -> Mapping[str, ServerStatus]:
        return {name: await server.status() for name, server in self.servers.items()}

    async def sessions(self) -> list[str]:
        return [each for server in self.servers.values() for each in await server.sessions()]

    async def phases(self) -> dict[str, str]:
        found = (await asyncio.to_thread(self.box.get, "pods", "-n", SPACE))["items"]
        return {each["metadata"]["name"]: each["status"]["phase"] for each in found}

    def create(self, *pods: dict[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(pods)}
        self.box.kubectl("create", "-f", "-", stdin=json.dumps(items))

    async def ended(self, names: Sequence[str]) -> dict[str, str]:
        """The phases of pods, once all have ended."""

        async def over() -> dict[str, str]:
            found = await self.phases()
            done = [found.get(name) in ("Succeeded", "Failed") for name in names]
            return {name: found[name] for name in names} if all(done) else {}

        return await until(over, f"the end of {', '.join(names)}")

    def output(self, name: str) -> str:
        return self.box.kubectl("logs", name, "-n", SPACE)

    async def sweep(self) -> None:
        """No pod, no claim, no session."""
        delete = ("delete", "pods", "--all", "-n", SPACE, "--wait=true", "--timeout=90s")
        await asyncio.to_thread(self.box.kubectl, *delete)

        async def clean() -> bool:
            claims = await asyncio.to_thread(self.box.get, "resourceclaims", "-n", SPACE)
            return not claims["items"] and not await self.sessions()

        await until(clean, "the end of claims and sessions")


def _ground(box: Box) -> None:
    box.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    box.apply(*(dict(each) for each in definitions()), dict(device_class()))


@asynccontextmanager
async def gpu_site(box: Box, folder: Path) -> AsyncIterator[GpuSite]:
    """Two servers, published; the plugin is up."""
    _ground(box)
    box.apply(*(template(each) for each in (None, 4, 6)))
    with ExitStack() as stack:
        own, plugins = (
            stack.enter_context(granted(box, name, rules, platform=SPACE, functions=SPACE))
            for name, rules in (
                (names.PUBLISHER, access.publisher()),
                (names.GPU_PLUGIN, access.gpu_plugin()),
            )
        )
        kube = LightKube.of(KubernetesSettings(namespace="", platform_namespace=SPACE, kubeconfig=str(own)))
        publisher = Publisher(World(kube, backends(), lambda: True, time.time, BRISK))
        publishing = asyncio.create_task(publisher.run())
        found = GpuSite(box, folder, publisher, plugins, stack)
        for name in ("gpu1", "gpu2"):
            found.serve(name)
            box.apply(gpu_server(name, found.servers[name]))
        try:
            await found.start_plugin()
            await until(lambda: _clear(found), "the publication of four GPUs that answer")
            yield found
            await found.sweep()
        finally:
            found.stop_plugin()
            box.kubectl("delete", "gpuservers", "--all")
            await until(lambda: _gone(found), "the end of the slices")
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await kube.close()


async def _clear(site: GpuSite) -> bool:
    return [each.silent for each in await site.published()] == [False] * 4


async def _gone(site: GpuSite) -> bool:
    return not await site.published()
