"""`headrace function import`: OSCAR's definitions become functions' folders.

A file is imported as a whole. Exit 0: all of its services are written. Exit 2: none is, each reason is told.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from headrace.catalog.fault import Fault
from headrace.catalog.folder import FILE_NAME
from headrace.catalog.oscar_file import Judged, OscarFile, Wanted, read_oscar_file
from headrace.catalog.written import function_text
from headrace.cli.options import DryRun, Json
from headrace.cli.output import counted, print_json, shown_lines
from headrace.model.errors import ConfigurationError
from headrace.oscar import Imported, Kind, Site
from headrace.oscar.finding import OF_FUNCTION
from headrace.oscar.importing import SCRIPT
from headrace.oscar.storage import OWN, provider_of

Folders = Mapping[Path, Mapping[str, str]]  # folder -> file -> content


def import_(
    file: Annotated[Path, typer.Argument(help="An FDL file, or JSON of OSCAR's API.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", help="The folder of functions; each gets a folder of its own there.")
    ] = Path("functions"),
    cluster: Annotated[str, typer.Option(help="Take this cluster's services alone.")] = "",
    scripts: Annotated[
        Path | None, typer.Option(help="The folder that scripts' paths begin at. [default: FILE's]")
    ] = None,
    store: Annotated[
        list[str] | None,
        typer.Option(
            help="A storage provider that is the stack's own store, like s3.lab. [default: minio.default]"
        ),
    ] = None,
    entrance: Annotated[
        str, typer.Option(help="The bucket whose folder NAME/ starts a service that has no input.")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into functions' folders that are there already.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make functions of OSCAR's definitions. Exit 2: one can't be, so none is written; reasons are told."""
    site = Site(frozenset(map(provider_of, store or [OWN])), entrance)
    read = read_oscar_file(file, Wanted(site, scripts, cluster))
    folders = _folders(read, output)
    faults = [*read.faults, *_in_the_way(folders, overwrite=overwrite)]
    if not faults and not dry_run:
        _write(folders)
    if json:
        print_json(_document(read, faults, folders))
    else:
        _print(read, faults, folders, dry_run=dry_run)
    if faults:
        raise typer.Exit(2)


def _folders(read: OscarFile, output: Path) -> Folders:
    """What is to be written; nothing of a file with a fault."""
    if read.faults:
        return {}
    return {
        output / each.name: {FILE_NAME: function_text(each.function), SCRIPT: each.script}
        for each in read.imported
    }


def _in_the_way(folders: Folders, *, overwrite: bool) -> Iterable[Fault]:
    for folder in folders:
        if folder.exists() and not (overwrite and folder.is_dir()):
            advice = "choose another --output, or give --overwrite" if folder.is_dir() else "remove it"
            yield Fault(str(folder), None, "", f"exists and is left as it is; {advice}")


def _write(folders: Folders) -> None:
    """Raises ConfigurationError where a folder can't be written."""
    for folder, files in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (folder / name).write_bytes(content.encode())
        except OSError as error:
            reason = error.strerror or error
            raise ConfigurationError(
                f"{folder} can't be written ({reason}); choose another --output"
            ) from error


def _print(read: OscarFile, faults: Iterable[Fault], folders: Folders, *, dry_run: bool) -> None:
    faults = list(faults)
    for line in dict.fromkeys(map(_remark, read.remarks)):
        typer.echo(f"warning: {shown_lines(line)}", err=True)
    for fault in faults:
        typer.echo(shown_lines(str(fault)), err=True)
    if faults:
        typer.echo(f"nothing was written: {counted(len(faults), 'reason')} above", err=True)
        return
    for folder, files in folders.items():
        for name, content in files.items():
            wrote = "would write" if dry_run else "wrote"
            typer.echo(f"{wrote} {folder / name} ({len(content.encode())} bytes)")
    if folders and not dry_run:
        typer.echo(f"next: headrace function check {next(iter(folders)).parent}")


def _remark(remark: Fault) -> str:
    """What holds for every function is told without its place, so that it is told once."""
    _, of_function, field = remark.where.partition(OF_FUNCTION)
    return f"{field}: {remark.message}" if of_function else str(remark)


def _document(read: OscarFile, faults: Iterable[Fault], folders: Folders) -> Mapping[str, object]:
    faults = tuple(faults)
    return {
        "ok": not faults,
        "services": [_service(each) for each in read.judged],
        "files": {str(folder): list(files) for folder, files in folders.items()} if not faults else {},
        "refusals": faults,
        "warnings": read.remarks,
    }


def _service(judged: Judged) -> Mapping[str, object]:
    """`mapped`: OSCAR's field -> that of function.yaml."""
    outcome = judged.outcome
    return {
        "name": outcome.name,
        "where": judged.where,
        "imported": isinstance(outcome, Imported),
        "mapped": {each.field: each.message for each in outcome.findings if each.kind is Kind.MAPPED},
    }
