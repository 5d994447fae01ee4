"""What a set of functions has to know of the platform: read from the outputs of the platform's own stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from headrace.model.errors import ConfigurationError
from infra.aws.account import Account
from infra.aws.estate import Estate


@dataclass(frozen=True, slots=True)
class PlatformOutputs:
    """The functions' namespace, and the names in the store of buckets whose logical name differs.

    Of a tenant, those of all buckets that its functions may name.

    `estate`: what the platform has on AWS, if it is there.
    """

    namespace: pulumi.Output[str]
    bucket_names: pulumi.Output[Mapping[str, str]]
    estate: pulumi.Output[Estate] | None = None

    def real_bucket(self, logical: str) -> pulumi.Output[str]:
        """The store's name of a bucket that a function names."""
        return self.bucket_names.apply(lambda found: found.get(logical, logical))


@dataclass(frozen=True, slots=True)
class PlatformStack:
    """A stack organization/headrace/<stack>, as it tells of itself."""

    reference: pulumi.StackReference

    @property
    def kubeconfig(self) -> pulumi.Output[str]:
        """Of the cluster that the stack has made on AWS; secret."""
        return self.reference.require_output("kubeconfig")

    @property
    def context(self) -> pulumi.Output[str]:
        """In the kubeconfig."""
        return self.reference.require_output("context")

    def outputs(self, *, on_aws: bool, tenant: str = "") -> PlatformOutputs:
        """What functions have to know, those of a tenant or the stack's own. No secret is among it."""
        if tenant:
            buckets = self.reference.require_output("tenants").apply(lambda told: buckets_of(tenant, told))
            # A function is declared only where the platform has the tenant.
            place = buckets.apply(lambda _: tenant)
        else:
            place, buckets = (self.reference.require_output(key) for key in ("functionsNamespace", "buckets"))
        return PlatformOutputs(place, buckets, self._estate(buckets) if on_aws else None)

    def _estate(self, buckets: pulumi.Output[Mapping[str, str]]) -> pulumi.Output[Estate]:
        told = {key: self.reference.require_output(key) for key in ("aws", "platformBucket")}
        return pulumi.Output.all(**told, buckets=buckets).apply(estate_of)


def buckets_of(tenant: str, told: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """The tenant's, of the output `tenants` of a platform's stack. Raises ConfigurationError."""
    if tenant not in told:
        raise ConfigurationError(
            f"tenant: found {tenant}, allowed {', '.join(sorted(told)) or 'none, as the platform has none'}; "
            "declare it in the platform's stack (tenants), and `pulumi up` there first"
        )
    return told[tenant]


def platform_of(stack: str) -> PlatformStack:
    """Of a stack's full name."""
    return PlatformStack(pulumi.StackReference("platform", stack_name=stack))


def estate_of(told: Mapping[str, Any]) -> Estate:
    """From the outputs `aws` and `platformBucket` of a platform's stack, and the `buckets` to be named."""
    place = told["aws"]
    return Estate(
        account=Account(place["account"], place["region"], place["name"]),
        platform_bucket=told["platformBucket"],
        buckets=told["buckets"],
        data_key=place["dataKey"],
    )
