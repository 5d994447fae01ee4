"""`headrace doctor`: what is wrong with a stack, this machine or a cluster, and what to do about it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from headrace.catalog.folder import examine, function_folders
from headrace.cli.docs import docs_base
from headrace.cli.doctor_words import asking, checkup_document, shown
from headrace.cli.options import DEFAULT_STATE, Json, State
from headrace.cli.output import out, print_json
from headrace.cli.session import read_explanation, read_told
from headrace.connect.cluster import ClusterOptions, connected
from headrace.connect.following import read_objects
from headrace.doctor import cluster
from headrace.doctor.asking import ask
from headrace.doctor.bundle import write_bundle
from headrace.doctor.checkup import Patient, groups
from headrace.doctor.finding import Finding, Ground, Severity, worst_of
from headrace.doctor.probes.cluster import Site, attempt, operator_settings
from headrace.kube.lightkube import LightKube
from headrace.local.state import StateDirectory
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError
from headrace.model.settings import KubernetesSettings, Settings

CONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for. No kubeconfig: the stack of the state folder, which may be a cluster's."""

    state: Path
    functions: Path
    kubeconfig: Path | None
    namespace: str
    write: bool


def doctor(
    state: State = DEFAULT_STATE,
    functions: Annotated[
        Path, typer.Option(help="The folder of functions, where no stack names one.")
    ] = Path("functions"),
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            envvar="HEADRACE_KUBECONFIG",
            exists=True,
            dir_okay=False,
            help="Examine the cluster of its current context, instead of the stack in the state folder.",
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="The platform's namespace, with --kubeconfig.")] = "headrace",
    write: Annotated[
        bool,
        typer.Option("--write", help="Also try to write: what is put is removed, and starts no function."),
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Also show what is well, and what was skipped.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Also write a .tar.gz for whoever helps: findings, settings without secrets, logs."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for what is wrong, and tell what to do: machine, queue, store, rights, clocks, nodes, GPUs.

    Every finding has a code that never changes its meaning, and a place in docs/doctor.md. Nothing is
    changed, and no secret is shown. Exit code 0: nothing is wrong, perhaps with warnings; 1: faults were
    found; 2: it could not be asked.
    """
    if bundle is not None and bundle.exists():
        raise ConfigurationError(f"{bundle} exists and is left as it is; name another file with --bundle")
    wanted = Wanted(state, functions, kubeconfig, namespace, write)
    logging.getLogger("headrace").addHandler(logging.NullHandler())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    patient, findings = asyncio.run(_examine(wanted))
    if as_json:
        print_json(checkup_document(findings, at=time.time(), client=patient.client, base=docs_base()))
    else:
        out().print(shown(findings, ground=patient.ground, base=docs_base(), everything=all_))
    if bundle is not None:
        write_bundle(bundle, patient, findings)
        typer.echo(f"wrote {bundle}: look through it before you send it", err=True)
    raise typer.Exit(exit_code(findings))


def exit_code(findings: Sequence[Finding]) -> int:
    """0: nothing is wrong; 1: faults; 2: the cluster could not be asked."""
    unasked = any(f.code == cluster.REACH.code and f.severity is Severity.FAULT for f in findings)
    if unasked:
        return 2
    return 1 if worst_of(findings) is Severity.FAULT else 0


async def _examine(wanted: Wanted) -> tuple[Patient, Sequence[Finding]]:
    async with AsyncExitStack() as closing:
        with asking() as progress:
            progress.say("finding out what there is")
            patient = await closing.enter_async_context(_patient(wanted))
            asked = groups(patient)
            progress.begin([each.name for each in asked])
            return patient, await ask(asked, lambda group, _: progress.done(group.name))


@asynccontextmanager
async def _patient(wanted: Wanted) -> AsyncIterator[Patient]:
    """What is to be examined, reached for as long as the block runs."""
    if wanted.kubeconfig is not None:
        async with _cluster(wanted, wanted.kubeconfig) as found:
            yield found
        return
    settings, trouble = _settings(wanted.state)
    if settings is not None and settings.kubernetes is not None:
        async with _connected(wanted, settings, settings.kubernetes) as found:
            yield found
        return
    yield _embedded(wanted, settings, trouble)


def _settings(state: Path) -> tuple[Settings | None, HeadraceError | None]:
    """Those in the folder, or why they can't be read; neither, where there is no stack."""
    try:
        return StateDirectory(state).read_settings(), None
    except HeadraceError as error:
        return None, error
    except OSError as error:
        return None, ConfigurationError(f"{StateDirectory(state).settings} can't be read: {error.strerror}")


def _embedded(wanted: Wanted, settings: Settings | None, trouble: HeadraceError | None) -> Patient:
    folder = Path(settings.functions_directory) if settings else wanted.functions
    try:
        examined = examine(function_folders(folder))
    except ConfigurationError:
        examined = None
    told = read_told(wanted.state)
    try:
        explained = read_explanation(wanted.state)
    except NotFoundError:
        explained = None
    unreached = (
        "there is no stack yet" if settings is None else "the stack does not run" if told is None else ""
    )
    return Patient(
        Ground(str(wanted.state), str(folder)),
        version("headrace"),
        settings,
        functions=examined.installed if examined else (),
        unreached=unreached,
        trouble=trouble,
        told=told,
        explained=explained,
        examined=examined,
        writes=wanted.write,
    )


@asynccontextmanager
async def _connected(wanted: Wanted, settings: Settings, place: KubernetesSettings) -> AsyncIterator[Patient]:
    """A cluster whose ports `headrace connect` forwards to the state folder's addresses."""
    kube = LightKube.of(place)
    try:
        living = read_told(wanted.state) is not None
        yield Patient(
            Ground(
                str(wanted.state), settings.functions_directory, place.kubeconfig, place.platform_namespace
            ),
            version("headrace"),
            settings,
            functions=read_objects(Path(settings.functions_directory), place),
            unreached="" if living else "`headrace connect` does not run on the state folder",
            site=Site(kube, kube, place.platform_namespace, place.namespaces),
            writes=wanted.write,
        )
    finally:
        await kube.close()


@asynccontextmanager
async def _cluster(wanted: Wanted, kubeconfig: Path) -> AsyncIterator[Patient]:
    """A cluster that is connected for this command; where that can't be, the rest is examined."""
    space, path = wanted.namespace, str(kubeconfig.resolve())
    kube = LightKube.of(KubernetesSettings(namespace=space, platform_namespace=space, kubeconfig=path))
    found = await attempt(operator_settings(kube, space))
    place = None if isinstance(found, HeadraceError) else found.kubernetes
    spaces = place.namespaces if place is not None else (space,)
    patient = Patient(
        Ground(str(wanted.state), str(wanted.functions), path, space),
        version("headrace"),
        trouble=_platform_trouble(found, space),
        site=Site(kube, kube, space, spaces),
        writes=wanted.write,
    )
    async with AsyncExitStack() as closing:
        closing.push_async_callback(kube.close)
        if isinstance(found, HeadraceError):
            yield replace(patient, unreached=f"the platform's settings can't be read: {found}")
            return
        folder = closing.enter_context(TemporaryDirectory(prefix="headrace-doctor-"))
        options = ClusterOptions(kubeconfig.resolve(), space, StateDirectory(Path(folder)))
        yield await _reached(patient, options, closing)


def _platform_trouble(found: Settings | HeadraceError, namespace: str) -> HeadraceError | None:
    if isinstance(found, NotFoundError):
        return NotFoundError(f"namespace {namespace} has no platform: {found}")
    return found if isinstance(found, HeadraceError) else None


async def _reached(patient: Patient, options: ClusterOptions, closing: AsyncExitStack) -> Patient:
    """With store and queue forwarded to this machine; without them, where that can't be."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            settings = await closing.enter_async_context(connected(options))
    except (HeadraceError, TimeoutError) as error:
        told = str(error) or f"no answer within {CONNECT_SECONDS:g} s"
        return replace(patient, unreached=f"store and queue can't be reached from here: {told}")
    functions = read_objects(Path(settings.functions_directory), settings.kubernetes)
    return replace(patient, settings=settings, functions=functions, unreached="")
