"""A cluster's GPUs, read once by a kubeconfig that is named."""

from pathlib import Path

from headrace.kube.lightkube import LightKube
from headrace.model.settings import KubernetesSettings
from headrace.operations.gpus import Objects, read_objects


async def gpu_objects(kubeconfig: Path) -> Objects:
    """As they are now. Raises ConfigurationError, TransientError."""
    place = KubernetesSettings(namespace="", platform_namespace="", kubeconfig=str(kubeconfig.resolve()))
    kube = LightKube.of(place)
    try:
        return await read_objects(kube)
    finally:
        await kube.close()
