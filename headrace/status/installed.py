"""A function as it is installed, as the document tells of it. Pure."""

from headrace.model.function import Function
from headrace.model.settings import Settings
from headrace.model.tenancy import tenant_of
from headrace.status.sight import FunctionSeen


def seen(
    function: Function, digest: str, settings: Settings, *, fault: str = "", remark: str = ""
) -> FunctionSeen:
    """A sound one. `fault`: why it must not be worked nevertheless; `remark`: what is unusual."""
    tenant = tenant_of(function.name)

    def address(bucket: str, prefix: str) -> str:
        return f"s3://{settings.real_bucket(bucket, tenant)}/{prefix}"

    return FunctionSeen(
        function.name,
        tenant,
        function,
        digest,
        fault,
        remark,
        tuple(address(each.bucket, each.prefix) for each in function.spec.input),
        tuple(address(each.bucket, each.prefix) for each in function.spec.output),
    )
