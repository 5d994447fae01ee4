"""What makes GPUs usable: the DRA driver's pods, and how NVIDIA's device plugin shares those of nodes."""

from collections.abc import Mapping
from typing import Any

import yaml

from headrace.model.gpu_sharing import Sharing
from headrace.model.pool import NodePoolSpec
from headrace.model.resources import GPU
from infra import names
from infra.gpu_settings import DevicePlugin, RemoteGpus
from infra.manifests.parts import (
    Amounts,
    Manifest,
    config_map,
    daemon_set,
    deployment,
    node_pod,
    service_container,
    service_pod,
)
from infra.settings import StackSettings

STATE, CDI = "/var/lib/headrace/gpu", "/var/run/cdi"
PUBLISHER_AMOUNTS = Amounts(cpu="20m", memory="96Mi", most_memory="256Mi")
PLUGIN_AMOUNTS = Amounts(cpu="10m", memory="96Mi", most_memory="192Mi")
DEFAULT = "default"  # of the device plugin's configuration, for nodes without the label


def publisher(stack: StackSettings, gpus: RemoteGpus) -> Manifest:
    """It has no settings document: neither queue nor store are its business."""
    component = names.PUBLISHER
    args = ["--namespace", stack.namespace]
    image, module = stack.headrace_image, "headrace.gpu.publisher"
    container = service_container(component, image, module, args=args, amounts=PUBLISHER_AMOUNTS)
    pull, static_pools = stack.image_pull_secrets, stack.static_pools
    pod = service_pod(component, container, static_pools=static_pools, pull=pull)
    return deployment(component, stack.namespace, replicas=gpus.replicas, pod=pod)


def plugin(stack: StackSettings, gpus: RemoteGpus) -> Manifest:
    """A pod on each node: the kubelet's sockets, CDI's folder and its own state are folders of the node."""
    component = names.GPU_PLUGIN
    volumes = [
        {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
        for name, path in _folders(gpus).items()
    ]
    container = _plugin_container(stack, gpus)
    pod = node_pod(component, [container], volumes, pull=stack.image_pull_secrets)
    if gpus.node_selector:
        pod["nodeSelector"] = dict(gpus.node_selector)
    return daemon_set(component, gpus.namespace, component, pod=pod)


def _plugin_container(stack: StackSettings, gpus: RemoteGpus) -> Manifest:
    protocol = ["--rcuda-protocol", gpus.rcuda.protocol] if gpus.rcuda.protocol else []
    clients = ["--rcuda", gpus.rcuda.folder, "--lupine", gpus.lupine, *protocol]
    args = ["--kubelet", gpus.kubelet, "--cdi", CDI, "--state", STATE, *clients]
    image, module = stack.headrace_image, "headrace.gpu.plugin"
    container = service_container(names.GPU_PLUGIN, image, module, args=args, amounts=PLUGIN_AMOUNTS)
    mounts = [{"name": name, "mountPath": path} for name, path in _folders(gpus).items()]
    return {**container, "volumeMounts": mounts}


def _folders(gpus: RemoteGpus) -> Mapping[str, str]:
    """Of the node, at the same paths in the pod: the kubelet is told the path of a socket."""
    return {
        "registry": f"{gpus.kubelet}/plugins_registry",
        "plugins": f"{gpus.kubelet}/plugins",
        "cdi": CDI,
        "state": STATE,
    }


# NVIDIA's device plugin


def device_plugin_config(pools: Mapping[str, NodePoolSpec], plugin: DevicePlugin) -> Manifest:
    """A part for each pool that shares its GPUs, which its nodes follow by their label; one for all others.

    https://github.com/NVIDIA/k8s-device-plugin#shared-access-to-gpus
    """
    shared = {name: each.gpu.sharing for name, each in pools.items() if each.gpu and each.gpu.sharing}
    parts = {DEFAULT: {"version": "v1", "flags": {"migStrategy": "none"}}} | {
        name: _sharing(each) for name, each in sorted(shared.items())
    }
    texts = {name: yaml.safe_dump(part, sort_keys=False) for name, part in parts.items()}
    return config_map(plugin.config_map, plugin.namespace, names.DEVICE_PLUGIN, texts)


def _sharing(sharing: Sharing) -> dict[str, Any]:
    if sharing.mig is not None:
        return {"version": "v1", "flags": {"migStrategy": "mixed"}}
    replicas = {"name": GPU, "replicas": sharing.timeslice or sharing.mps}
    kind = "timeSlicing" if sharing.timeslice is not None else "mps"
    # Of MPS the plugin itself refuses requests for more than one.
    refusing = {"failRequestsGreaterThanOne": True} if kind == "timeSlicing" else {}
    return {
        "version": "v1",
        "flags": {"migStrategy": "none"},
        "sharing": {kind: {"renameByDefault": True, **refusing, "resources": [replicas]}},
    }
