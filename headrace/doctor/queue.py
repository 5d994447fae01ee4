"""The queue: does it answer, take the login, hold a stream for each function, and have room? Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.doctor.finding import Check, Finding, Ground, Severity, listed
from headrace.model.errors import HeadraceError
from headrace.model.troubles import Trouble

GROUP = "queue"
FULL, NEARLY_FULL = 0.95, 0.8  # of the storage that the account may use

REACH = Check(
    "queue-reach", GROUP,
    "Does the queue's server answer at its address, by a certificate that is trusted?",
    "headrace up --state {state}",
    "kubectl --kubeconfig {kubeconfig} --namespace {namespace} get pods "
    "--selector app.kubernetes.io/component=queue",
)  # fmt: skip
LOGIN = Check(
    "queue-login", GROUP,
    "Does it take the login of the settings?",
    "headrace up --state {state}  # this folder's own server; another stack's has another token",
    "headrace connect --kubeconfig {kubeconfig} --namespace {namespace} --state {state}  # reads them anew",
)  # fmt: skip
JETSTREAM = Check(
    "queue-jetstream", GROUP,
    "Does JetStream, which keeps the tasks, answer for this login?",
    "headrace up --state {state}  # and look into {state}/nats/nats.log",
    "kubectl --kubeconfig {kubeconfig} --namespace {namespace} logs "
    "--selector app.kubernetes.io/component=queue",
)  # fmt: skip
ACCOUNTS = Check(
    "queue-accounts", GROUP,
    "Does it take the logins of the tenants' accounts?",
    on_cluster="pulumi up  # makes the accounts of the tenants that the stack declares",
    remedy="pulumi up",
)  # fmt: skip
STREAMS = Check(
    "queue-streams", GROUP,
    "Has each function a stream, and does it refuse a task that is in it already?",
    "headrace up --state {state}  # its receiver makes them; look into {state}/logs/receiver.log",
    "kubectl --kubeconfig {kubeconfig} get functions --all-namespaces -o wide  "
    "# the controller makes them, and says why not",
)  # fmt: skip
PAUSED = Check(
    "queue-paused", GROUP,
    "Does it hand out the files of every function?",
    "headrace resume {function}",
    worst=Severity.WARNING,
)  # fmt: skip
ROOM = Check(
    "queue-room", GROUP,
    "Has it room for more tasks?",
    "headrace status --state {state}  # whose files wait; purge or work them",
    "headrace status --state {state}  # whose files wait; or give the queue more storage in the stack",
)  # fmt: skip
CHECKS = (REACH, LOGIN, JETSTREAM, ACCOUNTS, STREAMS, PAUSED, ROOM)


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A function's stream: `misfit` is what differs from what Headrace needs; empty: nothing."""

    function: str
    there: bool
    misfit: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """`account` and `trouble`: either may be missing. Bytes; a `most_bytes` of 0 or less is no bound."""

    url: str
    trouble: HeadraceError | None = None
    used_bytes: int = 0
    most_bytes: int = -1
    streams: Sequence[StreamFacts] = ()
    accounts: Mapping[str, HeadraceError | None] = field(default_factory=dict)  # by tenant


def judged(facts: QueueFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of it."""
    if facts.trouble is not None:
        return tuple(_unanswered(facts.trouble, ground))
    reached = (REACH.ok(f"{facts.url} answers"), LOGIN.ok("the login is right"))
    return (*reached, JETSTREAM.ok("JetStream answers"), *_kept(facts, ground))


def _unanswered(trouble: HeadraceError, ground: Ground) -> Iterator[Finding]:
    """The checks before the one that failed hold, those behind it come later."""
    failed = CHECKS.index(_failed(trouble))
    yield from (each.ok("it does") for each in CHECKS[:failed])
    yield CHECKS[failed].fault(ground, str(trouble))
    yield from (each.skipped(f"{CHECKS[failed].code} comes first") for each in CHECKS[failed + 1 :])


def _failed(trouble: HeadraceError) -> Check:
    if trouble.trouble is Trouble.QUEUE_REFUSED:
        return LOGIN
    away = trouble.trouble in {Trouble.QUEUE_AWAY, Trouble.QUEUE_UNTRUSTED}
    return REACH if away and "JetStream" not in str(trouble) else JETSTREAM


def _kept(facts: QueueFacts, ground: Ground) -> Iterator[Finding]:
    yield _accounts(facts, ground)
    yield _streams(facts, ground)
    yield _paused(facts, ground)
    yield _room(facts, ground)


def _accounts(facts: QueueFacts, ground: Ground) -> Finding:
    refused = [f"{tenant}: {error}" for tenant, error in sorted(facts.accounts.items()) if error is not None]
    if refused:
        return ACCOUNTS.fault(ground, "; ".join(refused))
    return ACCOUNTS.ok(f"tenants: {listed(sorted(facts.accounts))}" if facts.accounts else "no tenants")


def _streams(facts: QueueFacts, ground: Ground) -> Finding:
    if not facts.streams:
        return STREAMS.skipped("no function is known")
    missing = [each.function for each in facts.streams if not each.there]
    misfits = [f"{each.function}: {each.misfit}" for each in facts.streams if each.there and each.misfit]
    if missing:
        return STREAMS.fault(ground, f"no stream of {listed(missing)}: their files can't be queued")
    if misfits:
        return STREAMS.fault(ground, f"streams that are not as Headrace makes them: {listed(misfits)}")
    return STREAMS.ok(f"there: {listed(each.function for each in facts.streams)}")


def _paused(facts: QueueFacts, ground: Ground) -> Finding:
    paused = [each.function for each in facts.streams if each.paused]
    if paused:
        return PAUSED.warning(ground, f"paused by a person: {listed(paused)}", function=paused[0])
    return PAUSED.ok("none is paused") if facts.streams else PAUSED.skipped("no function is known")


def _room(facts: QueueFacts, ground: Ground) -> Finding:
    if facts.most_bytes <= 0:
        return ROOM.ok(f"{facts.used_bytes:,} bytes used; only the disk bounds it")
    told = f"{facts.used_bytes:,} of {facts.most_bytes:,} bytes used"
    part = facts.used_bytes / facts.most_bytes
    if part >= FULL:
        return ROOM.fault(ground, told)
    return ROOM.warning(ground, told) if part >= NEARLY_FULL else ROOM.ok(told)
