"""A service -> a function, or by field why not."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from headrace.model.function import Function, Profile
from headrace.model.labels import API_VERSION
from headrace.oscar.carried import ALWAYS, CARRIED, claim_of, workers_within
from headrace.oscar.finding import Finding, Kind, joined, of_kind, refused, shown, warning
from headrace.oscar.left import HARMLESS, LEFT
from headrace.oscar.service import CPU, MEMORY, Service
from headrace.oscar.storage import Site, place_of

SCRIPT = "script.sh"  # of the function's folder
TIMEOUT_SECONDS = 86_400.0  # OSCAR's jobs have no limit of time
_RULES = {**CARRIED, **LEFT}
_NAMES = "small letters, digits and -, with no - at either end"
# Where a part of a function comes from, if no finding says so more closely.
_SOURCES = (
    ("metadata.name", "name"),
    ("metadata.labels", "labels"),
    ("metadata.annotations", "annotations"),
    ("spec.image", "image"),
    ("spec.run", "script"),
    ("spec.input", "input"),
    ("spec.output", "output"),
    ("spec.resources", "memory"),
    ("spec.resources.cpu", "cpu"),
    ("spec.resources.ephemeralStorage", "ephemeral_storage_request"),
    ("spec.scale", "synchronous"),
    ("spec.environment", "environment"),
    ("spec.secrets", "name"),
    ("spec.volumes", "volume"),
    ("spec.imagePullSecrets", "image_pull_secrets"),
)
# What the function's own fields allow, where a pattern is all that the model says.
_ALLOWED = (
    (r"metadata\.name|spec\.secrets", f"at most 39 {_NAMES}; rename the service"),
    (r"spec\.\w+\[\d+\]\.bucket", "a bucket of 3 to 63 small letters, digits, dots and -; rename it"),
    (r"spec\.output\[\d+\]\.(suffix|namePrefix)", "part of a file's name, which has no /; correct it"),
    (r"spec\.environment\.", "a name of letters, digits and _, that begins with no digit; rename it"),
    (r"spec\.volumes\[0\]\.mountPath", "an absolute path; write one"),
    (r"spec\.volumes", f"a volume's name of at most 39 {_NAMES}; rename it"),
)


@dataclass(frozen=True, slots=True)
class Imported:
    """A function, and its script's text, which lies beside it as `SCRIPT`."""

    function: Function
    script: str
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        return self.function.metadata.name

    @property
    def inlined(self) -> Function:
        """The same with its script's text, for an object that has no folder beside it, as on Kubernetes."""
        run = self.function.spec.run.model_copy(update={"source": self.script})
        spec = self.function.spec.model_copy(update={"run": run})
        return self.function.model_copy(update={"spec": spec})

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return of_kind(self.findings, Kind.WARNING)


