"""The platform: `pulumi up` runs this."""

from pathlib import Path

import pulumi

from infra.deployment import deploy
from infra.program import configured, explained
from infra.settings import StackSettings

with explained():
    settings = configured(StackSettings)
    told = deploy(settings, Path(pulumi.get_root_directory()), name=pulumi.get_stack())

for key, value in told.items():
    pulumi.export(key, value)
