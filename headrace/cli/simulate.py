"""`headrace simulate`: what a load will cost and how long files will wait, before money is spent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn

from headrace.catalog.folder import load_folder
from headrace.catalog.pools import load_pools, load_tenants
from headrace.cli.drawing import drawing, needed_extra
from headrace.cli.options import Json
from headrace.cli.output import err, out, print_json
from headrace.cli.simulate_words import answer, optimum_of, table_of, tenants_of
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.simulation.generators import WORKLOADS
from headrace.scaler.simulation.policies import POLICIES
from headrace.scaler.simulation.report import Report
from headrace.scaler.simulation.scenario import Faults, given_to
from headrace.scaler.simulation.trace import Trace, read_trace

ALL = "all"
USUAL_WAIT_WORTH = ScalerSettings().wait_worth
LEAST_COLUMNS = 120  # of the table: a narrower terminal breaks its lines, but no figure is cut


Pools = Annotated[Path, typer.Option(help="A YAML file of NodePools: what nodes are, and their price.")]
Functions = Annotated[Path, typer.Option(help="The folder of functions.")]
TraceFile = Annotated[
    Path | None, typer.Option(help="A CSV file: time_seconds,function,bytes,service_seconds.")
]
Workload = Annotated[
    str | None,
    typer.Option(help=f"Instead of a trace, a made day for your functions: {', '.join(WORKLOADS)}."),
]
Tenants = Annotated[
    Path | None, typer.Option(help="A YAML file of tenants, by which functions of their namespaces share.")
]
Policies = Annotated[
    str, typer.Option(help=f"What to compare, the first in full: {','.join(POLICIES)}; or all.")
]
Plot = Annotated[Path | None, typer.Option(help="Draw the first seed's run into this .svg or .png file.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the made day, and of the faults.")]
Seeds = Annotated[
    int, typer.Option(min=1, help="So many seeds from --seed on: medians, the worst in brackets.")
]
BootFailures = Annotated[float, typer.Option(min=0, max=1, help="Share of the boots that fail, 0 to 1.")]
BootSpread = Annotated[
    float, typer.Option(min=0, help="Coefficient of variation of the seconds that boots take.")
]
DeviceDelay = Annotated[
    float, typer.Option(min=0, help="Seconds from a node's joining until its devices are there.")
]
NodeDeaths = Annotated[
    float, typer.Option(min=0, help="How often an hour a node that is on dies under its work.")
]
BelievedService = Annotated[
    float, typer.Option(min=0.01, help="What is believed of seconds a file at first, times the truth.")
]
WaitWorth = Annotated[
    float, typer.Option(min=0, help="Headrace's waitWorth: node-seconds for a second of a waiting file.")
]


def simulate(
    pools: Pools,
    functions: Functions = Path("functions"),
    trace: TraceFile = None,
    workload: Workload = None,
    tenants: Tenants = None,
    policy: Policies = ALL,
    plot: Plot = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    boot_failures: BootFailures = 0.0,
    boot_spread: BootSpread = 0.0,
    device_delay: DeviceDelay = 0.0,
    node_deaths: NodeDeaths = 0.0,
    believed_service: BelievedService = 1.0,
    wait_worth: WaitWorth = USUAL_WAIT_WORTH,
    *,
    as_json: Json = False,
) -> None:
    """Tell what a load will cost and how long files will wait, beside other autoscalers and the optimum.

    The decisions are those of the running scaler, on virtual time. It needs headrace[simulate].
    """
    with needed_extra("simulate"):
        from headrace.scaler.simulation.compare import Case, compare  # noqa: PLC0415  (needs the extra)
        from headrace.scaler.simulation.plot import picture  # noqa: PLC0415  (needs the extra)
    draw = drawing(plot, picture) if plot is not None else None
    installed = [each.function for each in load_folder(functions)]
    case = Case(
        str(trace or workload),
        traces_of(trace, workload, installed),
        installed,
        load_pools(pools),
        Faults(boot_failures, boot_spread, device_delay, node_deaths, believed_service),
        ScalerSettings(wait_worth=wait_worth),
        policies_of(policy),
        load_tenants(tenants) if tenants is not None else (),
    )
    with _progress(silent=as_json) as watch:
        report = compare(case, range(seed, seed + seeds), watch)
    if draw is not None:
        draw(report.runs[0])
    if as_json:
        print_json(report.document())
    else:
        _print(report, plot)


def policies_of(text: str) -> Sequence[str]:
    """The policies of the option, each once. Raises ConfigurationError that names every unknown one."""
    names = tuple(POLICIES) if text == ALL else tuple(dict.fromkeys(text.replace(" ", "").split(",")))
    if unknown := [repr(name) for name in names if name not in POLICIES]:
        raise ConfigurationError(
            f"--policy: found {', '.join(unknown)}, allowed {', '.join(POLICIES)}, or {ALL} alone; "
            "separate several by commas"
        )
    return names


def traces_of(
    trace: Path | None, workload: str | None, functions: Sequence[Function]
) -> Callable[[int], Trace]:
    """The trace of each seed: the file's, or a made one. Raises ConfigurationError unless one is given."""
    if (trace is None) == (workload is None):
        found = "neither" if trace is None else "both"
        raise ConfigurationError(f"found {found}, allowed either --trace or --workload; give one of them")
    if trace is not None:
        read = read_trace(trace)
        return lambda _: read
    make = WORKLOADS.get(str(workload))
    if make is None:
        raise ConfigurationError(
            f"--workload: found {workload!r}, allowed {', '.join(WORKLOADS)}; name one of them"
        )
    return lambda seed: given_to(make(seed), functions)


@contextmanager
def _progress(*, silent: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal's stderr."""
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn())
    disabled = silent or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        line = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(line, description=what, completed=share)


def _print(report: Report, plot: Path | None) -> None:
    console = out()
    console.print(table_of(report), width=max(console.width, LEAST_COLUMNS))
    console.print()
    if shares := tenants_of(report):
        console.print(shares, width=max(console.width, LEAST_COLUMNS))
        console.print()
    console.print(optimum_of(report.runs[0]))
    for sentence in answer(report):
        console.print(sentence)
    if report.simulated.unused_pools:
        names = ", ".join(report.simulated.unused_pools)
        console.print(f"Left out, as no function of the trace may use them: {names}.")
    if plot is not None:
        console.print(f"Drawn: {plot}")
