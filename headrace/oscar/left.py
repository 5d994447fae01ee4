"""The fields of a service that no function says: some are harmless to leave out, some are not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from headrace.oscar.finding import Finding, joined, marked_placeholder, plain, refused, shown, warning
from headrace.oscar.service import Providers, Service
from headrace.oscar.storage import OWN, Site

_WRITTEN = "OSCAR itself writes it"
_OTHERS = "Headrace hands no files to other clusters"
_WORK_HERE = f"{_OTHERS}: its own nodes grow with the files. Remove it to work them all here"
_USERS = (
    "nobody is given rights by it here; the stack's tenants (docs/scaler.md) tell who may use functions, the "
    "store's keys who reads a bucket"
)


@dataclass(frozen=True, slots=True)
class Left:
    """`same`: the values, in small letters, by which a field says what holds anyway."""

    make: Callable[[str, str], Finding]
    message: str
    same: tuple[str, ...] = ("",)


# Fields of one value; a list or mapping says nothing while it is empty.
_SIMPLE: Mapping[str, Left] = {
    "cluster_id": Left(warning, "clusters have no ids here; the stack that you deploy to is meant"),
    "log_level": Left(
        warning,
        "it is for OSCAR's supervisor; what the script prints is always kept (`headrace logs`)",
        ("", "info"),
    ),
    "alpine": Left(warning, "images based on Alpine need no setting; /bin/sh is enough", ("false",)),
    "image_prefetch": Left(warning, "nodes pull an image when its first worker comes to them", ("false",)),
    "file_stage_in": Left(
        warning, "files are downloaded anyway, as the script finds by INPUT_FILE_PATH", ("false",)
    ),
    "vo": Left(warning, _USERS),
    "allowed_users": Left(warning, _USERS),
    "visibility": Left(warning, _USERS, ("", "private")),
    "token": Left(warning, f"{_WRITTEN}; it is not taken, and worth nothing here"),
    "owner": Left(warning, f"{_WRITTEN}; who deploys the function owns it"),
    "namespace": Left(warning, f"{_WRITTEN}; the stack says where functions live"),
    "bucket_list": Left(warning, f"{_WRITTEN}; buckets are those of input and output"),
    "volume_status": Left(warning, _WRITTEN),
    "deployment": Left(warning, _WRITTEN),
    "delegation": Left(warning, f"it is for replicas; {_OTHERS}"),
    "rescheduler_threshold": Left(warning, f"it is for replicas; {_OTHERS}", ("0",)),
    "enable_sgx": Left(
        refused,
        "Headrace asks for no SGX enclaves. Write enable_sgx: false if the image runs without, or keep the "
        "service on OSCAR",
        ("false",),
    ),
    "interlink_node_name": Left(
        refused,
        "a worker needs the queue and a second container beside it, which virtual nodes of interLink don't "
        "give. Remove it to run on the cluster's own nodes, or keep the service on OSCAR",
    ),
    "isolation_level": Left(
        refused,
        "buckets of their own for each user are not made: they would share one. Make each group of users a "
        "tenant of the stack (docs/scaler.md) with an own copy of the function, or write SERVICE",
        ("", "service"),
    ),
}


def _simple(field: str, left: Left) -> Callable[[Service, Site], Iterator[Finding]]:
    def rule(service: Service, _: Site) -> Iterator[Finding]:
        value = getattr(service, field)
        if not value or str(value).lower() in left.same:
            yield plain(field)
            return
        mark = marked_placeholder(value) if isinstance(value, str) and field != "token" else ""
        found = f"found the placeholder {shown(mark)}; " if mark else ""
        yield left.make(field, found + left.message)

    return rule


def _replicas(service: Service, _: Site) -> Iterator[Finding]:
    if not service.replicas:
        yield plain("replicas")
        return
    yield refused("replicas", _WORK_HERE)


def _federation(service: Service, _: Site) -> Iterator[Finding]:
    federation = service.federation
    if federation is None or not federation.model_fields_set:
        yield plain("federation")
    elif federation.members or federation.topology.lower() not in ("", "none"):
        yield refused("federation", _WORK_HERE)
    else:
        yield warning("federation", f"it has no members; {_OTHERS}")


def _expose(service: Service, _: Site) -> Iterator[Finding]:
    if any(service.expose.api_port) or any(service.expose.node_port):
        yield refused(
            "expose",
            "a function has no address to serve an API or a page at. Remove it if the service "
            "works files too; if its server shall be given each file, import it without and write run: "
            "{http: {port, path}} in function.yaml; else run it as a Deployment",
        )
    elif service.expose.model_fields_set - {"api_port", "node_port"}:
        yield warning("expose", "without api_port OSCAR exposes nothing; nor is it here")
    else:
        yield plain("expose")


def _mount(service: Service, _: Site) -> Iterator[Finding]:
    if not service.mount.path.strip(" /") and not service.mount.storage_provider:
        yield plain("mount")
        return
    yield refused(
        "mount",
        "buckets are not mounted into containers. Remove it if the script only reads its input and writes "
        "outputs; a folder that it needs beside them goes into the image, or into a volume (volume.name and "
        "volume.mount_path of a PersistentVolumeClaim)",
    )


def _kserve(service: Service, _: Site) -> Iterator[Finding]:
    if service.kserve is None:
        yield plain("kserve")
        return
    yield refused(
        "kserve",
        "no model servers of KServe are made. Write a handler that loads the model once (`headrace function "
        "new NAME --handler`), or let KServe serve it, and have the script call it",
    )


def _providers(service: Service, site: Site) -> Iterator[Finding]:
    yield from judge_providers(service.storage_providers, site)


def judge_providers(providers: Providers, site: Site) -> Iterator[Finding]:
    """Credentials are never taken over, whoever's they are; their values are never told."""
    kinds = sorted(providers.model_fields_set)
    found = [f"{kind}.{name}" for kind in kinds for name in getattr(providers, kind)]
    for each in found:
        own = each == OWN or each in site.stores
        why = (
            "the stack has the store's credentials" if own else "a stack has one store, with its credentials"
        )
        yield warning(joined("storage_providers", each), f"{why}; these are not taken")
    yield from (plain(joined("storage_providers", kind)) for kind in kinds if not getattr(providers, kind))
    if not found:
        yield plain("storage_providers")


def _clusters(service: Service, _: Site) -> Iterator[Finding]:
    yield from judge_clusters(service.clusters)


def judge_clusters(clusters: Mapping[str, object]) -> Iterator[Finding]:
    """Logins of other clusters are for replicas."""
    for name in clusters:
        yield warning(joined("clusters", name), f"{_OTHERS}, so its login is not taken")
    if not clusters:
        yield plain("clusters")


HARMLESS = frozenset(field for field, left in _SIMPLE.items() if left.make is warning)
LEFT: Mapping[str, Callable[[Service, Site], Iterator[Finding]]] = {
    **{field: _simple(field, left) for field, left in _SIMPLE.items()},
    "replicas": _replicas,
    "federation": _federation,
    "expose": _expose,
    "mount": _mount,
    "kserve": _kserve,
    "storage_providers": _providers,
    "clusters": _clusters,
}
