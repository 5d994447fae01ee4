"""Where resources of AWS are declared: the account's provider, a component for parent, their protection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi
from pulumi_aws.provider import Provider

from infra.aws_settings import Protection


@dataclass(frozen=True, slots=True)
class AwsGround:
    """`after`: what must be there first. `protection`: of what holds data."""

    provider: pulumi.ProviderResource
    protection: Protection
    parent: pulumi.Resource | None = None
    after: Sequence[pulumi.Resource] = ()

    def under(self, parent: pulumi.Resource, *after: pulumi.Resource) -> "AwsGround":
        """The same for a component's children."""
        return replace(self, parent=parent, after=tuple(after))

    def options(self, *after: pulumi.Resource, ignore_changes: Sequence[str] = ()) -> pulumi.ResourceOptions:
        """The options of one resource that can be made anew at any time."""
        return pulumi.ResourceOptions(
            parent=self.parent,
            provider=self.provider,
            depends_on=[*self.after, *after],
            ignore_changes=list(ignore_changes) or None,
        )

    def guarded(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of one that is protected like data, and never left behind: alone it can't work."""
        kept = pulumi.ResourceOptions(protect=self.protection is Protection.PROTECT)
        return pulumi.ResourceOptions.merge(self.options(*after), kept)

    def keeping(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of one that holds what nothing can bring back, and of each that belongs to it.

        What closes or encrypts it has to stay as long as it does.
        """
        kept = pulumi.ResourceOptions(retain_on_delete=self.protection is Protection.RETAIN)
        return pulumi.ResourceOptions.merge(self.guarded(*after), kept)


def provider(
    account: str, region: str, *, stack: str, tags: Mapping[str, str] | None = None
) -> pulumi.ProviderResource:
    """The provider of the account and region that the stack names, and of no other.

    Credentials are those that AWS's tools find: a profile, variables, a role. Those of another account are
    refused.
    """
    return Provider(
        "aws",
        region=region,
        allowed_account_ids=[account],
        default_tags={"tags": {**(tags or {}), "headrace:stack": stack}},
    )
