"""The Secret objects of a stack: its program recorded with real secrets, which are kept or made."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.kube.naming import key_of
from headrace.model.labels import GROUP
from infra.gitops import keeping
from infra.gitops.collecting import collected
from infra.gitops.keeping import Keeper, Kept
from infra.gitops.programs import Program
from infra.gitops.recording import declared
from infra.manifests.parts import metadata
from infra.objects import Manifest

FROM = f"{GROUP}/from"  # on a Secret: the project and stack that it was made for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stack needs beside its files.

    `origin`: project and stack. `secrets`: Secret objects with `data`. `credentials`: the one that keeps what
    is made; None where nothing is. `made`: what was made in this run. `namespaces` and `workloads`: as in the
    files. `spaces`: the names of all namespaces in which the stack has something.
    """

    origin: str
    secrets: Sequence[Manifest] = field(repr=False)
    credentials: Manifest | None = field(repr=False)
    made: Sequence[str]
    namespaces: Sequence[Manifest]
    workloads: Sequence[Manifest]
    spaces: frozenset[str]


def wanted(program: Program, kept: Kept, shown: Sequence[Manifest]) -> Wanted:
    """`program`: one that knows all values of its stack; `kept`: what was made before; `shown`: its files."""
    keeper = Keeper(kept)
    name, stack = program.project.name, program.stack
    made = collected(declared(program.run, keeper.answer, project=name, stack=stack), stack)
    origin = f"{name}/{stack}"
    return Wanted(
        origin=origin,
        secrets=[_from(_with_data(each), origin) for each in made.secrets],
        credentials=_from(_credentials(program.namespace, keeper.now), origin) if keeper.now else None,
        made=keeper.made,
        namespaces=[each for each in shown if each["kind"] == "Namespace"],
        workloads=[each for each in shown if "template" in each.get("spec", {})],
        spaces=frozenset(_spaces([*shown, *made.secrets])),
    )


def kept_in(secret: Manifest | None) -> Kept:
    """What such a Secret holds; nothing where there is none. Raises ConfigurationError."""
    if secret is None:
        return {}
    data = secret.get("data", {}).get(keeping.KEY, "")
    return keeping.kept_of(base64.b64decode(data).decode(), f"Secret {keeping.NAME}")


def is_reader(workload: Manifest, namespace: str, name: str) -> bool:
    """Whether the pods of a workload read a Secret."""
    own = workload["metadata"].get("namespace") == namespace
    return own and name in _read(workload["spec"]["template"]["spec"])


def _spaces(objects: Iterable[Manifest]) -> Iterator[str]:
    for each in objects:
        namespace, name = key_of(each)
        if each["kind"] == "Namespace" or namespace:
            yield namespace or name


def _read(spec: object) -> Iterator[str]:
    """The names of Secrets in a pod's specification, but those for registries."""
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            if key == "secretName":
                yield value
            elif key in ("secretRef", "secretKeyRef"):
                yield value["name"]
            else:
                yield from _read(value)
    elif isinstance(spec, list):
        for each in spec:
            yield from _read(each)


def _credentials(namespace: str, now: Kept) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(keeping.NAME, namespace, "credentials"),
        "type": "Opaque",
        "data": _encoded([(keeping.KEY, keeping.text_of(now))]),
    }


def _with_data(secret: Manifest) -> Manifest:
    """With `data`: what is applied as `stringData` leaves entries behind that are no longer wanted.

    https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
    """
    bare = {key: value for key, value in secret.items() if key != "stringData"}
    return {**bare, "data": _encoded(secret.get("stringData", {}).items())}


def _encoded(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in sorted(entries)}


def _from(secret: Manifest, origin: str) -> Manifest:
    noted = {**secret["metadata"], "annotations": {**secret["metadata"].get("annotations", {}), FROM: origin}}
    return {**secret, "metadata": noted}
