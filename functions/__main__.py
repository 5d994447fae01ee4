"""The functions of a stack: `pulumi up -C functions` runs this."""

from pathlib import Path

from infra.function_settings import FunctionSettings
from infra.functions_deployment import deploy
from infra.program import configured, explained
from infra.rendering import built_images, rendered

TOP = Path(__file__).parent

with explained():
    settings = configured(FunctionSettings)
    deploy(settings, rendered(settings, TOP, built_images(settings, TOP)))
