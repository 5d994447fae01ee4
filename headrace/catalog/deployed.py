"""Functions, buckets, pools and GPU servers from their Kubernetes objects, judged as the API server does.

What the server adds to an object is put aside, and a field that is null counts as left out, as it does there.
A function has no folder beside it: it needs an image, and a script its text.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from headrace.catalog.document import Document, Route
from headrace.catalog.explain import explained
from headrace.catalog.fault import Fault
from headrace.manifests.definitions import DEFINITIONS, object_schema
from headrace.model.bucket import Bucket
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.gpu_server import GpuServer
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings
from headrace.model.tenancy import qualified
from headrace.model.value import Value

Manifest = Mapping[str, Any]
Model = TypeVar("Model", bound=Value)

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
_SERVERS_OWN = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


def function_of(manifest: Manifest, place: KubernetesSettings | None = None) -> Function:
    """The function of an object; by its namespace in `place` it is a tenant's or the stack's own.

    Raises ConfigurationError that names every fault.
    """
    function = _parsed(manifest, Function)
    return function.owned_by(tenant_at(manifest, place)) if place is not None else function


def tenant_at(manifest: Manifest, place: KubernetesSettings) -> str:
    """Whose an object is, by its namespace; empty: the stack's own."""
    return place.tenant_in(manifest["metadata"].get("namespace") or place.namespace)


def known_as(manifest: Manifest, place: KubernetesSettings) -> str:
    """The name of a function's object, sound or not, where functions of several tenants meet."""
    return qualified(tenant_at(manifest, place), manifest["metadata"]["name"])


def bucket_of(manifest: Manifest) -> Bucket:
    """The bucket of an object. Raises ConfigurationError that names every fault."""
    return _parsed(manifest, Bucket)


def pool_of(manifest: Manifest) -> NodePool:
    """The pool of an object. Raises ConfigurationError that names every fault."""
    return _parsed(manifest, NodePool)


def gpu_server_of(manifest: Manifest) -> GpuServer:
    """The GPU server of an object. Raises ConfigurationError that names every fault."""
    return _parsed(manifest, GpuServer)


def sound(found: Iterable[Manifest], parse: Callable[[Manifest], Model]) -> Iterator[Model]:
    """What can be parsed; of an object with faults its own status tells."""
    for each in found:
        with suppress(ConfigurationError):
            yield parse(each)


def _parsed(manifest: Manifest, model: type[Model]) -> Model:
    tree = without_servers_own(manifest, model)
    try:
        parsed = model.from_json(json.dumps(tree))
    except ValidationError as error:
        document = Document(tree, {}, (), frozenset())
        schema = model.model_json_schema(by_alias=True)
        raise ConfigurationError(
            "\n".join(_faults(manifest, model, explained(error, schema, document=document)))
        ) from error
    if isinstance(parsed, Function) and (misfits := tuple(_misfits(parsed))):
        raise ConfigurationError("\n".join(_faults(manifest, model, misfits)))
    return parsed


def _faults(manifest: Manifest, model: type[Value], found: Iterable[tuple[Route, str]]) -> Iterator[str]:
    told = _told(manifest, model)
    return (str(Fault(told, None, _spelt(path), message)) for path, message in found)


def without_servers_own(manifest: Manifest, model: type[Value]) -> dict[str, Any]:
    """What a person wrote of an object, as a file would have it."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    own = {key: _said(each) for key, each in metadata.items() if key not in _SERVERS_OWN and each is not None}
    rest = {key: each for key, each in manifest.items() if key != "status"}
    pruned: dict[str, Any] = _pruned(rest, _schema(model))
    return {**pruned, "metadata": own}


@cache
def _schema(model: type[Value]) -> Mapping[str, Any]:
    return object_schema(next(each for each in DEFINITIONS if each.model is model))


def _said(value: object) -> object:
    """Labels or annotations without those that are null, of which the server keeps none."""
    if not isinstance(value, Mapping):
        return value
    return {key: each for key, each in value.items() if each is not None}


def _pruned(value: object, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401  (JSON has no narrower type)
    """A value without the fields that are null; entries of a mapping that a person names stay.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable
    """
    if isinstance(value, Mapping) and "properties" in schema:
        fields = schema["properties"]
        said = {key: each for key, each in value.items() if each is not None or key not in fields}
        return {key: _pruned(each, fields.get(key, {})) for key, each in said.items()}
    if isinstance(value, list) and "items" in schema:
        return [_pruned(each, schema["items"]) for each in value]
    return value


def _misfits(function: Function) -> Iterator[tuple[Route, str]]:
    run = function.spec.run
    if function.spec.image is None:
        yield ("spec", "image"), "is missing; write it: on Kubernetes every function runs in an image"
    if run.script is not None and run.source is None:
        yield (
            ("spec", "run", "source"),
            "is missing; put the script's text there, as there is no folder beside the object",
        )


def _spelt(path: Route) -> str:
    whole = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return whole.removeprefix(".")


def _told(manifest: Manifest, model: type[Value]) -> str:
    """How messages call the object."""
    metadata = manifest.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    place = "/".join(str(named[key]) for key in ("namespace", "name") if named.get(key))
    return f"{model.__name__} {place or 'without a name'}"
