"""Rights on the API server: what the caller may do, and whether the scaler may switch nodes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.doctor.finding import Check, Finding, Ground, Severity, listed
from headrace.kube import kinds
from headrace.kube.asking import Wish
from headrace.model.errors import HeadraceError
from headrace.model.labels import OPERATOR_SECRET
from headrace.model.pool import Driver

GROUP = "rights"
_GRANT = "have an administrator of the cluster grant you: {wishes}"

CONNECT = Check(
    "rights-connect", GROUP,
    "May you run `headrace connect` and what works through it: status, explain, put, replay?",
    _GRANT,
    worst=Severity.WARNING,
)  # fmt: skip
LOOK = Check(
    "rights-look", GROUP,
    "May you look at functions, buckets, pools and nodes?",
    _GRANT,
    worst=Severity.WARNING,
)  # fmt: skip
GPUS = Check(
    "rights-gpus", GROUP,
    "May you run `headrace gpus`?",
    _GRANT,
    worst=Severity.WARNING,
)  # fmt: skip
AUTHOR = Check(
    "rights-author", GROUP,
    "May you deploy functions?",
    _GRANT,
    worst=Severity.WARNING,
)  # fmt: skip
DRIVERS = Check(
    "rights-drivers", GROUP,
    "May the scaler switch nodes of the drivers that the pools have?",
    "pulumi up  # gives its account the rights that pools of the stack need",
)  # fmt: skip
CHECKS = (CONNECT, LOOK, GPUS, AUTHOR, DRIVERS)


@dataclass(frozen=True, slots=True)
class RightsFacts:
    """By wish whether it is granted, or why that can't be told: the caller's wishes, and the scaler's."""

    own: Mapping[Wish, bool | HeadraceError]
    scaler: Mapping[Wish, bool | HeadraceError] = field(default_factory=dict)


def wishes(platform: str, functions: Iterable[str]) -> Mapping[Check, Sequence[Wish]]:
    """What a person may want, by check; `functions` are namespaces of functions."""
    spaces = list(functions)
    reads = [Wish(verb, kinds.FUNCTIONS, space) for space in spaces for verb in ("list", "watch")]
    return {
        CONNECT: (
            Wish("get", kinds.SECRETS, platform, OPERATOR_SECRET),
            Wish("create", kinds.PODS, platform, below="portforward"),
            Wish("list", kinds.PODS, platform),
            Wish("list", kinds.CONFIG_MAPS, platform),
            *reads,
        ),
        LOOK: (
            *(Wish("list", kind, space) for space in spaces for kind in (kinds.FUNCTIONS, kinds.BUCKETS)),
            Wish("list", kinds.NODE_POOLS),
            Wish("list", kinds.NODES),
            Wish("list", kinds.DEPLOYMENTS, platform),
            Wish("list", kinds.LEASES, platform),
        ),
        GPUS: tuple(
            Wish("list", kind)
            for kind in (
                kinds.NODE_POOLS,
                kinds.NODES,
                kinds.PODS,
                kinds.GPU_SERVERS,
                kinds.RESOURCE_SLICES,
                kinds.RESOURCE_CLAIMS,
            )
        ),
        AUTHOR: tuple(
            Wish(verb, kinds.FUNCTIONS, space) for space in spaces for verb in ("create", "patch", "delete")
        ),
    }


def driver_wishes(drivers: Iterable[Driver]) -> Sequence[Wish]:
    """What the scaler needs of nodes; a simulated one is an object and nothing else."""
    found = list(drivers)
    if not found:
        return ()
    verbs = ("list", "patch", *(("create", "delete") if Driver.KWOK in found else ()))
    evicting = Wish("create", kinds.PODS, below="eviction")
    return (*(Wish(verb, kinds.NODES) for verb in verbs), evicting)


def judged(facts: RightsFacts, ground: Ground, wanted: Mapping[Check, Sequence[Wish]]) -> Sequence[Finding]:
    """Everything that can be said of them."""
    own = (_own(check, {wish: facts.own[wish] for wish in each}, ground) for check, each in wanted.items())
    return (*own, _drivers(facts.scaler, ground))


def _own(check: Check, found: Mapping[Wish, bool | HeadraceError], ground: Ground) -> Finding:
    unknown = [each for each in found.values() if isinstance(each, HeadraceError)]
    if unknown:
        return check.skipped(str(unknown[0]))
    denied = [wish.told for wish, granted in found.items() if granted is False]
    if denied:
        return check.warning(ground, f"you may not: {listed(denied)}", wishes=", ".join(denied))
    return check.ok("you may")


def _drivers(found: Mapping[Wish, bool | HeadraceError], ground: Ground) -> Finding:
    if not found:
        return DRIVERS.skipped("there is no pool yet")
    unknown = [each for each in found.values() if isinstance(each, HeadraceError)]
    if unknown:
        return DRIVERS.skipped(f"you may not ask for the scaler's account: {unknown[0]}")
    denied = [wish.told for wish, granted in found.items() if granted is False]
    return DRIVERS.fault(ground, f"it may not: {listed(denied)}") if denied else DRIVERS.ok("it may")
