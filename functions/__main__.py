"""The functions of a stack: `pulumi up -C functions` runs this."""

from pathlib import Path

from infra.cluster import guard, provider
from infra.components.functions.functions import Functions, FunctionsArgs
from infra.components.functions.platform import platform_of
from infra.function_settings import FunctionSettings
from infra.objects import Ground
from infra.program import configured, explained
from infra.rendering import built_images, rendered

TOP = Path(__file__).parent

with explained():
    settings = configured(FunctionSettings)
    found = rendered(settings, TOP, built_images(settings, TOP))
    on = provider(settings.kubeconfig, settings.context, uid=settings.cluster_uid)
    platform = platform_of(settings.platform)
    functions = Functions(
        "functions", FunctionsArgs(settings, found, platform, Ground(on, wait=settings.wait))
    )
    guard(settings.kubeconfig, settings.context, functions, uid=settings.cluster_uid)
