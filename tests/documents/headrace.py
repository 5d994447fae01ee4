"""Judges command lines of `headrace` by the commands themselves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, get_args

from typer.core import TyperGroup
from typer.main import get_command

from headrace.cli.deferred import DeferringGroup, Entry
from headrace.cli.main import COMMANDS, app

_USAGE = ("COMMAND", "…")


def faults_of(words: Sequence[str], *, strictly: bool) -> Iterator[str]:
    """What the command line does not take; `strictly`, also what it lacks."""
    if not words or words[0].startswith("-"):
        known = {opt for param in get_command(app).params for opt in param.opts} | {"--help"}
        yield from (f"headrace takes no {word}" for word in words if word not in known)
        return
    yield from _group("headrace", _loaders(COMMANDS), words, strictly=strictly)


def _loaders(entries: Iterable[Entry]) -> dict[str, Any]:
    return {entry.name: entry.load for entry in entries}


def _group(name: str, children: Mapping[str, Any], words: Sequence[str], *, strictly: bool) -> Iterator[str]:
    if not words or words[0] in _USAGE:
        if strictly:
            yield f"`{name}` needs one of {', '.join(children)}"
        return
    first, *rest = words
    wanted = first.split("|")  # `function check|new`: several at once, in a sentence
    for each in wanted:
        if each not in children:
            yield f"`{name}` has no command {each!r}, but {', '.join(children)}"
            continue
        found, path = children[each](), f"{name} {each}"
        if isinstance(found, DeferringGroup):
            yield from _group(path, _loaders(found.entries), rest, strictly=strictly)
        elif isinstance(found, TyperGroup):
            grown = {key: lambda kept=kept: kept for key, kept in found.commands.items()}
            yield from _group(path, grown, rest, strictly=strictly)
        else:
            yield from _command(path, found, rest, strictly=strictly)


def _command(name: str, command: Any, words: Sequence[str], *, strictly: bool) -> Iterator[str]:
    if "--help" in words:
        return
    context = command.make_context(name, [], resilient_parsing=True)  # asks for nothing
    context.resilient_parsing = False  # and tells of what is not known
    takes = {opt for param in command.params for opt in param.opts if not getattr(param, "is_flag", False)}
    if not strictly and words and words[-1] in takes:
        words = [*words, "…"]  # an option that is only named
    try:
        given, rest, _ = command.make_parser(context).parse_args(list(words))
    except Exception as error:  # noqa: BLE001  (typer's own errors have no public base)
        yield f"`{name}`: {getattr(error, 'message', error)}"
        return
    if rest:
        yield f"`{name}` has no place for {' '.join(rest)}"
    for param in command.params:
        value = given.get(param.name)
        if strictly and param.required and value in (None, ()):
            yield f"`{name}` needs {param.opts[0]}"
        yield from (
            f"`{name}`: {param.opts[0]} {fault}" for each in _texts(value) for fault in _misfit(param, each)
        )


def _texts(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list | tuple) else (value,)
    return tuple(each for each in given if isinstance(each, str) and not each.isupper() and "…" not in each)


def _misfit(param: Any, value: str) -> Iterator[str]:
    annotation = param.type_descriptor.annotation
    kinds = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
    if any(issubclass(each, Enum) for each in kinds):
        allowed = [member.value for each in kinds if issubclass(each, Enum) for member in each]
        if value not in allowed:
            yield f"is one of {', '.join(allowed)}, found {value}"
    if {int, float} & set(kinds) and not value.replace(".", "", 1).isdigit():
        yield f"is a number, found {value}"
