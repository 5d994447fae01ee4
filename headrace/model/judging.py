"""What a tenant's functions may be: images and buckets, judged by everybody who acts on a function. Pure."""

from collections.abc import Iterator

from headrace.model.function import Function
from headrace.model.images import judge_image
from headrace.model.settings import KubernetesSettings
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import Tenant


def judge(function: Function, place: KubernetesSettings) -> str:
    """Why a function must not be worked, for people; empty: it may.

    Of the stack's own functions the images are judged alone, where their namespace is declared as a tenant's.
    """
    tenant = place.declared(place.namespace_of(function.name))
    if tenant is None:
        return _undeclared(function)
    faults = tuple(_faults(function, tenant))
    return f"tenant {tenant.name}: {'; '.join(faults)}" if faults else ""


def judge_bucket(logical: str, tenant: Tenant) -> str:
    """Why a tenant's functions must not name a bucket, for people; empty: they may."""
    if logical in tenant.buckets:
        return ""
    allowed = ", ".join(sorted(tenant.buckets)) or "none"
    advice = "name one of these, or have the tenant's buckets extended"
    return f"bucket: found {logical}, allowed {allowed}; {advice}"


def _faults(function: Function, tenant: Tenant) -> Iterator[str]:
    if function.spec.image is not None and (fault := judge_image(function.spec.image, tenant.images)):
        yield fault
    if tenant_of(function.name):
        yield from filter(None, (judge_bucket(each, tenant) for each in function.bucket_names))


def _undeclared(function: Function) -> str:
    tenant = tenant_of(function.name)
    return f"function {function.name}: tenant {tenant} is not declared; add it to the stack" if tenant else ""
