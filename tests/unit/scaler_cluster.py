"""A cluster in memory for the scaler on Kubernetes, with what controller and kubelets do to it."""

from typing import Any

from headrace.kube.kinds import CONFIG_MAPS, FUNCTIONS, NODE_POOLS, NODES, PODS, Kind
from headrace.kube.memory import MemoryKube
from headrace.kube.port import Manifest, Selection
from headrace.manifests.worker_pod import worker_pod
from headrace.model import labels
from headrace.model.function import Function, digest_of
from headrace.model.observation import Standing
from headrace.model.settings import KubernetesSettings, SidecarSettings
from headrace.queue.memory import MemoryQueue
from headrace.scaler.kubernetes.pods import worker_pod_of
from tests.fixtures.clock import VirtualClock

SPACE, PLATFORM = "headrace-functions", "headrace"
PLACE = KubernetesSettings(
    namespace=SPACE, platform_namespace=PLATFORM, sidecar=SidecarSettings(image="localhost/headrace:1")
)
WORKERS = Selection(SPACE, {labels.COMPONENT: "worker"})


def function_object(name: str = "echo", **spec: Any) -> dict[str, Any]:
    """A Function object whose worker takes a core with its supervisor."""
    told = {
        "image": "localhost/echo:1",
        "run": {"handler": "echo:run"},
        "input": [{"bucket": "uploads"}],
        "resources": {"cpu": "900m", "memory": "256Mi", "ephemeralStorage": "64Mi"},
        "scale": {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": 4},
    }
    metadata = {"name": name, "namespace": SPACE}
    return {
        "apiVersion": FUNCTIONS.api_version,
        "kind": "Function",
        "metadata": metadata,
        "spec": told | spec,
    }


def pool_object(name: str = "sim", *, nodes: int = 2, driver: str = "kwok", cpu: str = "2") -> dict[str, Any]:
    """A pool of nodes with two cores."""
    spec = {"driver": driver, "capacity": {"cpu": cpu, "memory": "8Gi"}, "bootSeconds": 1, "maxNodes": nodes}
    return {
        "apiVersion": NODE_POOLS.api_version,
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": spec | ({"eks": {"nodeGroup": name}} if driver == "eks" else {}),
    }


def the_function(manifest: dict[str, Any]) -> Function:
    """The model of such an object."""
    return Function.model_validate(manifest, strict=False)


class Cluster:
    """An API server, a queue and a clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.kube = MemoryKube(now=self.clock.now)
        self.queue = MemoryQueue(now=self.clock.now)

    async def deploy(self, manifest: dict[str, Any], *, ready: bool = True) -> Function:
        """Apply a function and, as the controller does, say that its workers have what they need."""
        await self.kube.apply(FUNCTIONS, manifest, manager="kubectl")
        function = the_function(manifest)
        if ready:
            told = {"metadata": manifest["metadata"], "status": {"digest": digest_of(function, {})}}
            await self.kube.apply_status(FUNCTIONS, told, manager="headrace-controller")
        return function

    async def add_node(self, name: str, *, cpu: str = "2", pool: str = "sim") -> None:
        """A node that is ready."""
        status = {
            "allocatable": {"cpu": cpu, "memory": "8Gi", "ephemeral-storage": "20Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        metadata = {"name": name, "labels": {labels.POOL: pool}}
        await self.kube.create(NODES, {"metadata": metadata, "status": status})

    async def add_worker(
        self, function: Function, ordinal: int, node: str, *, running: bool = True, digest: str = ""
    ) -> str:
        """A worker's pod that is bound; its name."""
        made = worker_pod(
            function,
            digest or digest_of(function, {}),
            ordinal=ordinal,
            node=node,
            settings=PLACE,
            pool="sim",
        )
        name: str = (await self.kube.create(PODS, made))["metadata"]["name"]
        self.kube.bind(name, node, namespace=SPACE)
        if running:
            await self.tell_status(name, phase="Running")
        return name

    async def tell_status(self, pod: str, **status: Any) -> None:
        """What a kubelet says of a pod."""
        told = {"metadata": {"name": pod, "namespace": SPACE}, "status": status}
        await self.kube.apply_status(PODS, told, manager="kubelet")

    async def stand(self, function: str, worker: str, held: int) -> None:
        """What a worker tells."""
        await self.queue.tell(Standing(function=function, worker=worker, held=held, since=self.clock.now()))

    async def pods(self) -> list[Manifest]:
        return list((await self.kube.list(PODS, WORKERS)).items)

    async def places(self) -> list[tuple[str, str]]:
        """Name and node of each worker that was not told to end, whether it is bound or is to be."""
        found = [worker_pod_of(pod) for pod in await self.pods()]
        return [(pod.name, pod.node) for pod in found if pod and not pod.leaving]

    async def leaving(self) -> list[str]:
        found = [worker_pod_of(pod) for pod in await self.pods()]
        return [pod.name for pod in found if pod and pod.leaving]

    async def map(self, name: str) -> Manifest:
        return await self.kube.get(CONFIG_MAPS, name, namespace=PLATFORM)

    def asked(self, verb: str, kind: Kind) -> int:
        return self.kube.requests[verb, kind.plural]
