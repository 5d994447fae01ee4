"""What a person configures of GPUs: those of servers, used from elsewhere, and NVIDIA's device plugin."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from headrace.model.gpu_server import GpuServerSpec
from headrace.model.metadata import Name, Namespace
from headrace.model.value import Value
from infra.ranges import Range


class RcudaClient(Value):
    """rCUDA's client tree on the nodes: the operator's own archive, unpacked; Headrace brings none."""

    folder: str = Field(default="/opt/rcuda", pattern=r"^/", description="where it is, with lib/ in it")
    protocol: Literal["TCP", "IB"] | None = Field(
        default=None, description="what versions before 20.07 must be told; none: a later version"
    )


class RemoteGpus(Value):
    """GPUs of servers, published to Kubernetes by Headrace's DRA driver."""

    networks: tuple[Range, ...] = Field(
        min_length=1,
        description="address ranges of the GPU servers, which have no authentication of their own: only "
        "workers with remote GPUs, the publisher and the nodes' plugins may connect there",
    )
    servers: Mapping[Name, GpuServerSpec] = Field(
        default_factory=dict,
        description="servers by name, each the `spec` of a GpuServer, besides those that Ansible writes",
    )
    namespace: Namespace = Field(
        default="headrace-gpu",
        description="of the nodes' plugins: they write to folders of their nodes, which Kubernetes lets only "
        "a namespace without a pod security standard do",
    )
    kubelet: str = Field(default="/var/lib/kubelet", pattern=r"^/", description="the kubelets' root folder")
    node_selector: Mapping[str, str] = Field(
        default_factory=dict, description="labels of the nodes that have a plugin; none: all"
    )
    rcuda: RcudaClient = Field(default=RcudaClient(), description="rCUDA's client on the nodes")
    lupine: str = Field(default="/opt/lupine", pattern=r"^/", description="Lupine's client on the nodes")
    replicas: int = Field(default=2, ge=1, le=5, description="publishers at once, of which one leads")


class DevicePlugin(Value):
    """NVIDIA's device plugin, which the stack does not install but tells how GPUs are shared."""

    namespace: Namespace = Field(description="where it runs, and so where its configuration has to be")
    config_map: str = Field(
        default="headrace-device-plugin",
        min_length=1,
        description="the configuration's name, which the plugin is to be started with (config.name)",
    )
