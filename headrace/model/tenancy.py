"""By which name a function of a tenant is known wherever functions of several tenants meet (ADR 20). Pure.

A tenant's function `echo` is `lab.echo` there, and `echo` in its tenant's own namespace and account. Neither
part can hold a dot, so a name says whose it is. The same holds for workers, which bear their function's name.
"""

_BETWEEN = "."


def qualified(tenant: str, name: str) -> str:
    """The name where tenants meet; without a tenant the name itself."""
    return f"{tenant}{_BETWEEN}{name}" if tenant else name


def tenant_of(function: str) -> str:
    """Whose it is; empty: the stack's own."""
    tenant, between, _ = function.partition(_BETWEEN)
    return tenant if between else ""


def own_name(function: str) -> str:
    """Its name in its tenant's namespace and account."""
    tenant, between, name = function.partition(_BETWEEN)
    return name if between else tenant
