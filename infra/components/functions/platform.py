"""What a set of functions has to know of the platform: read from the outputs of the platform's own stack."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, slots=True)
class PlatformOutputs:
    """The functions' namespace, and the names in the store of buckets whose logical name differs."""

    namespace: pulumi.Output[str]
    bucket_names: pulumi.Output[Mapping[str, str]]

    def real_bucket(self, logical: str) -> pulumi.Output[str]:
        """The store's name of a bucket that a function names."""
        return self.bucket_names.apply(lambda found: found.get(logical, logical))


def platform_of(stack: str) -> PlatformOutputs:
    """Of a stack organization/headrace/<stack>. No secret is among what it exports for others to read."""
    reference = pulumi.StackReference("platform", stack_name=stack)
    return PlatformOutputs(
        namespace=reference.require_output("functionsNamespace"),
        bucket_names=reference.require_output("buckets"),
    )
