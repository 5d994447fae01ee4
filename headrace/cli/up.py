"""`headrace up`: the embedded stack, until Ctrl-C."""

import asyncio
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from headrace.catalog.folder import Installed, load_folder
from headrace.cli.browsing import OpenPage, is_wished, open_page
from headrace.cli.options import DEFAULT_STATE, State
from headrace.cli.output import counted
from headrace.local.provision import page_address
from headrace.local.signals import cancel_on_signals
from headrace.local.stack import RUNTIME, StackOptions, cores_of_this_machine, running_stack
from headrace.local.state import StateDirectory
from headrace.model.settings import Settings
from headrace.model.trace import TraceSettings


def up(
    state: State = DEFAULT_STATE,
    functions: Annotated[Path, typer.Option(help="The folder of functions.")] = Path("functions"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Cores for workers; without it, all of this machine.")
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An OpenTelemetry collector that gets a trace of each file; it is kept.",
        ),
    ] = None,
    *,
    browser: OpenPage = None,
) -> None:
    """Start object store, queue, receiver, API, status page and workers here, and run them until Ctrl-C.

    What is in the store and in the queue outlives the stack: start it again on the same state.
    """
    options = StackOptions(
        StateDirectory(state.resolve()),
        functions.resolve(),
        workers or cores_of_this_machine(),
        trace=_collector(trace) if trace is not None else None,
    )
    load_folder(options.functions)  # faults are told before anything starts
    console = Console(highlight=False, soft_wrap=True)
    asyncio.run(_run(options, console, opens=is_wished(browser, terminal=console.is_terminal)))


def _collector(endpoint: str) -> TraceSettings:
    try:
        return TraceSettings(endpoint=endpoint)
    except ValidationError as error:
        raise typer.BadParameter(
            f"found {endpoint!r}, allowed http://HOST:PORT or https://HOST:PORT of an OTLP/HTTP collector",
            param_hint="--trace",
        ) from error


async def _run(options: StackOptions, console: Console, *, opens: bool) -> None:
    cancel_on_signals()
    warn_on_terminal()
    try:
        with console.status("starting the object store, the queue and the receiver") as status:
            async with running_stack(options) as stack:
                status.stop()
                console.print(Group(*welcome(stack.settings, options)))
                if opens and not await asyncio.to_thread(open_page, options.state.page):
                    console.print("no browser took the status page; open its address in one")
                await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print(f"stopped; everything is kept in [bold]{escape(str(options.state.path))}[/]")


def warn_on_terminal() -> None:
    """Show warnings as text; the whole log is in the state folder."""
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    logging.getLogger().addHandler(terminal)


def welcome(settings: Settings, options: StackOptions) -> list[RenderableType]:
    """What a person needs to use the stack."""
    client = options.state.client
    return [
        Text.from_markup("[bold]Headrace is up.[/]  Ctrl-C stops it; files and results are kept.\n"),
        _facts(settings, options),
        Text.from_markup("\n[bold]Any S3 client works.[/]  For the AWS command line, boto3 and others:"),
        Text(f"  . {shlex.quote(str(client))}", style="cyan"),
        *(Text(line, style="cyan") for line in _client_lines(load_folder(options.functions))),
        Text(
            "  boto3.client('s3')   # in Python: it reads the same variables\n",
            style="cyan",
        ),
    ]


def store_facts(settings: Settings, state: StateDirectory) -> Table:
    """What an S3 client needs to know; rows may follow."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("S3 endpoint", Text(settings.storage.endpoint))
    table.add_row("access key", Text(settings.storage.access_key))
    table.add_row("secret key", Text(f"in {state.client} (mode 0600)"))
    return table


def _facts(settings: Settings, options: StackOptions) -> Table:
    table = store_facts(settings, options.state)
    if page := page_address(settings):
        table.add_row("status page", Text(f"{page}  (to act on it, open {options.state.page})"))
    if settings.api is not None:
        table.add_row("OSCAR's API", Text(f"http://{settings.api.host}:{settings.api.port}"))
        table.add_row("API user", Text(f"{settings.api.users[0].name}, password in {options.state.client}"))
    table.add_row("functions", Text("\n".join(_routes(load_folder(options.functions))) or "none yet"))
    table.add_row("workers", Text(f"0 to as many as {counted(options.cores, 'core')} hold, as files wait"))
    table.add_row(
        f"runtime: {RUNTIME}",
        Text("no containers: functions run as processes of this user, with this user's rights"),
    )
    table.add_row("state", Text(str(options.state.path)))
    return table


def _routes(installed: Sequence[Installed]) -> list[str]:
    lines = []
    for each in installed:
        spec = each.function.spec
        sources = ", ".join(f"s3://{i.bucket}/{i.prefix}*" for i in spec.input)
        targets = ", ".join(f"s3://{o.bucket}/{o.prefix}" for o in spec.output) or "no output"
        lines.append(f"{each.function.name}: {sources} -> {targets}")
    return lines


def _client_lines(installed: Sequence[Installed]) -> list[str]:
    if not installed:
        return []
    source = installed[0].function.spec.input[0]
    return [f"  aws s3 cp FILE s3://{source.bucket}/{source.prefix}"]
