"""Judges a command of the docs by the program that it calls: what it takes, and what it names."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.documents import aws, cluster, hosts, pulumi
from tests.documents.headrace import faults_of as headrace_faults
from tests.documents.reading import ROOT
from tests.documents.shell import Command

HIDDEN = "…"  # stands for what everybody writes for himself
_TARGET = re.compile(r"^([a-z0-9-]+):", re.MULTILINE)
_VARIABLE = re.compile(r"\$\((?:if \$\()?([A-Z][A-Z0-9_]*)\)|^([A-Z]+) \?=", re.MULTILINE)
_EVERYDAY = ("cd", "chmod", "cp", "export", "git", "mkdir", "umask", "unset")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`by` says what judged; none: nothing here can."""

    by: str | None
    faults: tuple[str, ...] = ()


def judge(command: Command, *, strictly: bool = True) -> Verdict:
    """`strictly` asks for what a command needs, too; within a sentence it may be left out."""
    program, *words = command.words
    program = program.rpartition("/")[2] if program.endswith(("/headrace", "/python")) else program
    if program == "headrace":
        return Verdict("the command line", tuple(headrace_faults(words, strictly=strictly)))
    found = _JUDGES.get(program)
    return Verdict(program, tuple(found(words))) if found else Verdict(None)


def _make(words: Sequence[str]) -> list[str]:
    makefile = (ROOT / "Makefile").read_text()
    variables = {name for pair in _VARIABLE.findall(makefile) for name in pair if name} | {"PYTHON", "ARGS"}
    faults = []
    for word in words:
        if word == "-s":  # silent, where a shell takes in what a target prints
            continue
        name, assigned, _ = word.partition("=")
        if assigned and name not in variables:
            faults.append(f"make reads no {name}")
        if not assigned and word not in _TARGET.findall(makefile):
            faults.append(f"make has no target {word}")
    return faults


def _python(words: Sequence[str]) -> list[str]:
    """`python -m MODULE` of this project, with options that the module knows; `python FILE`."""
    if words[:1] != ["-m"]:
        file = ROOT / (words[0] if words else "")
        return _unknown(file, words[1:]) if file.is_file() else [f"no file {words[:1]}"]
    module, *options = words[1:]
    if module == "pytest":
        return [f"no tests in {word}" for word in options if "/" in word and not (ROOT / word).exists()]
    folders = [base / module.replace(".", "/") for base in (ROOT, ROOT / "functions/echo")]
    files = [file for folder in folders for file in (folder / "__main__.py", folder.with_suffix(".py"))]
    file = next((each for each in files if each.is_file()), None)
    if file is None:
        return [f"python can't start {module}"]
    return _unknown(file, options)


def _unknown(file: Path, options: Sequence[str]) -> list[str]:
    text = file.read_text()
    unknown = [o for o in options if o.startswith("--") and not _knows(text, o.partition("=")[0])]
    return [f"{file.relative_to(ROOT)} knows no {option}" for option in unknown]


def _knows(text: str, option: str) -> bool:
    parameter = rf"\b{option[2:].replace('-', '_')}: (?:Annotated\[|Path)"
    return f'"{option}"' in text or re.search(parameter, text) is not None


def _sh(words: Sequence[str]) -> list[str]:
    script = ROOT / words[0]
    if not script.is_file():
        return [f"no script {words[0]}"]
    return [f"{words[0]} takes no {word}" for word in words[1:] if f"  {word})" not in script.read_text()]


def _everyday(words: Sequence[str]) -> list[str]:
    """Files of the checkout are there; what a page has made itself bears the name `ours`."""
    tops = {each.name for each in ROOT.iterdir()} - {"build", "demo", "manifests"}
    named = [word for word in words if word.split("/")[0] in tops and "ours" not in word.split("/")[-1]]
    named = [word for word in named if "/ours" not in word and "$" not in word]
    return [f"the checkout has no {word}" for word in named if not (ROOT / word).exists()]


_JUDGES: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "make": _make,
    "python": _python,
    "sh": _sh,
    "pulumi": pulumi.faults_of,
    "kubectl": cluster.faults_of,
    "aws": aws.faults_of,
    "ansible-playbook": hosts.playbook_faults,
    "ansible-galaxy": hosts.galaxy_faults,
    "ansible": hosts.ansible_faults,
    **dict.fromkeys(_EVERYDAY, _everyday),
}
