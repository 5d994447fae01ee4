"""Deletions that the API server refuses at once, by what the controller last wrote into the status.

Kubernetes' own controllers are let through, so that a namespace that is deleted can end; what they let go
the finalizers hold back where something would be lost.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.model.bucket import BucketSpec, OnBucketDelete
from headrace.model.function import OnDelete
from headrace.model.labels import GROUP, HEADRACE, PART_OF, VERSION

Manifest = Mapping[str, Any]

_API = "admissionregistration.k8s.io/v1"
_PERSONS = (
    "!(request.userInfo.username.startsWith('system:serviceaccount:kube-system:') "
    "|| request.userInfo.username == 'system:kube-controller-manager')"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A deletion is let through where `holds`; `told` is CEL that says why it is not."""

    name: str
    plural: str
    meant: str  # which objects, in CEL
    holds: str
    told: str


_BUCKETS = Refusal(
    "headrace-bucket-deletion",
    "buckets",
    f"oldObject.?spec.?onDelete.orValue('{BucketSpec().on_delete}') == '{OnBucketDelete.REFUSE}'",
    "oldObject.?status.?deletable.orValue(false) == true",
    "has(oldObject.status) && has(oldObject.status.message) && oldObject.status.message != '' "
    "? string(oldObject.status.message) "
    ": 'bucket ' + oldObject.metadata.name + ': it is not known yet whether it holds data; wait until the "
    "controller has looked, or set spec.onDelete: delete'",
)
_FUNCTIONS = Refusal(
    "headrace-function-deletion",
    "functions",
    f"oldObject.spec.?onDelete.orValue('{OnDelete.KEEP}') == '{OnDelete.REFUSE}'",
    "oldObject.?status.?waiting.orValue(0) + oldObject.?status.?running.orValue(0) == 0",
    "'function ' + oldObject.metadata.name + ': found ' "
    "+ string(oldObject.?status.?waiting.orValue(0)) + ' files waiting and ' "
    "+ string(oldObject.?status.?running.orValue(0)) + ' running, allowed none with onDelete: refuse; wait "
    "until they are worked, or set spec.onDelete to keep or purge'",
)


def admission() -> tuple[Manifest, ...]:
    """The policies and their bindings, all of the cluster's scope."""
    return tuple(made for each in (_BUCKETS, _FUNCTIONS) for made in (_policy(each), _binding(each)))


def _policy(refusal: Refusal) -> Manifest:
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "resources": [refusal.plural],
        "operations": ["DELETE"],
    }
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": refusal.name, "labels": {PART_OF: HEADRACE}},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [
                {"name": "deleted-by-a-person", "expression": _PERSONS},
                {"name": "asked-to-refuse", "expression": refusal.meant},
            ],
            "validations": [
                {"expression": refusal.holds, "messageExpression": refusal.told, "reason": "Forbidden"}
            ],
        },
    }


def _binding(refusal: Refusal) -> Manifest:
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": refusal.name, "labels": {PART_OF: HEADRACE}},
        "spec": {"policyName": refusal.name, "validationActions": ["Deny"]},
    }
