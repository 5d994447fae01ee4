"""An FDL file's tree -> its services, each with the cluster that it is written for.

Read too: a service alone or a list of them, as OSCAR's API answers (`GET /system/services`) and as its
clusters keep them. https://github.com/grycap/oscar/blob/master/docs/fdl.md
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.oscar.finding import Finding, joined, marked_placeholder, plain, refused, shown, warning
from headrace.oscar.left import judge_clusters, judge_providers
from headrace.oscar.reading import Read, read_service, read_value
from headrace.oscar.service import Cluster, OscarValue, Providers, Service, kind_of
from headrace.oscar.storage import Site


@dataclass(frozen=True, slots=True)
class Definition:
    """A service at `where` in its document, like functions.oscar[0].my-cluster.

    `cluster` is empty for one that no FDL file names a cluster for.
    """

    where: str
    cluster: str
    read: Read

    @property
    def service(self) -> Service:
        return self.read.service


@dataclass(frozen=True, slots=True)
class Fdl:
    """Every service of a document, and what was found outside of them."""

    definitions: tuple[Definition, ...]
    findings: tuple[Finding, ...]


class _Top(OscarValue):
    """What an FDL file has beside its functions."""

    storage_providers: Providers = Providers()
    clusters: Mapping[str, Cluster] = {}
    functions: Any = None


class _Functions(OscarValue):
    """`aws` is SCAR's, which shares the format."""

    oscar: Any = None
    aws: Any = None


def read_fdl(tree: object, site: Site | None = None) -> Fdl:
    """Raises nothing: whatever is wrong is a finding of the kind `refused`."""
    if isinstance(tree, list | tuple) and tree:
        return Fdl(
            tuple(Definition(joined("", n), "", read_service(each)) for n, each in enumerate(tree)), ()
        )
    if not isinstance(tree, Mapping):
        return Fdl((), (refused("", f"found {kind_of(tree)}, allowed {_ALLOWED}"),))
    if "functions" not in {str(key).lower() for key in tree} and _is_service(tree):
        return Fdl((Definition("", "", read_service(tree)),), ())
    return _of_file(tree, site or Site())


_TELLING = ("name", "image", "script")  # texts that a service has, and no mapping of services
_ALLOWED = "an FDL file (functions: oscar: …) or a service; name such a file"


def _of_file(tree: Mapping[Any, Any], site: Site) -> Fdl:
    top, found = read_value(tree, _Top)
    findings = [*found, *_beside(top, site)]
    if not isinstance(top.functions, Mapping):
        findings.append(refused("functions", f"found {kind_of(top.functions)}, allowed {_ALLOWED}"))
        return Fdl((), tuple(findings))
    functions, within = read_value(top.functions, _Functions)
    findings += [each.below("functions") for each in within]
    if functions.aws is not None:
        make = warning if functions.oscar else refused
        findings.append(make("functions.aws", "SCAR's functions are for AWS Lambda; none is imported"))
    if not isinstance(functions.oscar, list | tuple) or not functions.oscar:
        if functions.aws is None or functions.oscar is not None:
            found_kind = "an empty list" if functions.oscar == [] else kind_of(functions.oscar)
            findings.append(refused("functions.oscar", f"found {found_kind}, allowed {_LIST}"))
        return Fdl((), tuple(findings))
    definitions, of_entries = _definitions(functions.oscar)
    return Fdl(definitions, (*findings, *of_entries))


_LIST = "a list of services, each as CLUSTER: {name, image, …}; write one"


def _beside(top: _Top, site: Site) -> Iterator[Finding]:
    if "storage_providers" in top.model_fields_set:
        yield from judge_providers(top.storage_providers, site)
    if "clusters" in top.model_fields_set:
        yield from judge_clusters(top.clusters)


def _is_service(tree: Mapping[Any, Any]) -> bool:
    """Whether it is a service itself, and not one by its cluster's name."""
    fields = {str(key).lower(): value for key, value in tree.items()}
    return any(isinstance(fields.get(name), str) for name in _TELLING)


def _definitions(entries: Sequence[object]) -> tuple[tuple[Definition, ...], list[Finding]]:
    definitions: list[Definition] = []
    findings: list[Finding] = []
    for index, entry in enumerate(entries):
        where = joined("functions.oscar", index)
        if not isinstance(entry, Mapping) or not entry:
            findings.append(refused(where, f"found {kind_of(entry)}, allowed CLUSTER: {{name, image, …}}"))
            continue
        if _is_service(entry):
            definitions.append(Definition(where, "", read_service(entry)))
            continue
        for cluster, tree in entry.items():
            place = joined(where, str(cluster))
            definitions.append(Definition(place, str(cluster), read_service(tree)))
            if mark := marked_placeholder(str(cluster)):
                message = f"found the placeholder {shown(mark)}; clusters count for nothing here"
                findings.append(warning(place, message))
            else:
                findings.append(plain(place))
    return tuple(definitions), findings
