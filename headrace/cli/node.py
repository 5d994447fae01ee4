"""`headrace node …`: which nodes there are, and which of them may take work."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.table import Table
from rich.text import Text

from headrace.cli.completing import node_names
from headrace.cli.deferred import DeferringGroup, Entry
from headrace.cli.options import DEFAULT_STATE, DryRun, Json, State
from headrace.cli.output import duration, out, print_json
from headrace.cli.session import read_explanation, read_told
from headrace.files.wishes import WishesFile, wish
from headrace.local.remembering import MemoryFile
from headrace.local.state import StateDirectory
from headrace.model.errors import NotFoundError
from headrace.scaler.explaining import NodeStory

COMMANDS = (
    Entry(
        "list", "headrace.cli.node", "list_nodes",
        "List nodes: their state, workers, and why they are as they are.",
        "headrace node list",
    ),
    Entry(
        "enable", "headrace.cli.node", "enable",
        "Let a node take work again.",
        "headrace node enable local",
    ),
    Entry(
        "disable", "headrace.cli.node", "disable",
        "Let a node take no new work; what it computes goes on.",
        "headrace node disable local --dry-run",
    ),
)  # fmt: skip

NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The node's name.", autocompletion=node_names)]


class _Commands(DeferringGroup):
    entries: ClassVar[tuple[Entry, ...]] = COMMANDS


app = typer.Typer(cls=_Commands, no_args_is_help=True, help="List nodes, and keep one from taking work.")


@app.callback()
def _node() -> None:
    """List nodes, and keep one from taking work."""


@dataclass(frozen=True, slots=True)
class NodeList:
    """The nodes of a running stack, at a moment (seconds since the epoch)."""

    at: float
    nodes: tuple[NodeStory, ...]


@dataclass(frozen=True, slots=True)
class Enabling:
    """What was done to a node, or would be."""

    node: str
    dry_run: bool
    was_enabled: bool
    enabled: bool


def list_nodes(state: State = DEFAULT_STATE, *, as_json: Json = False) -> None:
    """List nodes: their state, workers, and why they are as they are. Exit code 3: no stack runs."""
    found = read_explanation(state)
    if as_json:
        print_json(NodeList(found.at, found.nodes))
    else:
        out().print(_table(NodeList(found.at, found.nodes), time.time()))


def enable(
    node: NodeName, state: State = DEFAULT_STATE, *, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Let a node take work again. Exit code 3: there is no such node."""
    _able(node, state, enabled=True, dry_run=dry_run, as_json=as_json)


def disable(
    node: NodeName, state: State = DEFAULT_STATE, *, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Let a node take no new work: workers on it finish what they compute, and hand back the rest.

    Files that need longer than 20 seconds more begin anew elsewhere or later. It survives a restart, and
    works on a stack that does not run as well; `headrace node enable` ends it. Exit code 3: there is no
    such node.
    """
    _able(node, state, enabled=False, dry_run=dry_run, as_json=as_json)


def _able(node: str, state: Path, *, enabled: bool, dry_run: bool, as_json: bool) -> None:
    known = _known(state)
    if node not in known:
        names = ", ".join(known) or "none; a stack that has never run on this folder knows no node"
        raise NotFoundError(f"node {node!r} is not known; known: {names}")
    if not dry_run:
        wish(StateDirectory(state).wishes, node, enabled=enabled)
    _print(Enabling(node, dry_run, known[node], enabled), as_json=as_json)


def _known(state: Path) -> Mapping[str, bool]:
    """Node -> whether it may be used: as people last wished, or as it was."""
    folder = StateDirectory(state)
    if read_told(state) is not None:
        nodes = {node.name: node.enabled for node in read_explanation(state).nodes}
    else:
        pools = MemoryFile(folder.memory).read().pools.values()
        nodes = {node.name: node.enabled for pool in pools for node in pool.nodes}
    wishes = WishesFile(folder.wishes).enabled()
    return {name: wishes.get(name, enabled) for name, enabled in nodes.items()}


def _print(change: Enabling, *, as_json: bool) -> None:
    if as_json:
        print_json(change)
        return
    verb = "would be" if change.dry_run else "is"
    already = " already" if change.was_enabled is change.enabled else ""
    out().print(f"{change.node} {verb} {'enabled' if change.enabled else 'disabled'}{already}")


def _table(found: NodeList, now: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "pool", "state", "for", "workers", "because"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"for", "workers"} else "left")
    for node in found.nodes:
        state = Text(node.state) if node.enabled else Text(f"{node.state}, disabled", style="yellow")
        workers = sum((node.workers or {}).values())
        since = duration(max(0.0, now - node.since))
        table.add_row(Text(node.name, style="cyan"), node.pool, state, since, str(workers), node.reason.text)
    return table
