"""`headrace function check`: are these functions sound, and does none start itself again?

Exit 0: sound, perhaps with hints at what is seldom meant. Exit 1: faults or rings, each named.
"""

import asyncio
import json as json_text
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from headrace.catalog.folder import FILE_NAME, Examined, examine, function_folders
from headrace.catalog.hints import hints_of
from headrace.catalog.pools import load_gpu_ground
from headrace.connect.gpus import gpu_objects
from headrace.model.cycles import Cycle, find_cycles
from headrace.placement.inventory import Inventory, inventory_of
from headrace.placement.ways import Choice, choose_way


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Functions' folders, or folders of them. [default: functions]")
    ] = None,
    *,
    gpus: Annotated[
        Path | None,
        typer.Option(
            "--gpus",
            exists=True,
            dir_okay=False,
            help="A YAML file of the cluster's NodePools and GpuServers: wishes for GPUs are checked by it.",
        ),
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            envvar="HEADRACE_KUBECONFIG",
            exists=True,
            dir_okay=False,
            help="Check wishes for GPUs by the cluster of its current context.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check functions: schema, files, and rings of outputs and inputs across all of them. Exit 1: faults.

    Hints tell of what is allowed but seldom meant, as a prefix that takes the folders beside one too.
    With `--gpus` or `--kubeconfig` also whether the cluster has a way to the GPUs that they wish for.
    """
    folders = [folder for path in paths or [Path("functions")] for folder in _folders(path)]
    once = {folder.resolve(): folder for folder in reversed(folders)}  # of one named twice, as named first
    examined = examine(once[folder] for folder in sorted(once))
    cycles = find_cycles(each.function for each in examined.installed)
    inventory = _inventory(gpus, kubeconfig)
    ways = {} if inventory is None else _ways(examined, inventory)
    unmet = [choice for choice in ways.values() if not choice.way.taken]
    if json:
        typer.echo(json_text.dumps(_document(examined, cycles) | _gpu_document(ways), indent=2))
    else:
        _print(examined, cycles, ways)
    if examined.faults or cycles or unmet:
        raise typer.Exit(1)


def _inventory(gpus: Path | None, kubeconfig: Path | None) -> Inventory | None:
    """What the cluster has, where it is told; a file goes before a cluster."""
    if gpus is not None:
        return inventory_of(*load_gpu_ground(gpus))
    return None if kubeconfig is None else asyncio.run(gpu_objects(kubeconfig)).inventory


def _ways(examined: Examined, inventory: Inventory) -> Mapping[str, Choice]:
    """By function that wishes for a GPU."""
    wishing = [each.function for each in examined.installed if each.function.spec.gpu is not None]
    return {function.name: choose_way(function, inventory) for function in wishing}


def _gpu_document(ways: Mapping[str, Choice]) -> dict[str, object]:
    return {"gpus": {name: {"ok": each.way.taken, "told": each.told} for name, each in ways.items()}}


def _folders(path: Path) -> Sequence[Path]:
    return (path,) if (path / FILE_NAME).is_file() else function_folders(path)


def _print(examined: Examined, cycles: Sequence[Cycle], ways: Mapping[str, Choice]) -> None:
    for fault in examined.faults:
        typer.echo(str(fault), err=True)
    for cycle in cycles:
        typer.echo(f"cycle: {cycle}", err=True)
    for name, choice in ways.items():
        word = "gpu" if choice.way.taken else "no gpu"
        typer.echo(f"{name}: {word}: {choice.told}", err=not choice.way.taken)
    for each in examined.installed:
        typer.echo(f"{each.function.name}: sound ({each.folder}, digest {each.digest[:12]})")
        for hint in hints_of(each.function):
            typer.echo(f"{each.function.name}: hint: {hint}", err=True)
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
        "hints": [
            {"function": each.function.name, "message": hint}
            for each in examined.installed
            for hint in hints_of(each.function)
        ],
    }
