"""Judges command lines of kubectl: verbs and options by a table that its help is held against."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from tests.documents.reading import ROOT

# What the docs call, with the options they give; tests/integration/test_docs_tools.py asks kubectl for each.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "get": ("-o", "--output", "-w", "-l", "--selector", "-L", "--watch", "--all-namespaces", "--raw"),
    "describe": ("--selector",),
    "apply": ("-f", "--filename", "-k", "--server-side", "--force-conflicts"),
    "delete": ("-k", "--ignore-not-found", "--all", "--selector"),
    "label": (),
    "logs": ("-c", "--selector"),
    "scale": ("--replicas",),
    "create namespace": (),
    "create rolebinding": ("--clusterrole", "--group"),
    "create secret generic": ("--from-file",),
    "rollout restart": (),
    "port-forward": (),
    "top": (),
}
GLOBAL = ("-n", "--namespace", "--kubeconfig", "--context")
_WITH_VALUE = (
    *GLOBAL, "-o", "-l", "-L", "-f", "-k", "-c", "--selector", "--clusterrole", "--group",
    "--output", "--raw",
)  # fmt: skip
_OURS = ("function", "bucket", "nodepool", "gpuserver")
_THEIRS = ("node", "pod", "namespace", "secret", "deployment", "lease")


def faults_of(words: Sequence[str]) -> list[str]:
    return list(_faults(words))


def _faults(words: Sequence[str]) -> Iterator[str]:
    plain, options = _parted(words)
    name = next((" ".join(plain[:n]) for n in (3, 2, 1) if " ".join(plain[:n]) in COMMANDS), None)
    if name is None:
        yield f"kubectl {' '.join(plain)}: a command that is not in the table of tests/documents/cluster.py"
        return
    for option in options:
        if option not in (*COMMANDS[name], *GLOBAL):
            yield f"kubectl {name}: {option} is not in the table"
    rest = plain[len(name.split()) :]
    if name in ("get", "describe", "delete") and rest:
        kinds = [kind.removesuffix(".headrace.dev") for kind in rest[0].partition("/")[0].split(",")]
        unknown = [
            kind for kind in kinds if kind.rstrip("s") not in (*_OURS, *_THEIRS) and not kind.isupper()
        ]
        yield from (f"kubectl knows no kind {kind}" for kind in unknown)
    for option, value in itertools.pairwise(words):
        if (
            option == "-k"
            and value.startswith("stacks/")
            and not (ROOT / value / "kustomization.yaml").is_file()
        ):
            yield f"no kustomization in {value}"


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    plain, options, skips = [], [], False
    for word in words:
        if skips:
            skips = False
        elif word.startswith("-"):
            option, assigned, _ = word.partition("=")
            options.append(option)
            skips = not assigned and option in _WITH_VALUE
        else:
            plain.append(word)
    return plain, options
