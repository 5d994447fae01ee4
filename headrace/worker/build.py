"""Puts a worker together from a function, its settings and the two servers' adapters."""

import os
import secrets as random_ids
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from headrace.catalog.folder import Installed
from headrace.manifests.worker_pod import GPU_VARIABLE, leaving_seconds
from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from headrace.model.tenancy import qualified
from headrace.model.troubles import Trouble
from headrace.queue.port import Queue
from headrace.storage.port import Storage
from headrace.worker.batches import Batches
from headrace.worker.commit import Ledger
from headrace.worker.finishing import Finisher
from headrace.worker.gpu_watch import Place
from headrace.worker.held import Watch, unwatched
from headrace.worker.identity import Identity
from headrace.worker.leases import Leases
from headrace.worker.runner_port import Runner
from headrace.worker.runner_process import Program, RunnerProcess
from headrace.worker.secrets import Redactor
from headrace.worker.staging import Stager
from headrace.worker.standing import Posture
from headrace.worker.worker import Parts, Worker

GRACE_SECONDS = 20.0  # a stop waits so long for the files in hand, then hands them back
# What a function's process keeps of the worker's environment: nothing else, credentials least of all.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


def worker_name(function: str) -> str:
    """A name that no other worker has."""
    return f"{function}-{socket.gethostname()}-{os.getpid()}-{random_ids.token_hex(3)}"


def name_in_pod(tenant: str, environment: Mapping[str, str]) -> str:
    """The name of a pod's worker: the pod's own, with that of its tenant before it."""
    return qualified(tenant, environment.get("HEADRACE_WORKER") or socket.gethostname())


def runner_environment(
    installed: Installed, inherited: Mapping[str, str], secrets: Mapping[str, str], temporary: Path
) -> dict[str, str]:
    """The environment of a function's process; the function's own variables win, secrets most."""
    threads = str(max(1, installed.function.spec.resources.cpu_millicores // 1000))
    return {
        **{name: inherited[name] for name in KEPT if name in inherited},
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": threads,
        "RESOURCE_ID": socket.gethostname(),
        "HEADRACE_PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
        **installed.function.spec.environment,
        **secrets,
    }


def build_worker(
    installed: Installed,
    settings: Settings,
    storage: Storage,
    queue: Queue,
    *,
    folder: Path,
    secrets: Mapping[str, str],
    now: Callable[[], float],
    sole_parent: bool,
    watch: Watch = unwatched,
) -> Worker:
    """A worker of `installed` on this machine, with its files below `folder`, whose name is the worker's.

    Raises ConfigurationError for a function that can't run on a host.
    """
    run = installed.function.spec.run
    if run.http is not None:
        raise ConfigurationError(
            f"function {installed.function.name!r} has run.http, allowed handler or script on this machine: "
            "an image that serves needs a container, and here functions run on the host; deploy it to a "
            "cluster, or write a handler",
            trouble=Trouble.RUN_ELSEWHERE,
        )
    temporary = folder / "tmp"
    temporary.mkdir()
    program = Program(
        run, installed.folder.resolve(), runner_environment(installed, os.environ, secrets, temporary)
    )
    return assembled(
        identity_of(installed, folder.name, now, runtime="host"),
        settings,
        storage,
        queue,
        folder=folder,
        secrets=secrets,
        new_runner=partial(RunnerProcess, program, sole_parent=sole_parent),
        grace_seconds=GRACE_SECONDS,
        watch=watch,
    )


def build_pod_worker(
    installed: Installed,
    settings: Settings,
    storage: Storage,
    queue: Queue,
    *,
    name: str,
    new_runner: Callable[[], Runner],
    servers: Sequence[Place],
    folder: Path,
    secrets: Mapping[str, str],
    now: Callable[[], float],
    watch: Watch = unwatched,
) -> Worker:
    """A worker of `installed` whose runner is in the pod's other container, with its files below `folder`.

    Told to leave, it takes its time for the batch in hand, as the pod's own grace does. `servers` are those
    whose GPUs the container is known to have.
    """
    identity = identity_of(installed, name, now, runtime="kubernetes")
    return assembled(
        replace(identity, gpu=_gpu_of(servers)),
        settings,
        storage,
        queue,
        folder=folder,
        secrets=secrets,
        new_runner=lambda _: new_runner(),
        grace_seconds=leaving_seconds(installed.function),
        watch=watch,
    )


def _gpu_of(servers: Sequence[Place]) -> str | None:
    """The way that the pod was given, and the servers; None: it has no GPU."""
    way, named = os.environ.get(GPU_VARIABLE), ", ".join(f"{address}:{port}" for address, port in servers)
    return f"{way} {named}".strip() if way else None


def identity_of(installed: Installed, worker: str, now: Callable[[], float], *, runtime: str) -> Identity:
    """Who works under the name `worker`; `runtime` is what records say of where."""
    return Identity(
        installed.function, installed.digest, worker, now, lambda: random_ids.token_hex(8), runtime
    )


def assembled(
    identity: Identity,
    settings: Settings,
    storage: Storage,
    queue: Queue,
    *,
    folder: Path,
    secrets: Mapping[str, str],
    new_runner: Callable[[Path], Runner],
    grace_seconds: float,
    watch: Watch = unwatched,
) -> Worker:
    """A worker around runners of any kind."""
    ledger = Ledger(storage, settings.platform_bucket)
    leases = Leases(identity, folder / "tasks", settings.queue.lease_seconds, watch)
    redactor, buckets = Redactor(secrets), settings.buckets_of(settings.tenant)
    parts = Parts(
        queue=queue,
        leases=leases,
        stager=Stager(storage, ledger, identity, settings.worker.lost_leases),
        batches=Batches(identity, folder, new_runner=new_runner, tell=queue.tell),
        finisher=Finisher(ledger, identity, redactor, buckets, settings.worker.retry_seconds),
        posture=Posture(identity, leases, queue.tell),
    )
    return Worker(parts, prefetch_seconds=settings.worker.prefetch_seconds, grace_seconds=grace_seconds)
