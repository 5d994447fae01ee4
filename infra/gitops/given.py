"""What a stack's file holds encrypted, in plain text: from Pulumi's CLI, or from a file of a person's."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from headrace.model.errors import ConfigurationError
from infra.gitops.projects import Project, StackFile, text_of
from infra.gitops.stand_ins import without_secrets
from infra.plain import is_encrypted
from infra.playbooks.redaction import redactor

STDIN = "-"
PULUMI_SECONDS = 120.0

Run = Callable[[list[str], Path], "subprocess.CompletedProcess[str]"]


def ran(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command there; what it prints is kept."""
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=PULUMI_SECONDS,
    )  # fmt: skip


def by_pulumi(project: Project, checkout: Path, file: StackFile, run: Run = ran) -> dict[str, str]:
    """All values of a stack, decrypted by `pulumi config`; without it where nothing is encrypted.

    Raises ConfigurationError where Pulumi is missing or refuses.
    """
    if not file.encrypted:
        return file.texts
    keys = ", ".join(sorted(file.encrypted))
    otherwise = "or give them in plain text with --given FILE (`-` reads stdin)"
    command = ["pulumi", "config", "--show-secrets", "--json", "--stack", file.stack, "--non-interactive"]
    try:
        done = run(command, checkout / project.folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(
            f"stack {file.stack}: {keys} hold encrypted values, and pulumi can't be asked for them "
            f"({error}); install it, {otherwise}"
        ) from error
    if done.returncode:
        raise ConfigurationError(
            f"stack {file.stack}: {keys} hold encrypted values, and `{' '.join(command)}` failed: "
            f"{done.stderr.strip()[:500]}; mend that, {otherwise}"
        )
    prefix = f"{project.name}:"
    found = json.loads(done.stdout).items()
    return {key.removeprefix(prefix): each["value"] for key, each in found if key.startswith(prefix)}


def by_file(project: Project, file: StackFile, path: str) -> dict[str, str]:
    """The values of a stack with those of a YAML file in the places of encrypted ones.

    The file has the same keys as the stack's, `headrace:store` and so on, and nothing but those values.
    Raises ConfigurationError with all that is missing or too much.
    """
    given = _read(path)
    known = {key.removeprefix(f"{project.name}:"): value for key, value in given.items()}
    faults = [*_faults(file.tree, known, "")]
    if faults:
        raise ConfigurationError("\n".join([f"{_told(path)}:", *(f"  {each}" for each in faults)]))
    return {key: text_of(_filled(value, known.get(key))) for key, value in file.tree.items()}


@contextmanager
def hidden(file: StackFile, texts: Mapping[str, str]) -> Iterator[None]:
    """Keeps what was decrypted out of the faults of a configuration that are raised within."""
    hide = redactor([_decrypted(tree, texts.get(key)) for key, tree in file.tree.items()])
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(hide(str(error))) from None


def _decrypted(tree: object, text: str | None) -> object:
    """What stands in the places of encrypted values, of a key's text."""
    if text is None or not without_secrets(tree)[1]:
        return None
    return text if is_encrypted(tree) else [*_found(tree, json.loads(text))]


def _found(tree: object, value: object) -> Iterator[object]:
    if _is_given(tree):
        yield value
    elif isinstance(tree, Mapping) and isinstance(value, Mapping):
        for key, each in tree.items():
            yield from _found(each, value.get(key))


def _is_given(tree: object) -> bool:
    """Whether a value of the stack's file is one to be given: an encrypted one, or a list with such in it."""
    return is_encrypted(tree) or (isinstance(tree, list) and without_secrets(tree)[1])


def _filled(tree: object, given: object) -> object:
    if _is_given(tree):
        return given
    if isinstance(tree, Mapping):
        own = given if isinstance(given, Mapping) else {}
        return {key: _filled(each, own.get(key)) for key, each in tree.items()}
    return tree


def _faults(tree: object, given: object, place: str) -> Iterator[str]:
    """Values that are encrypted and not given, and those that are given and not encrypted."""
    if _is_given(tree):
        if given is None:
            yield f"{place}: is missing, and encrypted in the stack's file; write it"
    elif isinstance(tree, Mapping):
        own = given if isinstance(given, Mapping) else {}
        for key in [*tree, *(each for each in own if each not in tree)]:
            yield from _faults(tree.get(key), own.get(key), f"{place}.{key}".removeprefix("."))
    elif given is not None:
        yield f"{place}: found a value, allowed only where the stack's file has an encrypted one; take it out"


def _read(path: str) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if path == STDIN else Path(path).read_text(encoding="utf-8")
        found = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{_told(path)} can't be read: {error}; name another") from error
    except yaml.YAMLError:
        found = None  # the reason may quote the text, which is secret
    if not isinstance(found, dict):
        raise ConfigurationError(f"{_told(path)}: is no YAML mapping of keys to values; mend it")
    return found


def _told(path: str) -> str:
    return "--given (stdin)" if path == STDIN else f"--given {path}"
