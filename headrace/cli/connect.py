"""`headrace connect`: a cluster's stack for this machine's commands, until Ctrl-C."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from headrace.cli.browsing import OpenPage, is_wished, open_page
from headrace.cli.options import DEFAULT_STATE, Kubeconfig, State
from headrace.cli.up import store_facts, warn_on_terminal
from headrace.connect.cluster import ClusterOptions, connected
from headrace.local.provision import page_address
from headrace.local.signals import cancel_on_signals
from headrace.local.state import StateDirectory
from headrace.model.settings import Settings


def connect(
    kubeconfig: Kubeconfig,
    namespace: Annotated[str, typer.Option(help="The platform's namespace.")] = "headrace",
    state: State = DEFAULT_STATE,
    *,
    browser: OpenPage = None,
) -> None:
    """Make a cluster's stack reachable for the other commands on this machine, until Ctrl-C.

    Store, queue and, where the stack has one, the status page are forwarded by kubectl; settings,
    functions and the scaler's plan are kept in the state folder, which the other commands read as they
    read that of `headrace up`. It needs the right to read the secret headrace-operator and to forward ports
    in the platform's namespace. No other kubeconfig than the one named is read.
    """
    options = ClusterOptions(kubeconfig.resolve(), namespace, StateDirectory(state.resolve()))
    console = Console(highlight=False, soft_wrap=True)
    asyncio.run(_run(options, console, opens=is_wished(browser, terminal=console.is_terminal)))


async def _run(options: ClusterOptions, console: Console, *, opens: bool) -> None:
    cancel_on_signals()
    warn_on_terminal()
    try:
        with console.status("connecting") as status:
            async with connected(options) as settings:
                status.stop()
                console.print(Group(*_welcome(settings, options)))
                if opens and settings.status is not None:
                    await asyncio.to_thread(open_page, options.state.page)
                await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print("disconnected; the stack goes on")


def _welcome(settings: Settings, options: ClusterOptions) -> list[Text | Table]:
    table = store_facts(settings, options.state)
    if page := page_address(settings):
        table.add_row("status page", Text(f"{page}  (to act on it, open {options.state.page})"))
    table.add_row("state", Text(str(options.state.path)))
    return [
        Text.from_markup("[bold]Connected.[/]  Ctrl-C ends the connection, not the stack.\n"),
        table,
        Text(f"\nIn another terminal: headrace status --state {options.state.path}"),
    ]
