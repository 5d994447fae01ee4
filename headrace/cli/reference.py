"""The page of all commands, made from them; `python -m headrace.cli.reference` prints it."""

import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

from headrace.cli.deferred import EXIT_CODES, DeferringGroup, Entry
from headrace.cli.main import COMMANDS

_HEAD = """# Commands

`headrace COMMAND --help` says the same. Facts go to stdout, progress and errors to stderr. With `--json` a
command prints one document instead, whose names are stable: new ones may be added, none changes its meaning;
an error is one document on stderr then, with `code`, `message` and `see`. An error says where the docs tell
more ([troubleshooting](troubleshooting.md)); the variable `HEADRACE_DOCS` names another folder of docs, or
their site.
Commands that talk to a stack find it by `--state` or the variable `HEADRACE_STATE`. What changes something
has `--dry-run`.

`headrace --install-completion` makes Tab complete commands and options, and the names of functions, nodes and
failed tasks, in bash, zsh and fish; it takes effect in the next shell. (In zsh the first Tab of a session
only loads it.)

This page is generated from the commands; `make docs` writes it anew.
"""


def page() -> str:
    """The page, in Markdown."""
    codes = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    exits = "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *codes])
    return "\n\n".join([_HEAD.rstrip(), exits, *_sections("headrace", COMMANDS)]) + "\n"


def _sections(parent: str, entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        name = f"{parent} {entry.name}"
        command = entry.load()
        if isinstance(command, DeferringGroup):
            yield from _sections(name, command.entries)
        elif isinstance(command, TyperGroup):
            for child, found in command.commands.items():
                yield _section(f"{name} {child}", found, example=entry.example)
        else:
            yield _section(name, command, example=entry.example)


def _section(name: str, command: Any, *, example: str) -> str:  # noqa: ANN401  (typer's own types are private)
    parts = [f"## {name}", inspect.cleandoc(command.help or ""), _usage(name, command)]
    if example:
        parts.append(f"For example `{example}`.")
    rows = [_row(each) for each in command.params if each.name != "help" and not each.hidden]
    if rows:
        parts.append("\n".join(["| argument or option | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _usage(name: str, command: TyperCommand) -> str:
    arguments = [_name(each) for each in command.params if each.param_type_name == "argument"]
    words = " ".join([name, *arguments, "[OPTIONS]"])
    return f"```text\n{words}\n```"


def _name(parameter: Any) -> str:  # noqa: ANN401  (typer's own types are private)
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return ", ".join(parameter.opts)


def _row(parameter: Any) -> str:  # noqa: ANN401  (typer's own types are private)
    default = parameter.default
    unset = default is None or default is False or callable(default) or parameter.required
    cells = (
        f"`{_name(parameter)}`",
        "" if unset or str(default) == "" else f"`{default}`",
        (parameter.help or "") + (f" Variable `{parameter.envvar}`." if parameter.envvar else ""),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
