"""What a tenant's functions may be: images and buckets, judged by everybody who acts on a function. Pure."""

from collections.abc import Iterator

from headrace.model.function import Function
from headrace.model.images import judge_image
from headrace.model.settings import KubernetesSettings
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import Tenant


def judge(function: Function, place: KubernetesSettings) -> str:
    """Why a function must not be worked, for people; empty: it may, as all of the stack's own."""
    tenant = tenant_of(function.name)
    if not tenant:
        return ""
    declared = place.declared(tenant)
    if declared is None:
        return f"function {function.name}: tenant {tenant} is not declared; add it to the stack"
    faults = tuple(_faults(function, declared))
    return f"tenant {tenant}: {'; '.join(faults)}" if faults else ""


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
    yield from filter(None, (judge_bucket(each, tenant) for each in function.bucket_names))
