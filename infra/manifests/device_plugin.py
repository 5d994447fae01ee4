"""NVIDIA's device plugin, where the stack installs it: on the nodes of pools with GPUs, and MPS' daemon.

As NVIDIA's chart has them: https://github.com/NVIDIA/k8s-device-plugin/tree/main/deployments/helm
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.model.labels import DEVICE_PLUGIN_CONFIG, POOL
from infra import names
from infra.aws.node_templates import MPS_LABEL
from infra.gpu_settings import DevicePlugin
from infra.manifests.gpus import CDI, DEFAULT
from infra.manifests.parts import Amounts, Manifest, daemon_set, node_pod

COMPONENT, MPS_COMPONENT = names.DEVICE_PLUGIN, "mps"
AMOUNTS = Amounts(cpu="10m", memory="64Mi", most_memory="256Mi")
CONFIGURATION = "/config/config.yaml"
SOCKETS, MPS_ROOT = "/var/lib/kubelet/device-plugins", "/run/nvidia/mps"
Folders = Mapping[str, tuple[str, str]]  # of the node: path and type
_MPS_FOLDERS: Folders = {"mps-root": (MPS_ROOT, "DirectoryOrCreate"), "mps-shm": (f"{MPS_ROOT}/shm", "")}
_MPS_MOUNTS = (
    {"name": "mps-root", "mountPath": "/mps"},
    {"name": "mps-shm", "mountPath": "/dev/shm"},  # noqa: S108  (of the node, and MPS' own)
)
_HANG_UP = "1"  # SIGHUP, by which both programs read their configuration again


@dataclass(frozen=True, slots=True)
class Plugin:
    """Which image, where it is, on the nodes of which pools; `mps`: whether some share GPUs by MPS."""

    image: str
    where: DevicePlugin
    pools: Sequence[str]
    mps: bool = False
    pull: Sequence[str] = ()


def plugin(told: Plugin) -> Manifest:
    """A pod on each node with GPUs."""
    main = {
        **_container(told, "plugin", ["nvidia-device-plugin"]),
        "env": [
            *_settings({"CONFIG_FILE": CONFIGURATION, "MPS_ROOT": MPS_ROOT}),
            *_settings({"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}),
        ],
        "volumeMounts": [
            *_configured(),
            {"name": "sockets", "mountPath": SOCKETS},
            {"name": "cdi", "mountPath": CDI},
            *(_MPS_MOUNTS if told.mps else ()),
        ],
    }
    own = {"sockets": (SOCKETS, "Directory"), "cdi": (CDI, "DirectoryOrCreate")}
    folders = {**own, **(_MPS_FOLDERS if told.mps else {})}
    pod = _pod(told, [_manager(told)], [_manager(told, "nvidia-device-plugin"), main], folders)
    return daemon_set(names.own(COMPONENT), told.where.namespace, COMPONENT, pod=pod)


def mps_daemon(told: Plugin) -> Manifest:
    """A pod on each node whose GPUs are shared by MPS; it starts NVIDIA's own daemon there."""
    root = _MPS_MOUNTS[0]
    mount = {
        **_container(told, "mount", ["mps-control-daemon", "mount-shm"]),
        "securityContext": {"privileged": True},  # it mounts on the node
        "volumeMounts": [{**root, "mountPropagation": "Bidirectional"}],
    }
    main = {
        **_container(told, "daemon", ["mps-control-daemon"]),
        "env": [
            _node_name(),
            *_settings({"CONFIG_FILE": CONFIGURATION}),
            *_settings({"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}),
        ],
        "securityContext": {"privileged": True},  # it sets the GPUs' compute mode
        "volumeMounts": [*_configured(), *_MPS_MOUNTS],
    }
    containers = [_manager(told, "/usr/bin/mps-control-daemon"), main]
    pod = {**_pod(told, [mount, _manager(told)], containers, _MPS_FOLDERS), "nodeSelector": dict(MPS_LABEL)}
    return daemon_set(names.own(MPS_COMPONENT), told.where.namespace, MPS_COMPONENT, pod=pod)


def _pod(told: Plugin, first: list[Manifest], then: list[Manifest], folders: Folders) -> Manifest:
    on_pools = {"key": POOL, "operator": "In", "values": list(told.pools)}
    required = {"nodeSelectorTerms": [{"matchExpressions": [on_pools]}]}
    volumes = [
        {"name": "available", "configMap": {"name": told.where.config_map}},
        {"name": "config", "emptyDir": {"sizeLimit": "1Mi"}},
        *(_folder(name, path, kind) for name, (path, kind) in folders.items()),
    ]
    return {
        **node_pod(COMPONENT, then, volumes, pull=told.pull),
        "shareProcessNamespace": True,  # the manager tells the other program that its configuration changed
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
        "initContainers": first,
    }


def _manager(told: Plugin, program: str = "") -> Manifest:
    """It picks the part that the node's label names: once, or again and again with a signal to a program."""
    stays = bool(program)
    return {
        **_container(told, "follow-label" if stays else "read-label", ["config-manager"]),
        "env": [
            _node_name(),
            *_settings(
                {
                    "ONESHOT": "false" if stays else "true",
                    "KUBECONFIG": "",
                    "NODE_LABEL": DEVICE_PLUGIN_CONFIG,
                    "CONFIG_FILE_SRCDIR": "/available-configs",
                    "CONFIG_FILE_DST": CONFIGURATION,
                    "DEFAULT_CONFIG": DEFAULT,
                    "FALLBACK_STRATEGIES": "named,single",
                    "SEND_SIGNAL": "true" if stays else "false",
                    "SIGNAL": _HANG_UP if stays else "",
                    "PROCESS_TO_SIGNAL": program,
                }
            ),
        ],
        "volumeMounts": _configured(),
    }


def _container(told: Plugin, name: str, command: list[str]) -> Manifest:
    return {
        "name": name,
        "image": told.image,
        "command": command,
        "resources": AMOUNTS.manifest,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _configured() -> list[Manifest]:
    return [
        {"name": "available", "mountPath": "/available-configs"},
        {"name": "config", "mountPath": "/config"},
    ]


def _settings(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _node_name() -> dict[str, Any]:
    return {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}


def _folder(name: str, path: str, kind: str) -> Manifest:
    return {"name": name, "hostPath": {"path": path, **({"type": kind} if kind else {})}}
