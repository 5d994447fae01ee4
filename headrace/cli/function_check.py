"""`headrace function check`: are these functions sound, and does none start itself again?

Exit 0: sound. Exit 1: faults or rings, each named.
"""

import json as json_text
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from headrace.catalog.folder import FILE_NAME, Examined, examine, function_folders
from headrace.model.cycles import Cycle, find_cycles


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Functions' folders, or folders of them. [default: functions]")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check functions: schema, files, and rings of outputs and inputs across all of them. Exit 1: faults."""
    folders = [folder for path in paths or [Path("functions")] for folder in _folders(path)]
    once = {folder.resolve(): folder for folder in reversed(folders)}  # of one named twice, as named first
    examined = examine(once[folder] for folder in sorted(once))
    cycles = find_cycles(each.function for each in examined.installed)
    if json:
        typer.echo(json_text.dumps(_document(examined, cycles), indent=2))
    else:
        _print(examined, cycles)
    if examined.faults or cycles:
        raise typer.Exit(1)


def _folders(path: Path) -> Sequence[Path]:
    return (path,) if (path / FILE_NAME).is_file() else function_folders(path)


def _print(examined: Examined, cycles: Sequence[Cycle]) -> None:
    for fault in examined.faults:
        typer.echo(str(fault), err=True)
    for cycle in cycles:
        typer.echo(f"cycle: {cycle}", err=True)
    for each in examined.installed:
        typer.echo(f"{each.function.name}: sound ({each.folder}, digest {each.digest[:12]})")
    if not examined.installed and not examined.faults:
        typer.echo(f"no folder with a {FILE_NAME} found")


def _document(examined: Examined, cycles: Sequence[Cycle]) -> dict[str, object]:
    return {
        "ok": not examined.faults and not cycles,
        "functions": [
            {"name": each.function.name, "folder": str(each.folder), "digest": each.digest}
            for each in examined.installed
        ],
        "faults": [
            {"file": fault.file, "line": fault.line, "where": fault.where, "message": fault.message}
            for fault in examined.faults
        ],
        "cycles": [
            [
                {
                    "function": step.function,
                    "starts": step.starts,
                    "bucket": step.destination.bucket,
                    "key": step.key,
                }
                for step in cycle.steps
            ]
            for cycle in cycles
        ],
    }
