"""Objects of Kubernetes in a backup: what people wrote of them, without what servers and services add."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.catalog.deployed import bucket_of, sound, without_servers_own
from headrace.kube.kinds import BUCKETS, FUNCTIONS, GPU_SERVERS, NODE_POOLS, Kind
from headrace.kube.port import EVERYTHING, Kube, Manifest, Selection
from headrace.model.bucket import Bucket
from headrace.model.errors import ExistsError
from headrace.model.function import Function
from headrace.model.gpu_server import GpuServer
from headrace.model.labels import GROUP, MANAGED_BY
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings, real_bucket
from headrace.model.tenancy import qualified
from headrace.model.value import Value

# In the order in which they are made: a function's buckets and pools are there before it.
KINDS: tuple[tuple[Kind, type[Value]], ...] = (
    (NODE_POOLS, NodePool),
    (GPU_SERVERS, GpuServer),
    (BUCKETS, Bucket),
    (FUNCTIONS, Function),
)
PULUMI = "pulumi"
# Annotations that tools and services keep their own state in.
_STATE = ("pulumi.com/", "kubectl.kubernetes.io/", f"{GROUP}/")


@dataclass(frozen=True, slots=True)
class Created:
    """Objects by `Kind name`: made now, there already, and those that `pulumi up` makes."""

    created: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    of_pulumi: tuple[str, ...] = ()


async def read_objects(kube: Kube, namespaces: Iterable[str]) -> list[Manifest]:
    """Functions, buckets, node pools and GPU servers. Raises what the port raises."""
    found: list[Manifest] = []
    for kind, model in KINDS:
        places = [Selection(each) for each in sorted(set(namespaces))] if kind.namespaced else [EVERYTHING]
        for place in places:
            items = (await kube.list(kind, place)).items
            found += [_written(item, kind, model) for item in items]
    return found


def _written(manifest: Manifest, kind: Kind, model: type[Value]) -> dict[str, Any]:
    document = without_servers_own(manifest, model)
    metadata = {name: each for name, each in document["metadata"].items() if name != "annotations"}
    own = {
        name: value
        for name, value in document["metadata"].get("annotations", {}).items()
        if not name.startswith(_STATE)
    }
    if own:
        metadata["annotations"] = own
    return {**document, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}


def real_buckets(objects: Iterable[Manifest], place: KubernetesSettings | None = None) -> frozenset[str]:
    """The store's names of the sound Bucket objects among these; a tenant's are called as `place` says."""
    buckets = (each for each in objects if each["kind"] == BUCKETS.name)
    return frozenset(_real_name(bucket, place) for bucket in sound(buckets, bucket_of))


def _real_name(bucket: Bucket, place: KubernetesSettings | None) -> str:
    tenant = _tenant_of(bucket.metadata.namespace or "", place.namespaces[1:] if place else ())
    return real_bucket(bucket.name, tenant, {}, place) if tenant else bucket.real_name


def _tenant_of(namespace: str, tenants: Collection[str]) -> str:
    return namespace if namespace in tenants else ""


async def create_objects(
    kube: Kube, objects: Iterable[Mapping[str, Any]], *, namespace: str, tenants: Collection[str] = ()
) -> Created:
    """Make those that are not there, but for what Pulumi declares; what is there stays as it is.

    `namespace`: of functions and buckets, but for those of `tenants`, which come to their own. Raises what
    the port raises; may be repeated.
    """
    kinds = {kind.name: (number, kind) for number, (kind, _) in enumerate(KINDS)}
    created, there, of_pulumi = [], [], []
    for each in sorted(objects, key=lambda item: kinds[item["kind"]][0]):
        kind = kinds[each["kind"]][1]
        tenant = _tenant_of(each["metadata"].get("namespace", ""), tenants)
        name = f"{kind.name} {qualified(tenant, each['metadata']['name'])}"
        if each["metadata"].get("labels", {}).get(MANAGED_BY) == PULUMI:
            of_pulumi.append(name)
            continue
        place = {"namespace": tenant or namespace} if kind.namespaced else {}
        try:
            await kube.create(kind, {**each, "metadata": {**each["metadata"], **place}})
        except ExistsError:
            there.append(name)
        else:
            created.append(name)
    return Created(tuple(created), tuple(there), tuple(of_pulumi))
