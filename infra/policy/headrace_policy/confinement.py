"""Pods that could get out of their confinement: privileges, the host's own things, root.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator

from .kubernetes import Container, Pod, manifests, pods
from .tree import Node
from .values import Fault, Resource, Rule, Surroundings

_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})  # all that the standard `restricted` lets a container add
_SECCOMP = ("RuntimeDefault", "Localhost")
_HOST_SPACES = ("hostNetwork", "hostPID", "hostIPC")


def _privileges(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for pod in pods(resource):
        for container in pod.containers():
            yield from _given(container)
            yield from _kept(pod, container)


def _given(container: Container) -> Iterator[Fault]:
    """What a container was given beyond the standard."""
    where, security = container.where, container.body.at("securityContext")
    if security.at("privileged").is_true:
        yield Fault(where, "privileged: true", "false", "take it out, and give the container what it needs")
    if security.at("windowsOptions", "hostProcess").is_true:
        yield Fault(where, "windowsOptions.hostProcess: true", "false", "take it out")
    added = sorted(security.at("capabilities", "add").texts() - _CAPABILITIES)
    if added:
        allowed = " or ".join(_CAPABILITIES)
        yield Fault(where, f"capabilities.add: {', '.join(added)}", f"none or {allowed}", "take them out")
    if security.at("procMount").denies("Default") and not security.at("procMount").is_absent:
        yield Fault(where, f"procMount: {security.at('procMount').text}", "Default", "take it out")


def _kept(pod: Pod, container: Container) -> Iterator[Fault]:
    """What the standard takes from a container, and this one has kept."""
    where, security = container.where, container.body.at("securityContext")
    escalation = security.at("allowPrivilegeEscalation")
    if escalation.is_not_false and not pod.leaves_alone(escalation):
        yield Fault(
            where,
            f"allowPrivilegeEscalation: {escalation.told}",
            "false",
            "write securityContext.allowPrivilegeEscalation: false",
        )
    dropped = security.at("capabilities", "drop")
    if "ALL" not in dropped.texts() and not pod.leaves_alone(dropped):
        yield Fault(
            where,
            f"capabilities.drop: {', '.join(sorted(dropped.texts())) or 'nothing'}",
            "ALL",
            "write securityContext.capabilities.drop: [ALL]",
        )
    seccomp = _effective(pod, container, "seccompProfile").at("type")
    if seccomp.text not in _SECCOMP and not pod.leaves_alone(seccomp):
        yield Fault(
            where,
            f"seccompProfile: {seccomp.told}",
            " or ".join(_SECCOMP),
            "write securityContext.seccompProfile.type: RuntimeDefault of the pod",
        )


def _host(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for pod in pods(resource):
        for name in _HOST_SPACES:
            if pod.spec.at(name).is_true:
                yield Fault("pod", f"{name}: true", "false", "take it out")
        for volume in pod.spec.at("volumes").entries():
            yield from _folder(f"volume {volume.at('name').text}", volume)
        for container in pod.containers():
            for port in container.body.at("ports").entries():
                opened = port.at("hostPort")
                if not (opened.is_absent or opened.is_unknown or opened.says(0)):
                    found = f"hostPort {opened.told}"
                    yield Fault(container.where, found, "none", "take it out, and use a Service")
    for manifest in manifests(resource):
        if manifest.kind == "PersistentVolume":
            yield from _folder("spec", manifest.body.at("spec"))


def _folder(where: str, volume: Node) -> Iterator[Fault]:
    path = volume.at("hostPath")
    if not (path.is_absent or path.is_unknown):
        told = f"hostPath {path.at('path').text}".rstrip()
        yield Fault(where, told, "volumes that are no folder of a node", "use a claim or an emptyDir")


def _root(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for pod in pods(resource):
        for container in pod.containers():
            yield from _runs_as_root(pod, container)
    for manifest in manifests(resource):
        if manifest.is_function:
            yield from _function_as_root(manifest.body.at("spec", "security"))


def _runs_as_root(pod: Pod, container: Container) -> Iterator[Fault]:
    user = _effective(pod, container, "runAsUser")
    if user.says(0):
        yield Fault(
            container.where, "runAsUser: 0", "another user", "write the number of one that is not root"
        )
        return
    refused = _effective(pod, container, "runAsNonRoot")
    if refused.is_not_true and not pod.leaves_alone(refused):
        yield Fault(
            container.where,
            f"runAsNonRoot: {refused.told}",
            "true",
            "write securityContext.runAsNonRoot: true of the pod, and an image that is not root's",
        )


def _function_as_root(security: Node) -> Iterator[Fault]:
    if security.at("profile").says("baseline") and security.at("runAsUser").is_absent:
        yield Fault(
            "spec.security",
            "profile: baseline without runAsUser, so that the image's own user may be root",
            "profile: restricted, or baseline with a runAsUser",
            "write spec.security.runAsUser",
        )


def _effective(pod: Pod, container: Container, key: str) -> Node:
    """A container's own word goes before its pod's."""
    own = container.body.at("securityContext", key)
    return pod.spec.at("securityContext", key) if own.is_absent else own


PRIVILEGES = Rule(
    "pod-privileges",
    "No container has a privilege by which it gets out of its confinement",
    "pods, in every kind that makes some",
    "`privileged`, `allowPrivilegeEscalation` not false, capabilities added (but `NET_BIND_SERVICE`) or not "
    "all dropped, no seccomp profile, `procMount`, host processes",
    each=_privileges,
)
HOST = Rule(
    "pod-host",
    "No pod uses what is its node's own",
    "pods, persistent volumes",
    "`hostNetwork`, `hostPID`, `hostIPC`, `hostPath`, `hostPort`",
    each=_host,
)
ROOT = Rule(
    "pod-root",
    "No container runs as root",
    "pods, functions",
    "`runAsUser: 0`, `runAsNonRoot` not true; a function of profile `baseline` without `runAsUser`",
    each=_root,
)
