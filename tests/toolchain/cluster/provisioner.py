"""Makes a folder for every claim of the class `local`, and removes it when the claim is gone.

A small provisioner for tests: no size is enforced. rancher's local-path-provisioner would start a pod for
each folder and take another image.
"""

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx  # lightkube's own client: its errors come through
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.models.core_v1 import (
    LocalVolumeSource,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    ObjectReference,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from tests.toolchain.cluster.addons import PROVISIONER

# https://kubernetes.io/docs/reference/labels-annotations-taints/
ASKED = "volume.kubernetes.io/storage-provisioner"
CHOSEN_NODE = "volume.kubernetes.io/selected-node"
MADE_BY = "pv.kubernetes.io/provisioned-by"
AGAIN_SECONDS = 1.0


def is_waiting(claim: PersistentVolumeClaim) -> bool:
    """For us, and its pod has a node."""
    notes = claim.metadata.annotations or {}
    return notes.get(ASKED) == PROVISIONER and CHOSEN_NODE in notes and not claim.spec.volumeName


def is_released(volume: PersistentVolume) -> bool:
    """One of ours whose claim is gone, to be deleted."""
    ours = (volume.metadata.annotations or {}).get(MADE_BY) == PROVISIONER
    return ours and volume.status is not None and volume.status.phase == "Released"


def volume_of(claim: PersistentVolumeClaim, volumes: Path) -> PersistentVolume:
    """Bound to the claim beforehand; its name follows from the claim: made twice it is the same."""
    name = f"pvc-{claim.metadata.uid}"
    node = NodeSelectorRequirement("kubernetes.io/hostname", "In", [claim.metadata.annotations[CHOSEN_NODE]])
    return PersistentVolume(
        metadata=ObjectMeta(name=name, annotations={MADE_BY: PROVISIONER}),
        spec=PersistentVolumeSpec(
            accessModes=claim.spec.accessModes,
            capacity=claim.spec.resources.requests,
            claimRef=ObjectReference(
                apiVersion="v1",
                kind="PersistentVolumeClaim",
                namespace=claim.metadata.namespace,
                name=claim.metadata.name,
                uid=claim.metadata.uid,
            ),
            local=LocalVolumeSource(path=str(volumes / name)),
            nodeAffinity=VolumeNodeAffinity(NodeSelector([NodeSelectorTerm(matchExpressions=[node])])),
            persistentVolumeReclaimPolicy="Delete",
            storageClassName=claim.spec.storageClassName,
        ),
    )


@dataclass(frozen=True)
class Provisioner:
    """Acts on the whole state whenever something of it changes."""

    client: Client
    volumes: Path

    def act(self) -> None:
        for claim in filter(is_waiting, self.client.list(PersistentVolumeClaim, namespace="*")):
            self._make(volume_of(claim, self.volumes))
        for volume in filter(is_released, self.client.list(PersistentVolume)):
            shutil.rmtree(self.volumes / volume.metadata.name, ignore_errors=True)
            self.client.delete(PersistentVolume, volume.metadata.name)

    def _make(self, volume: PersistentVolume) -> None:
        folder = Path(volume.spec.local.path)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # pods run as whatever user they name
        try:
            self.client.create(volume)
        except ApiError as refused:
            if refused.status.reason != "AlreadyExists":
                raise

    def watch(self, kind: type, changed: threading.Event) -> None:
        """Until the process ends; while the API server is away it is asked again and again."""
        options = {"namespace": "*"} if kind is PersistentVolumeClaim else {}
        while True:
            with suppress(httpx.HTTPError):
                for _ in self.client.watch(kind, **options):
                    changed.set()
            time.sleep(AGAIN_SECONDS)

    def serve(self, changed: threading.Event) -> None:
        """Until the process ends."""
        while changed.wait():
            changed.clear()
            try:
                self.act()
            except httpx.HTTPError as fault:
                sys.stderr.write(f"{fault}; again in {AGAIN_SECONDS:g} s\n")
                time.sleep(AGAIN_SECONDS)
                changed.set()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="provisioner", description="Folders for claims of class `local`.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--volumes", type=Path, required=True)
    asked = parser.parse_args(arguments)
    client = Client(KubeConfig.from_file(asked.kubeconfig), field_manager="local-folders", trust_env=False)
    provisioner, changed = Provisioner(client, asked.volumes), threading.Event()
    for kind in (PersistentVolumeClaim, PersistentVolume):
        threading.Thread(target=provisioner.watch, args=(kind, changed), daemon=True).start()
    provisioner.serve(changed)


if __name__ == "__main__":
    main(sys.argv[1:])
