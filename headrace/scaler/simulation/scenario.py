"""What a simulation is given, made from what people write: functions, pools, a trace, faults to try.

Not simulated: minWorkers, idleSeconds and suspend of functions, hooks, and pools of GPU servers.
Nodes of the drivers `static` and `local` are always on: they take no boot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.pool import Driver, NodePool
from headrace.model.tenant import Tenant
from headrace.placement.inventory import inventory_of
from headrace.placement.suiting import request_of, suits
from headrace.placement.ways import Way, choose_way
from headrace.scaler.observing import tenant_view
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Trace
from headrace.scaler.snapshot import BootEstimate, PoolView

ALWAYS_ON = frozenset({Driver.STATIC, Driver.LOCAL})


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, by default nothing. The scaler is not told; it sees and learns."""

    boot_failure_share: float = 0.0
    boot_cv: float = 0.0  # of the seconds that boots take
    device_delay_seconds: float = 0.0  # from a node's joining until its devices are there
    node_deaths_per_hour: float = 0.0  # of one node that is on
    believed_factor: float = 1.0  # of the first estimate of seconds a file


def setting_of(
    trace: Trace,
    functions: Iterable[Function],
    pools: Sequence[NodePool],
    *,
    tenants: Iterable[Tenant] = (),
    faults: Faults,
    seed: int,
) -> Setting:
    """The functions of the trace, the pools that any of them may use, and the tenants.

    Raises ConfigurationError that names every function of the trace that is not there or fits no pool.
    """
    there = {function.name: function for function in functions}
    named = sorted({arrival.function for arrival in trace.arrivals})
    if not named:
        raise ConfigurationError("the trace holds no file; give it one line a file below its header")
    _refuse_unknown([name for name in named if name not in there], there)
    chosen = {name: choose_way(there[name], inventory_of(pools, ())).way for name in named}
    homes = {name: _homes(there[name], pools, way) for name, way in chosen.items()}
    _refuse_homeless([name for name, found in homes.items() if not found], pools)
    used = {name for found in homes.values() for name in found}
    return Setting(
        tuple(_function(there[name], homes[name], chosen[name], faults) for name in named),
        tuple(_pool(pool, faults) for pool in pools if pool.name in used),
        tuple(tenant_view(tenant) for tenant in tenants),
        seed=seed,
    )


def given_to(trace: Trace, functions: Iterable[Function]) -> Trace:
    """A made trace for one's own functions: its kinds of files are given to them in turn, by name."""
    names = sorted(function.name for function in functions)
    if not names:
        raise ConfigurationError("the folder of functions holds none, allowed one or more; name another")
    kinds = sorted({arrival.function for arrival in trace.arrivals})
    takers = {kind: names[number % len(names)] for number, kind in enumerate(kinds)}
    return Trace(tuple(replace(each, function=takers[each.function]) for each in trace.arrivals))


def _homes(function: Function, pools: Iterable[NodePool], way: Way) -> tuple[str, ...]:
    request = request_of(function, way)
    return tuple(p.name for p in pools if suits(function, p, way) and request.fits(p.allocatable))


def _function(function: Function, homes: tuple[str, ...], way: Way, faults: Faults) -> SimFunction:
    return SimFunction(
        function.name,
        request_of(function, way),
        homes,
        max_wait_seconds=function.spec.scale.max_wait_seconds,
        max_workers=function.spec.scale.max_workers,
        priority=function.spec.priority,
        tenant=function.metadata.namespace or "",
        believed_factor=faults.believed_factor,
    )


def _pool(pool: NodePool, faults: Faults) -> SimPool:
    spec = pool.spec
    boot_seconds = 0.0 if spec.driver in ALWAYS_ON else spec.boot_seconds
    view = PoolView(
        pool.name,
        pool.allocatable,
        BootEstimate(boot_seconds, boot_seconds),
        price_per_hour=spec.price_per_hour,
        min_nodes=spec.min_nodes,
        max_nodes=spec.max_nodes,
        spare_nodes=spec.spare_nodes,
        max_booting=spec.max_booting,
    )
    return SimPool(
        view,
        boot_seconds,
        boot_cv=faults.boot_cv,
        failure_share=faults.boot_failure_share,
        device_delay_seconds=faults.device_delay_seconds,
        deaths_per_hour=faults.node_deaths_per_hour,
    )


def _refuse_unknown(missing: Sequence[str], there: Iterable[str]) -> None:
    if missing:
        allowed = ", ".join(sorted(there)) or "none, as the folder holds none"
        raise ConfigurationError(
            f"the trace names functions that the folder lacks: found {', '.join(missing)}, "
            f"allowed {allowed}; add them to the folder, or rename them in the trace"
        )


def _refuse_homeless(homeless: Sequence[str], pools: Iterable[NodePool]) -> None:
    if homeless:
        raise ConfigurationError(
            f"no pool takes a worker of {', '.join(homeless)}: found the pools "
            f"{', '.join(pool.name for pool in pools)}, allowed one with room for its resources, all labels "
            "of its nodeSelector, and no taint that it does not tolerate; add or enlarge a pool"
        )
