"""The class of volumes on AWS."""

from infra import names
from infra.manifests.parts import Manifest


def storage_class() -> Manifest:
    """Encrypted disks of EBS; made in the zone of the pod that needs one, kept when its claim goes.

    https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
    """
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": names.VOLUMES, "labels": names.labels("platform")},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3", "encrypted": "true"},
        "reclaimPolicy": "Retain",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
