"""What a box's API server is given at its start: the rights of the node's programs and the storage class."""

from typing import Any

PROVISIONER = "headrace.dev/local-folders"
_RBAC = "rbac.authorization.k8s.io"


def manifests() -> dict[str, Any]:
    """One List."""
    items = [
        *_rights("headrace-box:names", "system:coredns", NAMES_RULES),
        *_rights("headrace-box:policies", "system:kube-router", POLICIES_RULES),
        *_rights("headrace-box:volumes", "headrace-box:provisioner", VOLUMES_RULES),
        _storage_class(),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


NAMES_RULES = [
    {"apiGroups": [""], "resources": ["namespaces", "pods", "services"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]
_SEEN = ["namespaces", "pods", "services", "nodes", "endpoints"]
POLICIES_RULES = [
    {"apiGroups": [""], "resources": _SEEN, "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]
VOLUMES_RULES = [
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["list", "watch", "create", "delete"]},
]


def _rights(name: str, user: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    meta = {"name": name}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
    return [role, binding]


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "local",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
