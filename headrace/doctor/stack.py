"""A stack of this machine: its settings, what of it runs, its ports and its functions. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.doctor.finding import Check, Finding, Ground, Severity, listed
from headrace.model.errors import HeadraceError

GROUP = "stack"
STARTING_SECONDS = 60.0  # the receiver takes notifications at once, and tries the store meanwhile

SETTINGS = Check(
    "stack-settings", GROUP,
    "Is there a stack in the state folder, and are its settings sound?",
    "headrace up --state {state}",
)  # fmt: skip
RUNS = Check(
    "stack-runs", GROUP,
    "Do the stack and all its processes run?",
    "headrace up --state {state}",
    "headrace connect --kubeconfig {kubeconfig} --namespace {namespace} --state {state}",
)  # fmt: skip
PORTS = Check(
    "stack-ports", GROUP,
    "Are its ports free, while it does not run?",
    "ss -ltnp  # who listens; `headrace up` takes another port, and clients then need s3.env anew",
    worst=Severity.WARNING,
)  # fmt: skip
RECEIVER = Check(
    "stack-receiver", GROUP,
    "Does the receiver of notifications answer, and is it ready?",
    "tail {state}/logs/receiver.log  # then start `headrace up` again",
)  # fmt: skip
NOTIFICATIONS = Check(
    "stack-notifications", GROUP,
    "Does the store report to this receiver, with its token, and each bucket of inputs?",
    "headrace up --state {state}  # start it again: it writes the store's configuration anew",
)  # fmt: skip
FUNCTIONS = Check(
    "stack-functions", GROUP,
    "Are the functions sound?",
    "headrace function check {functions}",
)  # fmt: skip
CHECKS = (SETTINGS, RUNS, PORTS, RECEIVER, NOTIFICATIONS, FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Notifications:
    """As the store is configured: where it reports, whether with the receiver's token, and which buckets."""

    endpoint: str = ""
    token_is_right: bool = False
    buckets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StackFacts:
    """`settings`: why they can't be used; `is_there`: whether there are any; `lives`: whether it runs.

    `age_seconds`: since its start. `dead` are its processes that have ended; `taken` its ports that another
    program has, by whom; `receiver` is what is wrong with it, None: nothing. The store is to report the
    buckets `wanted` to `endpoint`.
    """

    is_there: bool
    settings: HeadraceError | None = None
    lives: bool = False
    age_seconds: float = 0.0
    dead: Sequence[str] = ()
    taken: Mapping[str, str] = field(default_factory=dict)
    receiver: str | None = None
    notifications: Notifications | None = None
    endpoint: str = ""
    wanted: frozenset[str] = frozenset()
    functions: Sequence[str] = ()
    faults: Sequence[str] = ()
    has_folder: bool = True


def judged(facts: StackFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of it."""
    return (*_settings(facts, ground), _functions(facts, ground))


def _settings(facts: StackFacts, ground: Ground) -> Iterator[Finding]:
    if facts.settings is not None:
        mend = "mend the file, or name another folder with --state"
        yield SETTINGS.fault(ground, str(facts.settings), instead=mend)
    elif not facts.is_there:
        told = f"no stack in {ground.state}: nothing was started there yet"
        yield SETTINGS.warning(ground, told)
    else:
        yield SETTINGS.ok(f"those of {ground.state}")
        yield from _running(facts, ground)
        return
    rest = (RUNS, PORTS, RECEIVER, NOTIFICATIONS)
    yield from (each.skipped(f"{SETTINGS.code} comes first") for each in rest)


def _running(facts: StackFacts, ground: Ground) -> Iterator[Finding]:
    if not facts.lives:
        yield RUNS.warning(ground, f"no stack runs on {ground.state}")
        yield _ports(facts, ground)
        yield from (each.skipped("the stack does not run") for each in (RECEIVER, NOTIFICATIONS))
        return
    if facts.dead:
        yield RUNS.fault(ground, f"ended: {listed(facts.dead)}; the stack starts them again")
    else:
        yield RUNS.ok("it runs, with all its processes")
    yield PORTS.skipped("the stack runs, and has them")
    if facts.receiver is not None and facts.age_seconds < STARTING_SECONDS:
        yield RECEIVER.warning(ground, f"the stack has just begun; {facts.receiver}")
    elif facts.receiver is not None:
        yield RECEIVER.fault(ground, facts.receiver)
    else:
        yield RECEIVER.ok("it is ready")
    yield _notifications(facts, ground)


def _ports(facts: StackFacts, ground: Ground) -> Finding:
    if facts.taken:
        told = ", ".join(f"{name} by {who}" for name, who in sorted(facts.taken.items()))
        return PORTS.warning(ground, f"taken: {told}")
    return PORTS.ok("all are free")


def _notifications(facts: StackFacts, ground: Ground) -> Finding:
    found = facts.notifications
    if found is None:
        return NOTIFICATIONS.skipped("how the store reports is not written in the state folder")
    if found.endpoint != facts.endpoint:
        told = f"the store reports to {found.endpoint or 'nobody'}, and the receiver is at {facts.endpoint}"
        return NOTIFICATIONS.fault(ground, told)
    if not found.token_is_right:
        return NOTIFICATIONS.fault(ground, "the store's token is not the receiver's")
    if unheard := sorted(facts.wanted - found.buckets):
        told = f"the store does not report {listed(unheard)}: only the listing finds files there"
        return NOTIFICATIONS.fault(ground, told)
    return NOTIFICATIONS.ok(f"it reports {listed(sorted(found.buckets)) or 'no bucket yet'}")


def _functions(facts: StackFacts, ground: Ground) -> Finding:
    if facts.faults:
        return FUNCTIONS.fault(ground, "; ".join(facts.faults))
    begin = "headrace function new NAME --directory {functions}"
    if not facts.has_folder:
        return FUNCTIONS.warning(ground, f"there is no folder {ground.functions}", instead=begin)
    if not facts.functions:
        return FUNCTIONS.warning(ground, f"none in {ground.functions}", instead=begin)
    return FUNCTIONS.ok(f"sound: {listed(facts.functions)}")
