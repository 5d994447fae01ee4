"""`headrace function new`: a folder with a small working function, to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.catalog.example import Kind, example
from headrace.model.errors import ConfigurationError


def new(
    name: Annotated[str, typer.Argument(help="The function's name, and its folder's.")],
    *,
    script: Annotated[
        bool, typer.Option("--script", help="A shell script, run once a file (default).")
    ] = False,
    handler: Annotated[
        bool, typer.Option("--handler", help="A Python class, loaded once, called with batches of files.")
    ] = False,
    directory: Annotated[Path, typer.Option(help="The folder of functions.")] = Path("functions"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
) -> None:
    """Write a small working function to begin with."""
    if script and handler:
        raise ConfigurationError("found --script and --handler, allowed one of them; drop one")
    folder = directory / name
    files = example(name, Kind.HANDLER if handler else Kind.SCRIPT, folder=str(folder))
    if folder.exists():
        raise ConfigurationError(f"{folder} exists and is left as it is; choose another name or remove it")
    for file, content in files.items():
        typer.echo(f"{'would write' if dry_run else 'wrote'} {folder / file} ({len(content.encode())} bytes)")
    if not dry_run:
        _write(folder, files)
        typer.echo(f"next: headrace function test {folder} --file FILE --output DIR")


def _write(folder: Path, files: dict[str, str]) -> None:
    """Raises ConfigurationError where the folder can't be written."""
    try:
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_text(content, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise ConfigurationError(
            f"{folder} can't be written ({reason}); choose another --directory"
        ) from error
