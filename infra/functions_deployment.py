"""A set of functions as a whole: on a cluster that is named, or on the one that the platform's stack made."""

from collections.abc import Sequence

import pulumi

from infra import aws_ground, cluster
from infra.aws_settings import Protection
from infra.components.functions.functions import Functions, FunctionsArgs
from infra.components.functions.platform import PlatformOutputs, platform_of
from infra.components.functions.roles import FunctionRoles, RolesArgs
from infra.function_settings import FunctionSettings
from infra.objects import Ground
from infra.rendering import Rendered


def deploy(settings: FunctionSettings, functions: Sequence[Rendered]) -> None:
    """Declare everything. Raises ConfigurationError."""
    stack = platform_of(settings.platform)
    platform = stack.outputs(on_aws=settings.aws is not None, tenant=settings.tenant or "")
    if settings.aws is None:
        provider = cluster.provider(settings.kubeconfig, settings.context, uid=settings.cluster_uid)
    else:
        provider = cluster.provider_of(stack.kubeconfig, stack.context)
    roles = _roles(settings, functions, platform)
    ground = Ground(provider, wait=settings.wait)
    made = Functions("functions", FunctionsArgs(settings, functions, platform, ground, roles))
    if settings.aws is None:
        cluster.guard(settings.kubeconfig, settings.context, made, uid=settings.cluster_uid)


def _roles(
    settings: FunctionSettings, functions: Sequence[Rendered], platform: PlatformOutputs
) -> list[pulumi.Resource]:
    if settings.aws is None or platform.estate is None:
        return []
    place = settings.aws
    provider = aws_ground.provider(place.account, place.region, stack=pulumi.get_stack())
    ground = aws_ground.AwsGround(provider, Protection.NONE)  # roles hold no data
    of, tenant = [each.function for each in functions], settings.tenant or ""
    return [FunctionRoles("roles", RolesArgs(of, platform.namespace, platform.estate, ground, tenant))]
