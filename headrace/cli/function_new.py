"""`headrace function new`: a folder with a small working function, to begin with."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from headrace.catalog.example import (
    Kind,
    check_name,
    filled,
    read_template,
    write_function,
)
from headrace.catalog.folder import examine
from headrace.catalog.templates import ABOUT, FILES
from headrace.cli.output import out, quiet_table
from headrace.model.errors import ConfigurationError


def _list_templates(wanted: bool) -> None:  # noqa: FBT001  (typer's callback)
    if wanted:
        table = quiet_table("template", "is", whole=("template",))
        for name, about in ABOUT.items():
            table.add_row(f"--{name}", about)
        out().print(table)
        raise typer.Exit


def new(
    name: Annotated[str, typer.Argument(help="The function's name, and its folder's.")],
    *,
    script: Annotated[
        bool, typer.Option("--script", help="A shell script, run once a file (default).")
    ] = False,
    handler: Annotated[
        bool, typer.Option("--handler", help="A Python class, loaded once, called with batches of files.")
    ] = False,
    http: Annotated[
        bool, typer.Option("--http", help="An image that serves; each file is posted to it, on a cluster.")
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            exists=True,
            file_okay=False,
            help="A template of your own: a function's folder, in whose files {{name}} stands for the name.",
        ),
    ] = None,
    directory: Annotated[Path, typer.Option(help="The folder of functions.")] = Path("functions"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    _listed: Annotated[
        bool, typer.Option("--list", help="List the templates.", callback=_list_templates, is_eager=True)
    ] = False,
) -> None:
    """Write a small working function to begin with: code, a sample, what is expected of it, a README.

    Nothing that is there is overwritten. `headrace function test` passes on it at once.
    """
    given = {"--script": script, "--handler": handler, "--http": http, "--from": from_ is not None}
    chosen = [word for word, wanted in given.items() if wanted]
    if len(chosen) > 1:
        raise ConfigurationError(f"found {' and '.join(chosen)}, allowed one of them; drop the rest")
    check_name(name)
    folder = directory / name
    if folder.exists() or folder.is_symlink():
        raise ConfigurationError(f"{folder} exists and is left as it is; choose another name or remove it")
    kind = Kind.HANDLER if handler else Kind.HTTP if http else Kind.SCRIPT
    files = filled(_template(kind, from_), name, folder=str(folder))
    for file, content in files.items():
        typer.echo(f"{'would write' if dry_run else 'wrote'} {folder / file} ({len(content)} bytes)")
    if not dry_run:
        write_function(folder, files)
        _tell(folder, name, served=kind is Kind.HTTP and from_ is None)


def _template(kind: Kind, own: Path | None) -> dict[str, bytes]:
    if own is not None:
        return read_template(own)
    return {file: content.encode() for file, content in FILES[kind].items()}


def _tell(folder: Path, name: str, *, served: bool) -> None:
    """What to do next; of a template of one's own, what is wrong with it."""
    for fault in examine([folder]).faults:
        typer.echo(str(fault), err=True)
    place = shlex.quote(str(folder))
    samples = sorted((folder / "samples").glob("*"))
    sample = shlex.quote(str(samples[0])) if samples else "FILE"
    test = f"headrace function test {place}" + ("" if samples else " --file FILE")
    typer.echo("next:")
    if served:
        typer.echo(f'  {test} --serve "python3 server.py"')
        typer.echo(f"  headrace function check {place}")
        typer.echo("  make images    # it serves from a container, on a cluster")
        return
    typer.echo(f"  {test}")
    up = "" if folder.parent == Path("functions") else f" --functions {shlex.quote(str(folder.parent))}"
    typer.echo(f"  headrace up{up}    # in a second terminal")
    typer.echo(f"  headrace run {name} {sample}")
