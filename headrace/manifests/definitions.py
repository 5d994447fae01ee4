"""The CustomResourceDefinitions of Headrace's objects, generated from the models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.manifests.rules import RULES
from headrace.manifests.structural import structural
from headrace.model.bucket import Bucket
from headrace.model.function import Function
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import GROUP, HEADRACE, PART_OF, VERSION
from headrace.model.pool import NodePool
from headrace.model.status import BucketStatus, FunctionStatus, GpuServerStatus, NodePoolStatus
from headrace.model.value import Value

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """What `kubectl get` prints beside the name; `wide`: with -o wide only."""

    name: str
    path: str
    type: str = "integer"
    wide: bool = False

    def manifest(self) -> dict[str, Any]:
        priority = {"priority": 1} if self.wide else {}
        return {"name": self.name, "type": self.type, "jsonPath": self.path, **priority}


@dataclass(frozen=True, slots=True)
class Definition:
    """One kind. `required` are fields of the spec that an object must have though a file need not."""

    model: type[Value]
    status: type[Value]
    plural: str
    columns: tuple[Column, ...]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    required: tuple[str, ...] = field(default=())

    @property
    def kind(self) -> str:
        return self.model.__name__


_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "string")
_MESSAGE = Column("Message", '.status.conditions[?(@.type=="Ready")].message', "string", wide=True)
_AGE = Column("Age", ".metadata.creationTimestamp", "date")

DEFINITIONS = (
    Definition(
        Function,
        FunctionStatus,
        "functions",
        (
            Column("Waiting", ".status.waiting"),
            Column("Running", ".status.running"),
            Column("Done", ".status.done"),
            Column("Failed", ".status.failed"),
            Column("Workers", ".status.workers"),
            Column("Oldest wait", ".status.oldestWaitSeconds"),
            _READY,
            _AGE,
            _MESSAGE,
        ),
        short_names=("fn",),
        required=("image",),
    ),
    Definition(
        Bucket,
        BucketStatus,
        "buckets",
        (
            Column("Real name", ".spec.name", "string"),
            Column("Objects", ".status.objects"),
            Column("Deletable", ".status.deletable", "boolean"),
            _READY,
            _AGE,
            Column("Message", ".status.message", "string", wide=True),
        ),
    ),
    Definition(
        NodePool,
        NodePoolStatus,
        "nodepools",
        (
            Column("Driver", ".spec.driver", "string"),
            Column("Nodes", ".status.nodes"),
            Column("Nodes ready", ".status.ready"),
            Column("Min", ".spec.minNodes"),
            Column("Max", ".spec.maxNodes"),
            _READY,
            _AGE,
            _MESSAGE,
        ),
        namespaced=False,
    ),
    Definition(
        GpuServer,
        GpuServerStatus,
        "gpuservers",
        (
            Column("Address", ".spec.address", "string"),
            Column("Backend", ".spec.backend", "string"),
            Column("Pool", ".spec.pool", "string"),
            Column("Sessions", ".spec.maxSessions"),
            _READY,
            _AGE,
        ),
        namespaced=False,
    ),
)


def definitions() -> tuple[Manifest, ...]:
    """One CustomResourceDefinition a kind."""
    return tuple(_definition(each) for each in DEFINITIONS)


def object_schema(definition: Definition) -> dict[str, Any]:
    """The schema by which the API server judges an object, its status included."""
    whole = structural(definition.model.model_json_schema(by_alias=True), RULES)
    spec = whole["properties"]["spec"]
    if definition.required:
        spec["required"] = [*spec.get("required", ()), *definition.required]
    name = whole["properties"]["metadata"]["properties"]["name"]
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {"name": _without_words(name)}},
        "spec": spec,
        "status": _status_schema(definition.status),
    }
    required = [each for each in whole["required"] if each == "spec"]
    demanded = {"required": required} if required else {}
    return {"type": "object", "description": whole["description"], "properties": properties, **demanded}


def _definition(definition: Definition) -> Manifest:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": object_schema(definition)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.manifest() for column in definition.columns],
    }
    names = {
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.kind.lower(),
        "shortNames": list(definition.short_names),
        "categories": [HEADRACE],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}", "labels": {PART_OF: HEADRACE}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "names": {key: each for key, each in names.items() if each},
            "versions": [version],
        },
    }


def _status_schema(model: type[Value]) -> dict[str, Any]:
    schema = structural(model.model_json_schema(by_alias=True), {})
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    schema["properties"]["conditions"] |= keyed
    return schema


def _without_words(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Of metadata.name the server takes bounds and nothing else."""
    return {key: schema[key] for key in ("type", "pattern", "minLength", "maxLength") if key in schema}
