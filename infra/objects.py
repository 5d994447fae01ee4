"""Plain documents -> resources of Pulumi's Kubernetes provider, each with an explicit provider and parent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes import (
    admissionregistration,
    apiextensions,
    apps,
    core,
    networking,
    policy,
    rbac,
    resource,
    scheduling,
    storage,
)

Manifest = Mapping[str, Any]
# https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/#awaiting-resource-readiness
SKIP_AWAIT, WAIT_FOR = "pulumi.com/skipAwait", "pulumi.com/waitFor"
READY = "condition=Ready"
AWAITED = ("Deployment", "StatefulSet", "Service")
CONDITIONED = ("Function", "Bucket")  # the controller tells when they are ready

_KINDS: Mapping[str, type[pulumi.CustomResource]] = {
    "ClusterRole": rbac.v1.ClusterRole,
    "ClusterRoleBinding": rbac.v1.ClusterRoleBinding,
    "ConfigMap": core.v1.ConfigMap,
    "CustomResourceDefinition": apiextensions.v1.CustomResourceDefinition,
    "DaemonSet": apps.v1.DaemonSet,
    "Deployment": apps.v1.Deployment,
    "DeviceClass": resource.v1.DeviceClass,
    "Namespace": core.v1.Namespace,
    "NetworkPolicy": networking.v1.NetworkPolicy,
    "PersistentVolumeClaim": core.v1.PersistentVolumeClaim,
    "PodDisruptionBudget": policy.v1.PodDisruptionBudget,
    "PriorityClass": scheduling.v1.PriorityClass,
    "Role": rbac.v1.Role,
    "RoleBinding": rbac.v1.RoleBinding,
    "Secret": core.v1.Secret,
    "Service": core.v1.Service,
    "ServiceAccount": core.v1.ServiceAccount,
    "StatefulSet": apps.v1.StatefulSet,
    "StorageClass": storage.v1.StorageClass,
    "ValidatingAdmissionPolicy": admissionregistration.v1.ValidatingAdmissionPolicy,
    "ValidatingAdmissionPolicyBinding": admissionregistration.v1.ValidatingAdmissionPolicyBinding,
}
_IDENTITY = ("apiVersion", "kind")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where objects are declared: the cluster's provider, the component that they belong to.

    `wait`: whether `pulumi up` waits until they are ready. `after`: what must be there first. `protect`:
    whether Pulumi refuses to delete or replace what holds data.
    """

    provider: kubernetes.Provider
    wait: bool
    parent: pulumi.Resource | None = None
    after: Sequence[pulumi.Resource] = ()
    protect: bool = False

    def under(self, parent: pulumi.Resource, *after: pulumi.Resource) -> "Ground":
        """The same for a component's children."""
        return replace(self, parent=parent, after=tuple(after))

    def options(
        self, *, ignore_changes: Sequence[str] = (), holds_data: bool = False
    ) -> pulumi.ResourceOptions:
        """The options of one resource of the provider."""
        return pulumi.ResourceOptions(
            parent=self.parent,
            provider=self.provider,
            depends_on=list(self.after),
            ignore_changes=list(ignore_changes) or None,
            protect=self.protect and holds_data,
        )


def declare(
    ground: Ground,
    manifest: Manifest,
    *,
    awaited: bool = True,
    ignore_changes: Sequence[str] = (),
    holds_data: bool = False,
) -> pulumi.CustomResource:
    """Declare one object; its resource is named by its kind, namespace and name.

    `awaited`: whether it is waited for where the ground waits at all. `ignore_changes`: paths in it.
    `holds_data`: whether data would be lost, or could not be reached, without it.
    """
    kind = manifest["kind"]
    fields = {_snake(key): value for key, value in manifest.items() if key not in _IDENTITY}
    fields["metadata"] = _noted(kind, manifest["metadata"], awaited=ground.wait and awaited)
    opts = ground.options(ignore_changes=ignore_changes, holds_data=holds_data)
    found = _KINDS.get(kind)
    if found is None:
        return apiextensions.CustomResource(
            resource_name(manifest), api_version=manifest["apiVersion"], kind=kind, opts=opts, **fields
        )
    return found(resource_name(manifest), opts=opts, **fields)


def _noted(kind: str, metadata: Manifest, *, awaited: bool) -> Manifest:
    notes = {}
    # A claim may wait for its first pod, which Pulumi declares only after it.
    if kind == "PersistentVolumeClaim" or (kind in (*AWAITED, *CONDITIONED) and not awaited):
        notes = {SKIP_AWAIT: "true"}
    elif kind in CONDITIONED:
        notes = {WAIT_FOR: READY}
    return {**metadata, "annotations": {**metadata.get("annotations", {}), **notes}} if notes else metadata


def resource_name(manifest: Manifest) -> str:
    """A namespace that another stack tells is not known here, and is the same for all of the stack."""
    metadata = manifest["metadata"]
    parts = (manifest["kind"].lower(), metadata.get("namespace"), metadata["name"])
    return "/".join(part for part in parts if isinstance(part, str))


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", key).lower()
