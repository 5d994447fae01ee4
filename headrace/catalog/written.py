"""A function -> the text of function.yaml, which the catalog reads as the same function."""

import yaml

from headrace.catalog.document import MAX_BYTES
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function

_WIDTH = 110


def function_text(function: Function) -> str:
    """Only what was set: defaults are the model's. Raises ConfigurationError beyond the file's bound."""
    document = function.model_dump(mode="json", by_alias=True, exclude_unset=True)
    text = str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))
    size = len(text.encode())
    if size > MAX_BYTES:
        raise ConfigurationError(
            f"function {function.name!r}: found {size} bytes of function.yaml, allowed {MAX_BYTES}; keep "
            "data in files beside it"
        )
    return text


class _Dumper(yaml.SafeDumper):
    """Writes texts with odd white space in double quotes: PyYAML does not read them back from single ones."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
