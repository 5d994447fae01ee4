"""What a program declared -> objects of Kubernetes as a repository keeps them, and its secrets apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.model.errors import ConfigurationError, FatalError
from infra.gitops.recording import Declared, Secret, revealed
from infra.gitops.stand_ins import shown
from infra.objects import Manifest

OBJECTS, PULUMI_NOTES = "kubernetes:", "pulumi.com/"
# What has no object of its own: components, what is made while a program runs, and the providers.
WITHOUT_OBJECT = ("headrace:", "pulumi-python:dynamic/headrace:", "pulumi:providers:")
# Stages of a sync, each begun once the one before is in place: Argo CD reads the annotation, with Flux one
# folder depends on the other.
GROUND, PLATFORM = "ground", "platform"
GROUND_KINDS = (
    "CustomResourceDefinition",
    "Namespace",
    "PriorityClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
WAVE = "argocd.argoproj.io/sync-wave"
FIRST = {WAVE: "-1"}
# Neither is deleted when it is no longer in the repository, nor with the Application or Kustomization.
# https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/
# https://fluxcd.io/flux/components/kustomize/kustomizations/#prune
KEPT = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
NOTES = frozenset({WAVE, *KEPT})  # what is in files and not in what `pulumi up` declares


@dataclass(frozen=True, slots=True)
class Collected:
    """Objects without secrets, and Secret objects; both in an order that is always the same."""

    objects: Sequence[Manifest]
    secrets: Sequence[Manifest]


def collected(found: Mapping[str, Declared], stack: str) -> Collected:
    """Sort what was declared.

    Raises ConfigurationError for resources that are no objects of Kubernetes, FatalError where a secret would
    be in an object that is no Secret.
    """
    _refuse_others(found, stack)
    declared = [each for _, each in sorted(found.items()) if each.type.startswith(OBJECTS)]
    objects = [_noted(each) for each in declared if each.inputs["kind"] != "Secret"]
    secrets = [_revealed(each.inputs) for each in declared if each.inputs["kind"] == "Secret"]
    for each in objects:
        _refuse_shown(each)
    return Collected(objects, secrets)


def stage_of(manifest: Manifest) -> str:
    """When it is to be there: what the rest stands on comes first."""
    return GROUND if manifest["kind"] in GROUND_KINDS else PLATFORM


def told(manifest: Manifest) -> str:
    """An object in a message: Secret headrace/nats-tls."""
    metadata = manifest["metadata"]
    place = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
    return f"{manifest['kind']} {place}"


def _refuse_others(found: Mapping[str, Declared], stack: str) -> None:
    others = sorted(
        f"{name} ({each.type})"
        for name, each in found.items()
        if not each.type.startswith((OBJECTS, *WITHOUT_OBJECT))
    )
    if others:
        raise ConfigurationError(
            f"stack {stack}: found {', '.join(others)}, allowed objects of Kubernetes only, as others have "
            "no files; deploy this stack by `pulumi up` or by the Pulumi Kubernetes Operator"
        )


def _refuse_shown(manifest: Manifest) -> None:
    places = [*_marked(manifest), *shown(manifest)]
    if places:
        raise FatalError(
            f"{told(manifest)}: a secret would be shown at {', '.join(places)}; nothing was written. This is "
            "a fault of infra/: secrets belong into Secret objects, or as marks into annotations"
        )


def _marked(value: object, place: str = "") -> Iterator[str]:
    """Where an input is marked as a secret."""
    if isinstance(value, Secret):
        yield place
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _marked(each, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _marked(each, f"{place}[{number}]")


def _noted(declared: Declared) -> Manifest:
    """The object without what tells Pulumi to wait, with what tells a sync when it comes and what stays."""
    manifest = declared.inputs
    metadata = manifest["metadata"]
    own = {k: v for k, v in metadata.get("annotations", {}).items() if not k.startswith(PULUMI_NOTES)}
    notes = {
        **own,
        **(FIRST if _is_early(manifest) else {}),
        **(KEPT if declared.is_protected else {}),
    }
    bare = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**manifest, "metadata": {**bare, **({"annotations": notes} if notes else {})}}


def _is_early(manifest: Manifest) -> bool:
    return stage_of(manifest) == GROUND


def _revealed(inputs: Mapping[str, Any]) -> Manifest:
    return {key: revealed(value) for key, value in inputs.items()}
