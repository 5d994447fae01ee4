"""Commands that are imported when they are called, so that `--help` answers at once.

And what an error leads to: a message and an exit code, no traceback.
"""

import importlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from headrace.cli.docs import docs_base, error_document, lines
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError, TransientError
from headrace.model.troubles import Trouble

EXIT_CODES = {
    0: "done",
    1: "a file has failed, or another error",
    2: "the command line, a function or the settings must be changed",
    3: "what was asked for is not there",
    4: "a server does not answer, or time ran out; the same command may succeed later",
    130: "interrupted by Ctrl-C",
}
_AS_JSON = "headrace.as_json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, where it lives, a line of help, and an example with its comment."""

    name: str
    module: str
    attribute: str
    help: str
    example: str = ""

    def load(self) -> TyperCommand | TyperGroup:
        """Import the command. Raises ConfigurationError when a package is missing."""
        try:
            found = getattr(importlib.import_module(self.module), self.attribute)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == "headrace":
                raise
            raise ConfigurationError(
                f"`headrace {self.name}` needs the package {error.name!r}, which is not installed; "
                "install headrace[local,echo]",
                trouble=Trouble.PACKAGE_MISSING,
            ) from error
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(self.name)(found)
            command = get_command(single)
        else:
            command = get_group(found)
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{self.module}.{self.attribute} is no command")
        command.name = self.name
        return command


class Deferred(TyperCommand):
    """Stands for a command in its group's help, and makes way for it when it is called."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=entry.help)
        self.entry = entry

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401  (typer's own types are private)
        """The context of the command itself: the group invokes the context's command.

        A shell that completes a command which lacks a package is offered nothing, and shown no error.
        """
        try:
            command = self.entry.load()
        except HeadraceError:
            if not extra.get("resilient_parsing"):
                raise
            return super().make_context(info_name, [], parent=parent, **extra)
        return command.make_context(info_name, args, parent=parent, **extra)


class DeferringGroup(TyperGroup):
    """A group of deferred commands."""

    entries: ClassVar[tuple[Entry, ...]] = ()

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  (typer's own)
        super().__init__(**attributes)
        for entry in self.entries:
            self.add_command(Deferred(entry))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  (typer's own)
        """In the order of the entries, which is that of use."""
        return [entry.name for entry in self.entries]


class ErrorMappingGroup(DeferringGroup):
    """The outermost group: an error of Headrace becomes a message on stderr and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  (typer's own)
        """Whether programs read the output is kept for `invoke`."""
        ctx.meta[_AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (typer's own)
        """Run the command."""
        try:
            return super().invoke(ctx)
        except HeadraceError as error:
            base = docs_base()
            if ctx.meta[_AS_JSON]:
                typer.echo(json.dumps(error_document(error, base)), err=True)
            else:
                typer.echo("\n".join(lines(error, base)), err=True)
            raise typer.Exit(exit_code(error)) from error


def exit_code(error: HeadraceError) -> int:
    """What a caller of the command can do about it, as a number; see EXIT_CODES."""
    codes = ((ConfigurationError, 2), (NotFoundError, 3), (TransientError, 4))
    return next((code for kind, code in codes if isinstance(error, kind)), 1)
