"""Judges command lines of Ansible: playbooks, inventories and variables are the collection's."""

import itertools
from collections.abc import Iterator, Sequence
from functools import cache

import yaml

from tests.documents.reading import ROOT

COLLECTION = ROOT / "ansible"
OURS = (
    "ansible/inventories/ours",
    "ansible/inventories/lab",
)  # the copy that a page makes, and what it is made of
_OPTIONS = ("-i", "-e", "--limit", "--check", "--diff", "-m")


def playbook_faults(words: Sequence[str]) -> list[str]:
    return [*_playbook(words), *_inventory(words), *_unknown(words)]


def ansible_faults(words: Sequence[str]) -> list[str]:
    return [*_inventory(words), *_unknown(words)]


def galaxy_faults(words: Sequence[str]) -> list[str]:
    """`collection install` of the collection in this checkout."""
    *call, folder = [word for word in words if not word.startswith("-")]
    known = call == ["collection", "install"] and (ROOT / folder / "galaxy.yml").is_file()
    return [] if known else [f"found {' '.join(words)}, allowed collection install of ansible/"]


def playbook_of(words: Sequence[str]) -> str:
    return next((word for word in words if word.startswith("headrace.hosts.")), "")


def _playbook(words: Sequence[str]) -> Iterator[str]:
    playbook = playbook_of(words).removeprefix("headrace.hosts.")
    if not (COLLECTION / "playbooks" / f"{playbook}.yml").is_file():
        yield f"the collection has no playbook {playbook!r}"
    for option, value in itertools.pairwise(words):
        name, _, _ = value.partition("=")
        if option == "-e" and name not in variables():
            yield f"no role and no playbook takes {name}"


def _inventory(words: Sequence[str]) -> Iterator[str]:
    for option, value in itertools.pairwise(words):
        path = ROOT / value.replace(*OURS)
        if option == "-i" and value != "inventory.yml" and not path.exists():
            yield f"no inventory {value}"


def _unknown(words: Sequence[str]) -> Iterator[str]:
    yield from (f"ansible: {w} is not known here" for w in words if w.startswith("-") and w not in _OPTIONS)


@cache
def variables() -> frozenset[str]:
    """What the roles' argument specs name, and what playbooks ask for by themselves."""
    found = set()
    for spec in COLLECTION.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(spec.read_text())["argument_specs"].values():
            found |= set(entry.get("options", {}))
    return frozenset(found | _asked_for())


def _asked_for() -> set[str]:
    """Variables that stand in a playbook's own text, within {{ }} or a condition."""
    texts = "\n".join(file.read_text() for file in COLLECTION.glob("playbooks/**/*.yml"))
    return {name for name in ("power", "report", "reset_confirmed") if name in texts}
