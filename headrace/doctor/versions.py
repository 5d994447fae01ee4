"""Versions: this command's, the services', the servers'. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.doctor.cluster import Seen, component_of
from headrace.doctor.finding import Check, Finding, Ground, Severity
from headrace.kube.port import Manifest
from headrace.model.errors import HeadraceError

GROUP = "versions"
OWN = ("receiver", "scaler", "controller", "api", "status")  # services whose image is Headrace's

CLIENT = Check(
    "version-client", GROUP,
    "Which version is this command of?",
    worst=Severity.OK,
)  # fmt: skip
SERVICES = Check(
    "version-services", GROUP,
    "Are all services of one version, and of this command's?",
    "pulumi up  # with the version of Headrace that this command is of",
    worst=Severity.WARNING,
)  # fmt: skip
CHECKS = (CLIENT, SERVICES)


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """`workloads`: the services' objects on a cluster; None: a stack of this machine, of this very code."""

    client: str
    python: str
    workloads: Seen | None = None


def judged(facts: VersionFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of them."""
    return CLIENT.ok(f"headrace {facts.client}, Python {facts.python}"), _services(facts, ground)


def _services(facts: VersionFacts, ground: Ground) -> Finding:
    if facts.workloads is None:
        return SERVICES.skipped("a stack of this machine runs this very version")
    if isinstance(facts.workloads, HeadraceError):
        return SERVICES.skipped(str(facts.workloads))
    images = {component_of(each): image_of(each) for each in facts.workloads if component_of(each) in OWN}
    if not images:
        return SERVICES.skipped("no service is deployed")
    told = ", ".join(f"{name} {image}" for name, image in sorted(images.items()))
    if len(set(images.values())) > 1:
        return SERVICES.warning(ground, f"they differ: {told}")
    tag = tag_of(next(iter(images.values())))
    if tag and tag != facts.client:
        return SERVICES.warning(ground, f"this command is {facts.client}, and they are {tag}: {told}")
    return SERVICES.ok(told)


def image_of(workload: Manifest) -> str:
    """Its first container's."""
    containers = workload.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    return str(containers[0].get("image", ""))


def tag_of(image: str) -> str:
    """The tag of an image's name; empty for one that names none, or a digest alone."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]
