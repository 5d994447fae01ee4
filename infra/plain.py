"""Secrets that a stack's file holds as plain text.

Pulumi tells a program only of which keys something is secret, and not which part of a mapping: so a part that
was left plain beside an encrypted one is found in the file alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from headrace.catalog.document import Route
from headrace.model.errors import ConfigurationError
from infra.configuration import refuse


def is_encrypted(tree: object) -> bool:
    """Whether it is a value that Pulumi encrypted: a mapping with the one key `secure`."""
    return isinstance(tree, Mapping) and list(tree) == ["secure"] and isinstance(tree["secure"], str)


def refuse_plain_parts(secret: Iterable[Route], tree: object, *, stack: str) -> None:
    """Raises ConfigurationError where a part of a stack's tree that holds a secret is not encrypted.

    Parts that the tree lacks are passed over: Pulumi may know them from elsewhere.
    """
    faults = [
        f"{'.'.join(map(str, place))}: found in plain text, allowed encrypted only, as it holds a secret; "
        "set it with `pulumi config set --secret --path`, and change the secret: it was in a file"
        for route in secret
        for place in _plain(tree, route, ())
    ]
    refuse(faults, stack=stack)


def own_tree(project_file: Path, project: str, stack: str) -> Mapping[str, object]:
    """What a stack's file beside a Pulumi.yaml says of a project's keys; nothing where there is no such file.

    Raises ConfigurationError.
    """
    try:
        folder = yaml.safe_load(project_file.read_text(encoding="utf-8")).get("stackConfigDir", ".")
        text = (project_file.parent / folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
        config = yaml.safe_load(text).get("config") or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"stack {stack}: its file, by {project_file}, can't be searched for secrets in plain text "
            f"({type(error).__name__}); mend it"  # the whole reason may quote one
        ) from None
    prefix = f"{project}:"
    return {key.removeprefix(prefix): each for key, each in config.items() if key.startswith(prefix)}


def _plain(tree: object, route: Route, place: Route) -> Iterator[Route]:
    """The places at a route's end, or below it, that are not encrypted."""
    if is_encrypted(tree):
        return
    if route:
        step, *rest = route
        if isinstance(tree, Mapping) and step in tree:
            yield from _plain(tree[step], tuple(rest), (*place, step))
    elif isinstance(tree, Mapping):
        for key, each in tree.items():
            yield from _plain(each, (), (*place, key))
    elif isinstance(tree, list):
        for number, each in enumerate(tree):
            yield from _plain(each, (), (*place, number))
    elif tree is not None:
        yield place
