"""What a program registers, parents and secrets too, as a test asks for it."""

from collections.abc import Callable, Mapping
from typing import Any

from infra.gitops import recording
from infra.gitops.recording import Declared, Secret

__all__ = ["Declared", "Secret", "declared"]


def declared(
    program: Callable[[], None],
    *,
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    config: Mapping[str, str] | None = None,
) -> Mapping[str, Declared]:
    """Run a program to its end; what it declared, by name as `parent` has it.

    `outputs`: by type what the provider would add, `{}` in a text standing for the resource's name.
    """

    def answer(kind: str, name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        told = (outputs or {}).get(kind, {}).items()
        return {key: value.format(name) if isinstance(value, str) else value for key, value in told}

    return recording.declared(program, answer, project="headrace", stack="test", config=config)
