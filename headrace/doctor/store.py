"""The store: does it answer, is the key right, are buckets there, do files become tasks? Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.doctor.finding import Check, Finding, Ground, Severity, listed
from headrace.model.errors import HeadraceError
from headrace.model.troubles import Trouble

GROUP = "store"
STALE_SECONDS = 25 * 3600.0  # a worker sweeps what is older than a day

REACH = Check(
    "store-reach", GROUP,
    "Does the store answer at its address?",
    "headrace up --state {state}",
    "kubectl --kubeconfig {kubeconfig} --namespace {namespace} get pods "
    "--selector app.kubernetes.io/component=store",
)  # fmt: skip
KEY = Check(
    "store-key", GROUP,
    "Does it take the key of the settings?",
    "headrace up --state {state}  # this folder's own store; another stack's has another key",
    "headrace connect --kubeconfig {kubeconfig} --namespace {namespace} --state {state}  # reads it anew",
)  # fmt: skip
BUCKETS = Check(
    "store-buckets", GROUP,
    "Are the platform's bucket and those of all functions there?",
    "headrace up --state {state}  # makes them",
    "kubectl --kubeconfig {kubeconfig} get buckets.headrace.dev --all-namespaces -o wide  "
    "# the controller makes them, and says why not",
)  # fmt: skip
READ = Check(
    "store-read", GROUP,
    "May the key list each bucket, and read what is in it?",
    "give the key the rights s3:ListBucket and s3:GetObject on {bucket}",
)  # fmt: skip
WRITE = Check(
    "store-write", GROUP,
    "May the key write to the buckets of outputs? Only with `--write`: an upload in parts is begun and given "
    "up, which leaves nothing and starts nothing.",
    "give the key the right s3:PutObject on {bucket}",
)  # fmt: skip
CONDITIONAL = Check(
    "store-conditional", GROUP,
    "Does the store refuse a create-only put of a key that is there? The one record a file rests on it. Only "
    "with `--write`: an object is put into the platform's bucket, where no key starts a task, and removed.",
    "use a store that supports If-None-Match on PUT: SeaweedFS from 4.48 on, AWS, MinIO, Ceph",
)  # fmt: skip
ARRIVALS = Check(
    "store-arrivals", GROUP,
    "Have the newest files of each input become tasks? One that has not, long after it came, was neither "
    "told by a notification nor found by the listing.",
    "headrace explain s3://{bucket}/{key} --state {state}  # and see that the receiver runs",
)  # fmt: skip
STAGING = Check(
    "store-staging", GROUP,
    "Is what attempts staged cleared away?",
    "headrace explain {function} --state {state}  # its workers sweep; a function without files has none",
    worst=Severity.WARNING,
)  # fmt: skip
CHECKS = (REACH, KEY, BUCKETS, READ, WRITE, CONDITIONAL, ARRIVALS, STAGING)


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """One bucket by its real name: `unread` and `unwritten` are why it can't be; None: it can."""

    name: str
    there: bool = True
    unread: HeadraceError | None = None
    unwritten: HeadraceError | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """An object that no task is of, so many seconds after it came."""

    function: str
    bucket: str
    key: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """`trouble`: why nothing can be asked. `conditional`: what is wrong with create-only puts, if anything.

    `looked_at` are objects of inputs that were compared with queue and records; `stale` counts staged
    objects by function. None: not looked at, for the reason in `unlooked`.
    """

    address: str
    trouble: HeadraceError | None = None
    buckets: Sequence[BucketFacts] = ()
    wrote: bool = False
    conditional: str = ""
    looked_at: int | None = None
    lost: Sequence[Lost] = ()
    unlooked: str = ""
    stale: Mapping[str, int] | None = field(default=None)


def judged(facts: StoreFacts, ground: Ground) -> Sequence[Finding]:
    """Everything that can be said of it."""
    if facts.trouble is None:
        return (
            REACH.ok(f"{facts.address} answers"),
            KEY.ok("the key is right"),
            *_buckets(facts, ground),
            *_written(facts, ground),
            _arrivals(facts, ground),
            _staging(facts, ground),
        )
    denied = facts.trouble.trouble in {Trouble.STORE_DENIED, Trouble.STORE_NO_KEY}
    passed, failed = ((REACH.ok(f"{facts.address} answers"),), KEY) if denied else ((), REACH)
    rest = CHECKS[len(passed) + 1 :]
    skipped = (each.skipped(f"{failed.code} comes first") for each in rest)
    return (*passed, failed.fault(ground, str(facts.trouble)), *skipped)


def _buckets(facts: StoreFacts, ground: Ground) -> Iterator[Finding]:
    missing = [each.name for each in facts.buckets if not each.there]
    if missing:
        yield BUCKETS.fault(ground, f"missing: {listed(missing)}")
    else:
        yield BUCKETS.ok(f"there: {listed(each.name for each in facts.buckets)}")
    unread = [each for each in facts.buckets if each.unread is not None]
    if unread:
        told = "; ".join(f"{each.name}: {each.unread}" for each in unread)
        yield READ.fault(ground, told, bucket=unread[0].name)
    else:
        yield READ.ok("all can be listed and read")


def _written(facts: StoreFacts, ground: Ground) -> Iterator[Finding]:
    if not facts.wrote:
        yield from (each.skipped("nothing is written without --write") for each in (WRITE, CONDITIONAL))
        return
    unwritten = [each for each in facts.buckets if each.unwritten is not None]
    if unwritten:
        told = "; ".join(f"{each.name}: {each.unwritten}" for each in unwritten)
        yield WRITE.fault(ground, told, bucket=unwritten[0].name)
    else:
        yield WRITE.ok("all can be written")
    if facts.conditional:
        yield CONDITIONAL.fault(ground, facts.conditional)
    else:
        yield CONDITIONAL.ok("a second put of one key was refused")


def _arrivals(facts: StoreFacts, ground: Ground) -> Finding:
    if facts.looked_at is None:
        return ARRIVALS.skipped(facts.unlooked or "no function is known")
    if not facts.looked_at:
        return ARRIVALS.ok("no file has come that should have a task by now")
    if not facts.lost:
        return ARRIVALS.ok(f"files that have a task or a record: all of the {facts.looked_at:,} newest")
    first = facts.lost[0]
    others = f", and {len(facts.lost) - 1:,} more" if len(facts.lost) > 1 else ""
    told = (
        f"s3://{first.bucket}/{first.key} came {first.age_seconds:,.0f} s ago, and {first.function} has no "
        f"task of it{others}"
    )
    return ARRIVALS.fault(ground, told, bucket=first.bucket, key=first.key)


def _staging(facts: StoreFacts, ground: Ground) -> Finding:
    if facts.stale is None:
        return STAGING.skipped(facts.unlooked or "the platform's bucket can't be read")
    if not facts.stale:
        return STAGING.ok("nothing is left of attempts that are older than a day")
    function, count = max(facts.stale.items(), key=lambda pair: pair[1])
    told = f"{sum(facts.stale.values()):,} staged objects are older than a day, {count:,} of {function}"
    return STAGING.warning(ground, told, function=function)
