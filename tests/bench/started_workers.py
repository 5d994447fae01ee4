"""Workers started as plain Pods against workers started as Jobs: seconds, and calls of the API server.

A real control plane, and nodes whose pods kwok plays: what is measured is Kubernetes' part alone.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from headrace.kube.kinds import JOBS, PODS, Kind
from headrace.kube.lightkube import LightKube
from headrace.kube.mirror import Mirror
from headrace.kube.port import Kube, Selection
from headrace.manifests.worker_pod import worker_pod
from headrace.model.function import Function
from headrace.model.settings import KubernetesSettings, SidecarSettings
from headrace.operations.concurrently import concurrently
from tests.bench.api_server import calls, until
from tests.bench.figures import Spread, table
from tests.toolchain.cluster import commands
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.keep import Kind as BoxKind
from tests.toolchain.cluster.place import Place
from tests.toolchain.places import Places

ROUNDS = 3
NODES = 30
WORKERS = 300
LIMIT_SECONDS = 300.0  # for each wait
AT_ONCE = 20  # creations under way, as the scaler's
NAMESPACE = "bench"
SETTINGS = KubernetesSettings(
    namespace=NAMESPACE, platform_namespace=NAMESPACE, sidecar=SidecarSettings(image="headrace:bench")
)
FUNCTION = Function.from_json(
    """{"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "echo"},
    "spec": {"image": "echo:bench", "run": {"handler": "echo:Classifier"}, "input": [{"bucket": "uploads"}],
    "resources": {"cpu": "100m", "memory": "64Mi"}}}"""
)


@dataclass
class Figures:
    """One way's samples: seconds to all workers running, to all gone, and calls of the API server."""

    started: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)


async def page(base: Path) -> str:
    """The section of docs/benchmarks.md."""
    ways = await measure(base)
    rows = [
        [name, Spread.of(way.started).told(), Spread.of(way.ended).told(), Spread.of(way.calls).told(0)]
        for name, way in ways.items()
    ]
    return (
        "## Workers as Pods or as Jobs\n\n"
        f"{WORKERS} workers on {NODES} nodes, {ROUNDS} rounds in turn: a real API server, scheduler and Job "
        f"controller, nodes played by kwok, {AT_ONCE} creations at a time. Seconds from the first creation "
        "to the last worker that runs, and from the first deletion to the last that is gone; calls of the "
        "API server for both together.\n\n"
        + table(["", "seconds to run", "seconds to be gone", "API calls"], rows)
        + "\nSo workers are plain Pods: nothing that a Job adds is used, as the queue counts attempts and "
        "the scaler starts again what ended.\n"
    )


async def measure(base: Path) -> dict[str, Figures]:
    """Both ways in turn."""
    started = commands.up(Place(base), BoxKind.CONTROL_PLANE, Places.of(os.environ))
    box = started.box
    kube = LightKube.of(SETTINGS.model_copy(update={"kubeconfig": str(box.kubeconfig)}))
    try:
        _prepare(box)
        ways = {"Pods": Figures(), "Jobs": Figures()}
        for _ in range(ROUNDS):
            await _round(box, kube, ways["Pods"], PODS, [_pod(number) for number in range(WORKERS)])
            await _round(box, kube, ways["Jobs"], JOBS, [_job(number) for number in range(WORKERS)])
        return ways
    finally:
        await kube.close()
        started.end()


def _prepare(box: Box) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "headrace-echo"}}
    box.kubectl("create", "namespace", NAMESPACE)
    box.apply({**account, "metadata": {**account["metadata"], "namespace": NAMESPACE}})
    box.fake_nodes(NODES)


def _pod(number: int) -> dict[str, Any]:
    pod = worker_pod(FUNCTION, "0" * 64, ordinal=number, node=f"fake-{number % NODES}", settings=SETTINGS)
    tolerations = [*pod["spec"]["tolerations"], {"operator": "Exists"}]
    return {**pod, "spec": {**pod["spec"], "tolerations": tolerations}}


def _job(number: int) -> dict[str, Any]:
    pod = _pod(number)
    template = {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": pod["metadata"]["name"], "namespace": NAMESPACE},
        "spec": {"backoffLimit": 0, "template": template},
    }


async def _round(
    box: Box, kube: Kube, figures: Figures, kind: Kind, manifests: Sequence[dict[str, Any]]
) -> None:
    async with Mirror(kube, PODS, Selection(NAMESPACE)) as pods:
        await pods.sync(30)
        before, began = calls(box), time.monotonic()
        await concurrently(partial(kube.create, kind), manifests, most=AT_ONCE)
        await until(pods, lambda: _running(pods) == WORKERS, "not all run", seconds=LIMIT_SECONDS)
        running = time.monotonic()
        names = [each["metadata"]["name"] for each in manifests]
        await concurrently(partial(kube.delete, kind, namespace=NAMESPACE), names, most=AT_ONCE)
        await until(pods, lambda: not pods.items, "some are left", seconds=LIMIT_SECONDS)
        figures.started.append(running - began)
        figures.ended.append(time.monotonic() - running)
        figures.calls.append(calls(box) - before)


def _running(pods: Mirror) -> int:
    return sum(each.get("status", {}).get("phase") == "Running" for each in pods.items.values())
