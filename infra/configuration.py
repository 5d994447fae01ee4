"""A stack's configuration, as Pulumi holds it -> a strict model; every fault is told at once.

Pulumi keeps a text for each key: what is no plain text there (a mapping, a number) is written as JSON.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from headrace.catalog.document import Route
from headrace.model.errors import ConfigurationError
from headrace.model.value import Value
from infra.faults import every_fault

T = TypeVar("T", bound=Value)
Schema = Mapping[str, Any]

HIDDEN = (
    "found a decrypted value, which is not shown, allowed what docs/reference describes, and only as a text; "
    "encrypt it anew, or put it in quotes where it is given"
)


def parse(model: type[T], texts: Mapping[str, str], *, stack: str, is_decrypted: bool = False) -> T:
    """The model that the texts by key spell out. Raises ConfigurationError that lists every fault.

    `is_decrypted`: the texts are sound but for what was encrypted in them: only places are told.
    """
    schema = model.model_json_schema(by_alias=True)
    tree = {key: _value(text, schema["properties"].get(key, {}), schema) for key, text in texts.items()}
    try:
        return model.from_json(json.dumps(tree))
    except ValidationError as error:
        faults = every_fault(model, tree)
        if is_decrypted:  # pydantic's error holds the values, so it is no cause either
            places = dict.fromkeys(path for path, _ in faults)
            raise _faulty([_told(path, HIDDEN) for path in places], stack) from None
        raise _faulty([_told(path, message) for path, message in faults], stack) from error


def refuse(faults: Sequence[str], *, stack: str) -> None:
    """Raises ConfigurationError with all of them, where there are any."""
    if faults:
        raise _faulty(faults, stack)


def refuse_plain(secret: Iterable[str], encrypted: Container[str], *, stack: str) -> None:
    """Raises ConfigurationError where a key that holds a secret is kept as plain text."""
    faults = [
        f"{key}: found in plain text, allowed encrypted only, as it holds a secret; "
        "set it with `pulumi config set --secret`, and change the secret: it was in a file"
        for key in secret
        if key not in encrypted
    ]
    refuse(faults, stack=stack)


def own_texts(project: str, everything: Mapping[str, str]) -> dict[str, str]:
    """Of all that Pulumi has configured, what belongs to the project, without its name before each key."""
    return dict(_own(f"{project}:", everything))


def _own(prefix: str, everything: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, text in everything.items():
        if key.startswith(prefix):
            yield key.removeprefix(prefix), text


def takes_text(model: type[Value], key: str) -> bool:
    """Whether a model's key is a text, and not a mapping, a number or the like; unknown keys are none."""
    schema = model.model_json_schema(by_alias=True)
    return _takes_text(schema["properties"].get(key, {}), schema)


def _value(text: str, part: Schema, schema: Schema) -> object:
    """A text stays one where the model wants one; else it is JSON, or a text that the model will refuse."""
    if _takes_text(part, schema):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _takes_text(part: Schema, schema: Schema) -> bool:
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return "string" in [each.get("type") for each in (part, *part.get("anyOf", ()))]


def _told(path: Route, message: str) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return f"{where}: {message}" if where else message


def _faulty(faults: Sequence[str], stack: str) -> ConfigurationError:
    return ConfigurationError(
        "\n".join([f"configuration of stack {stack}:", *(f"  {each}" for each in faults)])
    )
