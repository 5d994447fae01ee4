"""Judges command lines of Pulumi: its words by a table that its help is held against, keys by our models."""

import re
from collections.abc import Iterator, Mapping, Sequence

from tests.documents.keys import STACKS, has
from tests.documents.reading import ROOT

# What the docs call, with the options they give; tests/integration/test_docs_tools.py asks Pulumi for each.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "up": (
        "--target", "--refresh", "--diff", "--policy-pack", "--policy-pack-config", "--skip-preview",
        "--config-file",
    ),
    "preview": ("--diff", "--policy-pack", "--expect-no-changes", "--refresh"),
    "refresh": (),
    "destroy": ("--exclude-protected", "--skip-preview"),
    "login": (),
    "config": ("--show-secrets",),
    "config set": ("--path", "--secret"),
    "stack init": (),
    "stack output": ("--show-secrets", "--json"),
    "stack export": ("--file", "--show-secrets"),
    "stack rm": ("--force", "--preserve-config"),
    "policy publish": (),
}  # fmt: skip
GLOBAL = ("-C", "-v", "--logtostderr", "--logflow")
POLICY = ("headrace-policy:production", "headrace-policy:exceptions", "headrace-policy:gpuClients")
_NAMED = re.compile(r'^ +(?:return \{)?"(\w+)":', re.MULTILINE)


def faults_of(words: Sequence[str]) -> list[str]:
    return list(_faults(words))


def _faults(words: Sequence[str]) -> Iterator[str]:
    project, rest = _project(list(words))
    name = next((" ".join(rest[:n]) for n in (2, 1) if " ".join(rest[:n]) in COMMANDS), None)
    if name is None and not rest:  # `pulumi -C functions`: where, not what
        return
    if name is None:
        yield f"pulumi {' '.join(rest)}: a command that is not in the table of tests/documents/pulumi.py"
        return
    values = rest[len(name.split()) :]
    options = [word for word in values if word.startswith("-")]
    yield from (
        f"pulumi {name}: {o} is not in the table" for o in options if o not in (*COMMANDS[name], *GLOBAL)
    )
    given = [word for word in values if not word.startswith("-")]
    if name == "config set" and given:
        yield from _key(given[0], project)
    if name == "stack output":
        yield from (f"no stack tells {output}" for output in given if output not in outputs())
    if "--policy-pack" in values:
        folder = values[values.index("--policy-pack") + 1].removeprefix("../")
        if not (ROOT / folder / "PulumiPolicy.yaml").is_file():
            yield f"no policy pack in {folder}"


def _project(words: list[str]) -> tuple[str, list[str]]:
    if words[:1] == ["-C"]:
        words = words[2:]
        return "headrace-functions", words
    if "-C" in words:
        at = words.index("-C")
        return "headrace-functions", words[:at] + words[at + 2 :]
    return "headrace", words


def _key(key: str, project: str) -> Iterator[str]:
    owner, colon, name = key.rpartition(":")
    if colon and key in POLICY:
        return
    if not has(STACKS[owner or project], name):
        yield f"{owner or project} has no key {name}"


def outputs() -> frozenset[str]:
    """What the platform's program exports."""
    return frozenset(_NAMED.findall((ROOT / "infra" / "deployment.py").read_text()))