@dataclass(frozen=True, slots=True)
class Refused:
    """No function; `findings` hold at least one of the kind `refused`."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[Finding, ...]:
        return of_kind(self.findings, Kind.REFUSED)


def function_of(
    service: Service, site: Site | None = None, *, read: Sequence[Finding] = ()
) -> Imported | Refused:
    """The function that a service is, its script inline; `read`: what was found while it was read."""
    site = site or Site()
    read = [_harmless(each) for each in read]
    findings = [*read, *_judged(service, site, read)]
    function, faults = _function(service, site, findings)
    findings += faults
    if function is None or of_kind(findings, Kind.REFUSED):
        return Refused(service.name, tuple(findings))
    return Imported(function, service.script, tuple(findings))


def _harmless(found: Finding) -> Finding:
    """A wrong kind of value harms nothing in a field that is not taken."""
    if found.kind is Kind.REFUSED and found.field in HARMLESS:
        return warning(found.field, f"{found.message}; it is not taken anyway")
    return found


def _judged(service: Service, site: Site, read: Sequence[Finding]) -> Iterator[Finding]:
    """What each field that is given says, but for those that were refused as they were read."""
    unread = {each.field.partition(".")[0].partition("[")[0] for each in read if each.kind is Kind.REFUSED}
    if "" in unread:  # it is no service at all
        return
    for field, rule in _RULES.items():
        if (field in service.model_fields_set or field in ALWAYS) and field not in unread:
            yield from rule(service, site)


def _function(
    service: Service, site: Site, findings: Sequence[Finding]
) -> tuple[Function | None, Sequence[Finding]]:
    """The function, or what its own model says against it, of fields that nothing was said of before."""
    try:
        return Function.from_json(json.dumps(_document(service, site))), ()
    except ValidationError as error:
        faults = error.errors(include_url=False)
    known = {each.field for each in of_kind(findings, Kind.REFUSED)}
    told = [_fault(fault, findings) for fault in faults if not _is_consequence(fault)]
    return None, [each for each in told if not _covered(each.field, known)]


def _is_consequence(fault: Any) -> bool:  # noqa: ANN401  (pydantic's details)
    """A list whose items are all faulty counts as empty for pydantic."""
    return fault["type"] == "too_short" and bool(fault["input"])


def _covered(field: str, known: set[str]) -> bool:
    """Whether a field, one above it or one below it is among the known."""
    return any(_within(field, each) or _within(each, field) for each in known)


def _within(field: str, parent: str) -> bool:
    return field == parent or not parent or field.startswith((f"{parent}.", f"{parent}["))


def _fault(fault: Any, findings: Sequence[Finding]) -> Finding:  # noqa: ANN401  (pydantic's details)
    """What the model says of a part of the function, as said of the field that it came from."""
    loc = tuple(step for step in fault["loc"] if step != "[key]")
    target = joined("", *loc)
    pairs = [(each.message, each.field) for each in findings if each.kind is Kind.MAPPED]
    sources = [pair for pair in (*pairs, *_SOURCES) if _within(target, pair[0])]
    field = max(sources, key=lambda pair: len(pair[0]))[1] if sources else target
    return refused(field, _message(target, fault))


def _message(target: str, fault: Any) -> str:  # noqa: ANN401  (pydantic's details)
    allowed = next((text for pattern, text in _ALLOWED if re.match(pattern, target)), "")
    if allowed and fault["type"] in ("string_pattern_mismatch", "string_too_long", "string_too_short"):
        return f"found {shown(str(fault['input']))}, allowed {allowed}"
    return str(fault["msg"]).removeprefix("Value error, ")


def _document(service: Service, site: Site) -> Mapping[str, Any]:
    """The function as a document, also of a service that was refused."""
    spec: dict[str, Any] = {
        "image": service.image,
        "run": {"script": SCRIPT},
        "input": list(_inputs(service, site)),
        "output": list(_outputs(service)),
        "resources": _resources(service),
        "delivery": {"timeoutSeconds": TIMEOUT_SECONDS},
        "security": {"profile": Profile.BASELINE.value, "writableRoot": True},
        **({"gpu": {"count": 1}} if service.enable_gpu else {}),
        **({"scale": scale} if (scale := _scale(service)) else {}),
        **({"environment": dict(service.environment.variables)} if service.environment.variables else {}),
        **({"secrets": [service.name]} if service.environment.secrets else {}),
        **({"volumes": [_volume(service)]} if service.volume is not None else {}),
        **({"imagePullSecrets": list(service.image_pull_secrets)} if service.image_pull_secrets else {}),
    }
    metadata = {
        "name": service.name,
        **({"labels": dict(service.labels)} if service.labels else {}),
        **({"annotations": dict(service.annotations)} if service.annotations else {}),
    }
    return {"apiVersion": API_VERSION, "kind": "Function", "metadata": metadata, "spec": spec}


def _inputs(service: Service, site: Site) -> Iterator[Mapping[str, Any]]:
    for storage in service.input:
        place = place_of(storage)
        yield {"bucket": place.bucket, "prefix": place.prefix}
    if not service.input and site.entrance:
        yield {"bucket": site.entrance, "prefix": f"{service.name}/"}


def _outputs(service: Service) -> Iterator[Mapping[str, Any]]:
    for storage in service.output:
        place = place_of(storage)
        yield {
            "bucket": place.bucket,
            "prefix": place.prefix,
            "keepFolders": False,  # as OSCAR has it: what looks for the results finds them where they were
            **({"suffix": list(storage.suffix)} if storage.suffix else {}),
            **({"namePrefix": list(storage.prefix)} if storage.prefix else {}),
        }


def _resources(service: Service) -> Mapping[str, str]:
    disk = service.ephemeral_storage_request
    return {
        "cpu": service.cpu or CPU,
        "memory": service.memory or MEMORY,
        **({"ephemeralStorage": disk} if disk else {}),
    }


def _scale(service: Service) -> Mapping[str, int]:
    least = service.synchronous.min_scale
    bounds = [
        bound
        for bound in (
            service.synchronous.max_scale,
            _bound(service.total_memory, service.memory or MEMORY),
            _bound(service.total_cpu, service.cpu or CPU),
        )
        if bound
    ]
    return {**({"minWorkers": least} if least else {}), **({"maxWorkers": min(bounds)} if bounds else {})}


def _bound(total: str, each: str) -> int:
    """0: none, as where the quantities are no such thing, which their rules say."""
    try:
        return workers_within(total, each) if total else 0
    except ValueError:
        return 0


def _volume(service: Service) -> Mapping[str, Any]:
    claim = claim_of(service)
    mount_path = service.volume.mount_path if service.volume is not None else ""
    return {"name": claim, "claim": claim, "mountPath": mount_path, "readOnly": False}
