"""The two Pulumi projects of a checkout, and what their stacks' files say, without Pulumi's CLI."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.catalog.document import DocumentError, read_document
from headrace.model.errors import ConfigurationError
from infra.gitops.stand_ins import without_secrets
from infra.plain import is_encrypted


@dataclass(frozen=True, slots=True)
class Project:
    """Its name, and where it and the files of its stacks are in a checkout."""

    name: str
    folder: str
    stacks: str

    def file(self, checkout: Path, stack: str) -> Path:
        """The file of a stack's values."""
        return checkout / self.stacks / f"Pulumi.{stack}.yaml"


PLATFORM = Project("headrace", ".", "stacks")
FUNCTIONS = Project("headrace-functions", "functions", "stacks/functions")
PROJECTS: Mapping[str, Project] = {"platform": PLATFORM, "functions": FUNCTIONS}


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack's values by key of its project; `tree` as they are written, `encrypted`: keys with a secret."""

    stack: str
    tree: Mapping[str, Any]

    @property
    def encrypted(self) -> frozenset[str]:
        """Keys in which something is encrypted."""
        return frozenset(key for key, value in self.tree.items() if without_secrets(value)[1])

    @property
    def whole(self) -> frozenset[str]:
        """Keys that are encrypted as a whole."""
        return frozenset(key for key, value in self.tree.items() if is_encrypted(value))

    @property
    def texts(self) -> dict[str, str]:
        """As Pulumi would tell them, with a stand-in for each encrypted value."""
        return {key: text_of(without_secrets(value)[0]) for key, value in self.tree.items()}


def stack_file(checkout: Path, project: Project, stack: str) -> StackFile:
    """Read it. Raises ConfigurationError, for a stack on AWS too."""
    path = project.file(checkout, stack)
    if not path.is_file():
        names = sorted(
            each.name[len("Pulumi.") : -len(".yaml")] for each in path.parent.glob("Pulumi.*.yaml")
        )
        raise ConfigurationError(
            f"stack: found {stack!r}, but no {path}, allowed {', '.join(names) or 'none, as there is none'}; "
            "name one of those or write the file"
        )
    tree = _tree(path)
    config = tree.get("config", {}) if isinstance(tree, dict) else None
    if not isinstance(config, dict):
        raise ConfigurationError(f"{path}: found no mapping `config`, allowed one; write the values below it")
    prefix = f"{project.name}:"
    own = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    _refuse_cloud(own, path)
    return StackFile(stack, own)


def text_of(value: object) -> str:
    """A value as Pulumi keeps it: a text, or JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _refuse_cloud(own: Mapping[str, Any], path: Path) -> None:
    if "aws" in own:
        raise ConfigurationError(
            f"{path}: found aws, allowed a stack without it: a cloud's own resources are no objects of "
            "Kubernetes and have no files; deploy this stack by `pulumi up`, by the pipeline or by the "
            "Pulumi Kubernetes Operator (stacks/gitops/pulumi-operator)"
        )


def _tree(path: Path) -> object:
    try:
        found = read_document(path.read_bytes())
    except (OSError, DocumentError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}; mend it") from error
    if found.faults:
        told = [f"  {'.'.join(map(str, where))}: {message}" for where, message in found.faults]
        raise ConfigurationError("\n".join([f"{path}:", *told]))
    return found.tree
