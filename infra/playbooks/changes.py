"""Which inputs of a playbook differ from those of its last run, by name; values are told nowhere."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Properties = Mapping[str, Any]

FAULT = "fault"
# What a host can notice. Anything else is noted when it changes, and nothing runs.
PLAYED = (
    "playbook", "playbook_files", "inventory", "collection", "limit", "variables", "secret_variables",
    "triggers",
)  # fmt: skip
NOTED = ("on_destroy", "timeout_seconds", "vault_password_file", "collections")


def changed(olds: Properties, news: Properties, keys: Sequence[str]) -> list[str]:
    """Names of what differs, with dots: `variables.port`, `inventory.files.group_vars/all.yml`."""
    return [name for key in keys for name in _differing(key, olds.get(key), news.get(key))]


def reasons(olds: Properties, news: Properties) -> list[str]:
    """Why a playbook runs; a run that failed is made again whatever the inputs are."""
    again = ["the last run failed"] if olds.get(FAULT) else []
    return [*again, *changed(olds, news, PLAYED)]


def whole(props: Properties) -> dict[str, Any]:
    """With whole numbers as they were written: on Pulumi's wire all numbers are fractions."""
    return {key: _whole(each) for key, each in props.items()}


def _whole(value: object) -> object:
    if isinstance(value, Mapping):
        return whole(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _differing(name: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differing(f"{name}.{key}", old.get(key), new.get(key))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):  # to Python 1 is True
        yield name
