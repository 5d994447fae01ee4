"""`headrace gpus`: a cluster's GPUs, local and remote, who uses them, and what is free."""

import asyncio
from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from headrace.cli.options import Json, Kubeconfig
from headrace.cli.output import out, print_json, quiet_table
from headrace.connect.gpus import gpu_objects
from headrace.operations.gpus import Gpus, LocalOffer, ServerState, Use, gpus_of
from headrace.placement.ways import gibibytes

BAR = 20  # characters


def gpus(kubeconfig: Kubeconfig, *, as_json: Json = False) -> None:
    """List a cluster's GPUs: those of its pools' nodes, and those of GPU servers.

    What is free is read from the cluster itself: of nodes from what their pods asked for, of servers from
    resource slices and allocated claims. It needs the right to read pools, nodes, pods, GPU servers, slices
    and claims. No other kubeconfig than the one named is read.
    """
    found = gpus_of(asyncio.run(gpu_objects(kubeconfig)))
    if as_json:
        print_json(found)
    else:
        out().print(Group(*shown(found)))


def shown(found: Gpus) -> Iterator[Table | Text]:
    """Two tables; a word in the place of one that would be empty."""
    yield Text("On nodes", style="bold")
    yield _local(found.local) if found.local else Text("  no pool has GPUs")
    yield Text("\nOn servers", style="bold")
    yield _servers(found.servers) if found.servers else Text("  no GPU server is declared")


def _local(offers: Sequence[LocalOffer]) -> Table:
    table = quiet_table("pool", "way", "resource", "memory", "in use", "free", "used by")
    for each in offers:
        memory = "not told" if each.memory_bytes is None else gibibytes(each.memory_bytes)
        used = each.total - each.free
        total = f"{each.free} of {each.total} on {each.nodes} nodes"
        table.add_row(
            each.pool, each.access, each.resource, memory, _bar(used, each.total), total, _users(each.uses)
        )
    return table


def _servers(servers: Sequence[ServerState]) -> Table:
    table = quiet_table("server", "gpu", "model", "in use", "free", "sessions", "used by")
    for server in servers:
        style = "red" if server.trouble else ""
        backend = f"{server.name} ({server.backend}, isolation {server.isolation})"
        table.add_row(Text(backend, style=style), "", "", "", "", "", Text(server.trouble, style="red"))
        for gpu in server.gpus:
            used = gpu.memory_bytes - gpu.free_bytes
            free = f"{gibibytes(gpu.free_bytes)} of {gibibytes(gpu.memory_bytes)}"
            sessions = f"{len(gpu.uses)} of {gpu.sessions}"
            bar = _bar(used, gpu.memory_bytes)
            table.add_row(
                f"  {server.address}", str(gpu.number), gpu.model, bar, free, sessions, _users(gpu.uses)
            )
    return table


def _bar(used: int, total: int) -> Text:
    """So much of it is in use."""
    filled = round(BAR * used / total) if total else 0
    filled = max(filled, 1 if used else 0)
    return Text.assemble(("█" * filled, "cyan"), ("░" * (BAR - filled), "dim"))


def _users(uses: Sequence[Use]) -> str:
    return ", ".join(use.pod for use in uses)
