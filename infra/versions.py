"""Which versions a stack runs where its configuration names none. The only place with versions of them.

Tags of images, not digests: a digest is the registry's to tell; `images` in a stack pins them.
"""

from collections.abc import Mapping
from importlib import metadata

NATS = "nats:2.15.1-alpine"
SEAWEEDFS = "chrislusf/seaweedfs:4.48"
DEVICE_PLUGIN = "nvcr.io/nvidia/k8s-device-plugin:v0.19.3"

# AWS. What fits a version of EKS: `aws eks describe-addon-versions --kubernetes-version 1.36`
EKS = "1.36"  # remote GPUs need this one (docs/gpu.md)
VPC_CNI, KUBE_PROXY, POD_IDENTITY = "vpc-cni", "kube-proxy", "eks-pod-identity-agent"
COREDNS, EBS_CSI = "coredns", "aws-ebs-csi-driver"
ADDONS: Mapping[str, str] = {
    VPC_CNI: "v1.22.4-eksbuild.3",
    KUBE_PROXY: "v1.36.0-eksbuild.21",
    POD_IDENTITY: "v1.3.10-eksbuild.3",
    COREDNS: "v1.14.3-eksbuild.16",
    EBS_CSI: "v1.63.1-eksbuild.1",
}
CPU_IMAGE, GPU_IMAGE = "AL2023_x86_64_STANDARD", "AL2023_x86_64_NVIDIA"  # of nodes


def headrace(registry: str) -> str:
    """The services' image as `make images` names it: of this very version of the package."""
    return f"{registry.rstrip('/') or 'localhost'}/headrace:{metadata.version('headrace')}"
