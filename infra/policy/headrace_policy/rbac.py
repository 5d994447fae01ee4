"""Rights on a cluster that know no bounds."""

from collections.abc import Iterator

from .kubernetes import Manifest, manifests
from .values import Fault, Resource, Rule, Surroundings

_PARTS = ("verbs", "apiGroups", "resources")
# Each leads to all others. https://kubernetes.io/docs/concepts/security/rbac-good-practices/
_BOUNDLESS_VERBS = frozenset({"escalate", "bind", "impersonate"})
_BOUNDLESS_ROLES = frozenset({"cluster-admin"})
_EVERYBODY = frozenset(
    {
        "system:anonymous",
        "system:unauthenticated",
        "system:authenticated",
        "system:serviceaccounts",
        "system:masters",
    }
)


def _boundless(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for manifest in manifests(resource):
        if manifest.kind in ("Role", "ClusterRole"):
            yield from _roles(manifest)
        elif manifest.kind in ("RoleBinding", "ClusterRoleBinding"):
            yield from _bindings(manifest)


def _roles(manifest: Manifest) -> Iterator[Fault]:
    for number, rule in enumerate(manifest.body.at("rules").entries(), 1):
        where = f"rule {number}"
        for part in _PARTS:
            wide = sorted(each for each in rule.at(part).texts() if "*" in each)
            if wide:
                remedy = f"name the {part} that are needed"
                yield Fault(where, f"{part}: {', '.join(wide)}", "names without *", remedy)
        if "*" in rule.at("nonResourceURLs").texts():
            yield Fault(where, "nonResourceURLs: *", "paths", "name the paths that are needed")
        verbs = sorted(rule.at("verbs").texts() & _BOUNDLESS_VERBS)
        if verbs:
            remedy = "take them out: who has them gives itself any right"
            yield Fault(where, f"verbs: {', '.join(verbs)}", "verbs that do not lead to others", remedy)


def _bindings(manifest: Manifest) -> Iterator[Fault]:
    role = manifest.body.at("roleRef", "name").text
    if role in _BOUNDLESS_ROLES:
        yield Fault("roleRef", role, "a role with the rights that are needed", "write such a role")
    for subject in manifest.body.at("subjects").entries():
        name = subject.at("name").text
        if name in _EVERYBODY and subject.at("kind").text in ("User", "Group"):
            yield Fault("subjects", name, "accounts and groups of somebody", "name who needs the role")


RIGHTS = Rule(
    "rbac-wildcard",
    "Rights on the cluster are named one by one",
    "roles and their bindings",
    "`*` in `verbs`, `apiGroups`, `resources` or alone in `nonResourceURLs`; the verbs `escalate`, `bind` "
    "and `impersonate`; a binding of `cluster-admin`, or for everybody (`system:authenticated` and the like)",
    each=_boundless,
)
