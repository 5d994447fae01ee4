"""Services as OSCAR's clients send and are shown them <-> functions and their secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from headrace.api.access import Caller, token_of
from headrace.api.deployments import MANAGER, Deployments
from headrace.health.faults import Fault, FaultError, refusal
from headrace.model.api import ApiSettings
from headrace.model.function import Destination, Function
from headrace.model.labels import MANAGED_BY
from headrace.model.tenancy import own_name, tenant_of
from headrace.oscar import Finding, Refused, Site, function_of, read_service, service_of

SERVICE_LABEL = "oscar_service"  # OSCAR puts it on every service
MOST_BYTES = 1024**2  # of a service's document


@dataclass(frozen=True, slots=True)
class Wanted:
    """The function that a caller's document asks for, the secrets of it, and what a person should know.

    A secret whose value is empty is one that stays as it is: so OSCAR shows them.
    """

    function: Function
    secrets: Mapping[str, str]
    warnings: tuple[str, ...]


def wanted(tree: object, caller: Caller, settings: ApiSettings) -> Wanted:
    """What a document asks for, as the caller's. Raises FaultError that names every fault.

    An administrator names a tenant's service as he is shown it: `lab.echo`.
    """
    owner = caller.tenant or ""
    if isinstance(tree, dict) and caller.is_administrator and isinstance(name := tree.get("name"), str):
        owner, tree = tenant_of(name), {**tree, "name": own_name(name)}
    read = read_service(tree)
    found = function_of(read.service, Site(entrance=settings.entrance), read=read.findings)
    if isinstance(found, Refused):
        raise _refused(found)
    function = _answering(found.inlined.owned_by(owner), settings)
    _check_secrets(read.service.environment.secrets)
    told = tuple(str(each) for each in found.warnings if not _is_of_secrets(each))
    return Wanted(function, dict(read.service.environment.secrets), told)


def _answering(function: Function, settings: ApiSettings) -> Function:
    """A service without an output that only requests start keeps its results too: `/run` answers them."""
    spec = function.spec
    if spec.output or any(each.bucket != settings.entrance for each in spec.input):
        return function
    output = (Destination(bucket=settings.answers, prefix=f"{function.metadata.name}/"),)
    return function.model_copy(update={"spec": spec.model_copy(update={"output": output})})


def _is_of_secrets(finding: Finding) -> bool:
    """Whether it tells a person to keep secrets by hand, which the API does."""
    return finding.field == "environment.secrets"


def _check_secrets(secrets: Mapping[str, str]) -> None:
    for name, value in secrets.items():
        if not name.isidentifier() or "\n" in value or "\r" in value:
            reason = (
                f"environment.secrets.{name[:60]}: allowed a name of letters, digits and _, and a value "
                "of one line; change it"
            )
            raise refusal(HTTPStatus.BAD_REQUEST, "not valid", reason)


def _refused(found: Refused) -> FaultError:
    faults = [str(each) for each in found.reasons]
    reason = f"service {found.name or 'without a name'}: {'; '.join(faults)}"
    return FaultError(Fault(HTTPStatus.BAD_REQUEST, "not valid", reason, {"faults": faults}))


async def shown(
    function: Function,
    caller: Caller,
    settings: ApiSettings,
    deployments: Deployments,
    store: Mapping[str, Any],
) -> dict[str, Any]:
    """A service's document for a caller. `store`: how that caller comes to the store."""
    document: dict[str, Any] = service_of(function).model_dump(mode="json", by_alias=True)
    name = caller.service_name(function.name)
    labels = {
        key: value for key, value in document["labels"].items() if (key, value) != (MANAGED_BY, MANAGER)
    }
    document |= {
        "name": name,
        "token": token_of(settings, function.name),
        "labels": {**labels, SERVICE_LABEL: name},
        "owner": tenant_of(function.name) or "cluster_admin",
        "visibility": document["visibility"] or "private",
        "isolation_level": document["isolation_level"] or "SERVICE",
        "storage_providers": {"minio": {"default": store}},
    }
    secrets: Sequence[str] = await deployments.secret_names(function) if function.spec.secrets else ()
    document["environment"] = {**document["environment"], "secrets": dict.fromkeys(secrets, "")}
    return {key: value for key, value in document.items() if value is not None}
