"""How long one decision takes, by files waiting and nodes, on made snapshots.

As in the service, what is there before is frozen for the garbage collector.
"""

import gc
import random
import time
from dataclasses import dataclass

from headrace.model.node import NodeState
from headrace.model.resources import ResourceList
from headrace.scaler.decide import decide
from headrace.scaler.settings import ScalerSettings
from headrace.scaler.snapshot import (
    BootEstimate,
    Files,
    FunctionView,
    NodeView,
    PoolView,
    Running,
    ServiceEstimate,
    Snapshot,
    WorkerView,
)
from tests.bench.figures import Spread, percentile

NOW = 1_000_000.0
FUNCTIONS, POOLS, ROUNDS = 50, 10, 100
SIZES = ((1_000, 100), (10_000, 1_000), (30_000, 2_000), (100_000, 5_000))
GROUPS = 60  # of arrival times of a function's files


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one decision over so many files and nodes."""

    files: int
    nodes: int
    seconds: Spread
    p99: float


def measure() -> list[Timing]:
    """Each size in turn, on another snapshot in every tenth round."""
    samples: dict[tuple[int, int], list[float]] = {size: [] for size in SIZES}
    gc.freeze()
    for seed in range(ROUNDS // 10):
        for files, nodes in SIZES:
            snapshot = made(files, nodes, random.Random(seed))
            for _ in range(10):
                began = time.perf_counter()
                decide(snapshot, ScalerSettings(), NOW)
                samples[files, nodes].append(time.perf_counter() - began)
    gc.unfreeze()
    return [
        Timing(files, nodes, Spread.of(found), percentile(found, 0.99))
        for (files, nodes), found in samples.items()
    ]


def made(files: int, nodes: int, chance: random.Random) -> Snapshot:
    """Fifty functions of many requests, a third with a GPU; ten pools, half with GPUs; most nodes busy."""
    pools = tuple(_pool(number, nodes) for number in range(POOLS))
    requests = [_request(number, chance) for number in range(FUNCTIONS)]
    there = tuple(_node(number, chance) for number in range(nodes))
    running: list[list[Running]] = [[] for _ in requests]
    workers: list[WorkerView] = []
    for node in there:
        if node.state is NodeState.BUSY:
            _fill(node, pools[int(node.pool)].capacity, requests, (running, workers), chance)
    functions = tuple(
        _function(number, request, tuple(running[number]), files // FUNCTIONS, chance)
        for number, request in enumerate(requests)
    )
    return Snapshot(functions, pools, there, tuple(workers))


def _pool(number: int, nodes: int) -> PoolView:
    size = 1 + number % 3
    amounts = {"cpu": 4000 * size, "memory": size << 34, "ephemeral-storage": 100 << 30, "pods": 110}
    if number % 2:
        amounts["nvidia.com/gpu"] = 4 if number % 4 == 3 else 1
    boot = BootEstimate(120.0 + 10 * number, 150.0 + 10 * number)
    price = 0.1 + 0.05 * number
    return PoolView(str(number), ResourceList.of(amounts), boot, price_per_hour=price, max_nodes=nodes)


def _request(number: int, chance: random.Random) -> ResourceList:
    cpu, memory = chance.choice([500, 1000, 2000]), chance.choice([1, 2, 4]) << 30
    amounts = {"cpu": cpu, "memory": memory, "ephemeral-storage": 1 << 30, "pods": 1}
    return ResourceList.of(amounts if number % 3 else {**amounts, "nvidia.com/gpu": 1})


def _node(number: int, chance: random.Random) -> NodeView:
    state = chance.choices([NodeState.BUSY, NodeState.IDLE, NodeState.BOOTING], [0.7, 0.15, 0.15])[0]
    age = chance.uniform(0, 150) if state is NodeState.BOOTING else chance.uniform(200, 5000)
    return NodeView(f"node-{number}", str(number % POOLS), state, NOW - age, ordered=NOW - age)


def _fill(
    node: NodeView,
    free: ResourceList,
    requests: list[ResourceList],
    work: tuple[list[list[Running]], list[WorkerView]],
    chance: random.Random,
) -> None:
    """One to four busy workers on a node."""
    running, workers = work
    for _ in range(chance.randrange(1, 5)):
        function = chance.randrange(len(requests))
        if requests[function].fits(free):
            free = free.minus(requests[function])
            running[function].append(Running(NOW - chance.uniform(0, 60), node.name, 10**6))
            workers.append(WorkerView(f"{node.name}-{len(workers)}", str(function), node.name, NOW, True))


def _function(
    number: int, request: ResourceList, running: tuple[Running, ...], files: int, chance: random.Random
) -> FunctionView:
    groups = min(GROUPS, files)
    waiting = tuple(
        Files(NOW - 300 + 300 * group / groups, files // groups, 10**6 * files // groups)
        for group in range(groups)
    )
    return FunctionView(
        str(number),
        request,
        tuple(str(pool) for pool in range(POOLS)),
        waiting,
        running,
        recent=waiting,
        silences=(20.0,) * 10,
        last_arrival=NOW - 1,
        service=ServiceEstimate(2.0, chance.choice([2.0, 10.0, 60.0, 120.0]), 1e-7),
        max_wait_seconds=300.0,
        max_workers=1000,
    )
