"""`headrace gpu assess`: the same files by each way to a GPU that a cluster has, measured and compared."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headrace.assessment.candidates import NAMES, candidates
from headrace.assessment.plan import Plan, planned
from headrace.assessment.result import Assessment
from headrace.assessment.running import Assessor, Ground, Patience, Tell
from headrace.catalog.deployed import function_of
from headrace.cli.drawing import drawing, needed_extra
from headrace.cli.gpu_assess_words import intent_of, told_assessment, told_plan
from headrace.cli.options import DryRun, Json, Kubeconfig
from headrace.cli.output import err, out, print_json
from headrace.cli.target import files_of
from headrace.connect.cluster import ClusterOptions, connected, place_of
from headrace.gpu.backends.table import backends
from headrace.kube.kinds import FUNCTIONS
from headrace.kube.lightkube import LightKube
from headrace.kube.naming import key_of
from headrace.kube.port import Kube, Selection
from headrace.local.signals import cancel_on_signals
from headrace.local.state import StateDirectory
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.function import Access, Function, Gpu
from headrace.model.settings import KubernetesSettings, Settings
from headrace.operations.gpus import read_objects
from headrace.storage.s3 import S3Storage

ALL = tuple(access.value for access in Access)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    function: str
    files: tuple[tuple[Path, str], ...]
    ways: tuple[str, ...]
    repeat: int
    workers: int


def assess(
    kubeconfig: Kubeconfig,
    function: Annotated[str, typer.Option(help="The function, as it is deployed there.")],
    files: Annotated[list[Path], typer.Option(help="A file, or a folder of them; may be given repeatedly.")],
    way: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Only this way, of {', '.join(NAMES)}; may be given repeatedly. [default: all GPUs]"
        ),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Work each file so many times by each way.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="So many workers at once.")] = 1,
    start_timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds in which a way's workers have to run, nodes' boots included."),
    ] = Patience().start,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds in which all files of one way have to end.")
    ] = Patience().work,
    namespace: Annotated[str, typer.Option(help="The platform's namespace.")] = "headrace",
    plot: Annotated[
        Path | None, typer.Option(help="Draw the comparison into this .svg or .png file.")
    ] = None,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Compare the ways to a GPU that a cluster has, by the same files: seconds, rates, GPU seconds, price.

    One way after the other, a copy of the function works them, with as many workers from the start to the
    end, in a bucket of the comparison's own; all of that is removed again, also after Ctrl-C. `--way cpu` is
    a run without any GPU. It needs the right to make and delete functions and buckets, to read what is in
    the cluster, and what `headrace connect` needs; nodes that are ordered for it cost what they cost.
    Exit code 1: by some way not every file has a result.
    """
    asked = Asked(function, tuple(files_of(files)), tuple(way or ALL), repeat, workers)
    draw = None
    if plot is not None:
        with needed_extra("gpu assess --plot"):
            from headrace.assessment.plot import picture  # noqa: PLC0415  (needs the extra)
        draw = drawing(plot, picture)
    patience = Patience(start=start_timeout, work=timeout)
    try:
        found = asyncio.run(_found(kubeconfig, namespace, asked, None if dry_run else patience))
    except asyncio.CancelledError as error:
        err().print("interrupted; what was made for it is removed")
        raise typer.Exit(130) from error
    tell(found, draw, as_json=as_json)
    if isinstance(found, Assessment) and not found.good:
        raise typer.Exit(1)


def tell(found: Plan | Assessment, draw: Callable[[Assessment], None] | None, *, as_json: bool) -> None:
    """Print it, then draw it: a picture that can't be written costs no figure. Raises ConfigurationError."""
    if as_json:
        print_json(found if isinstance(found, Assessment) else intent_of(found))
    else:
        console = out()
        for part in told_assessment(found) if isinstance(found, Assessment) else told_plan(found):
            console.print(part)
    if draw is not None and isinstance(found, Assessment):
        draw(found)


async def _found(
    kubeconfig: Path, namespace: str, asked: Asked, patience: Patience | None
) -> Plan | Assessment:
    """The comparison; without patience only what it would be."""
    cancel_on_signals()
    with TemporaryDirectory(prefix="headrace-assess-") as folder:
        options = ClusterOptions(kubeconfig.resolve(), namespace, StateDirectory(Path(folder)))
        async with connected(options) as settings, _adapters(settings) as ground:
            plan = await _planned(ground.kube, place_of(settings), asked)
            if patience is None:
                return plan
            with _progress(len(plan.files)) as tell:
                return await Assessor(plan, ground, patience, tell).run()


@asynccontextmanager
async def _adapters(settings: Settings) -> AsyncIterator[Ground]:
    kube, storage = LightKube.of(place_of(settings)), S3Storage(settings.storage)
    try:
        yield Ground(kube, storage, settings.platform_bucket, backends(), time.time)
    finally:
        await kube.close()
        await storage.close()


async def _planned(kube: Kube, place: KubernetesSettings, asked: Asked) -> Plan:
    function = await _function(kube, place.namespace, asked.function)
    inventory = (await read_objects(kube)).inventory
    return planned(
        function,
        candidates(wish_of(function), inventory, asked.ways),
        asked.files,
        identity=secrets.token_hex(4),
        namespace=place.namespace,
        repeat=asked.repeat,
        workers=asked.workers,
    )


async def _function(kube: Kube, namespace: str, name: str) -> Function:
    try:
        return function_of(await kube.get(FUNCTIONS, name, namespace=namespace))
    except NotFoundError as error:
        there = (await kube.list(FUNCTIONS, Selection(namespace))).items
        names = ", ".join(key_of(each)[1] for each in there) or "none"
        raise NotFoundError(f"function {name!r} is not deployed in {namespace}; deployed: {names}") from error


def wish_of(function: Function) -> Gpu:
    """What it asks for. Raises ConfigurationError where it asks for no GPU."""
    if function.spec.gpu is None:
        raise ConfigurationError(
            f"function {function.name!r}: found no spec.gpu, allowed one, whose count and memory every way "
            "has to meet; add it, with any access, and deploy the function again"
        )
    return function.spec.gpu


@contextmanager
def _progress(files: int) -> Iterator[Tell]:
    """A bar on a terminal's stderr."""
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task("", total=files)
        yield lambda what, ended: bar.update(line, description=what, completed=ended)
