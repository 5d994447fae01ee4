"""The edge between Pulumi and the programs: configuration in, errors out as messages without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from headrace.model.errors import ConfigurationError
from infra.configuration import own_texts, parse, refuse_plain
from infra.function_settings import FunctionSettings
from infra.plain import own_tree, refuse_plain_parts
from infra.settings import StackSettings

T = TypeVar("T", StackSettings, FunctionSettings)


def configured(model: type[T]) -> T:
    """What the stack configures of the project. Raises ConfigurationError."""
    project, stack = pulumi.get_project(), pulumi.get_stack()
    texts = own_texts(project, CONFIG.get())
    settings = parse(model, texts, stack=stack)
    encrypted = {key for key in texts if is_config_secret(f"{project}:{key}")}
    refuse_plain(settings.secret_keys, encrypted, stack=stack)
    tree = own_tree(Path(pulumi.get_root_directory(), "Pulumi.yaml"), project, stack)
    refuse_plain_parts(settings.secret_parts, tree, stack=stack)
    return settings


@contextmanager
def explained() -> Iterator[None]:
    """A fault of the configuration is told as it is: it is no fault of the program."""
    try:
        yield
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from error
