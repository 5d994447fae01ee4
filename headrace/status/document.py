"""The document that the status page shows: everything of a stack at a moment, one JSON object. Pure.

Times are seconds since the epoch by the service's clock, whole numbers but for `at`. What is not known is
null, never 0 and never left out, and `sources` says why. Lists are bounded, and tell how many there are in
all. Long lists of like things are columns: the n-th entry of each list is about the n-th thing, and names,
states and reasons that repeat stand once in a list that others point into.
"""

from collections.abc import Mapping
from enum import StrEnum

from headrace.model.value import Value

VERSION = 1  # of the document; another one when a field is renamed, removed, or means another thing
MOST_FUNCTIONS = 100
MOST_WORKERS = 100
MOST_NODES = 1000
MOST_RUNS = 4  # of a node, before the state that it has now
MOST_REASONS = 50  # of nodes, that differ in their words
MOST_DECISIONS = 50
MOST_FAILED = 50
MOST_USERS = 10  # of one GPU
MOST_POINTS = 180  # of the course
MOST_TEXT = 300  # characters of what is told of one thing
MOST_WORDS = 160  # characters of a reason in a list


class Shown(Value):
    """A part of the document."""

    def to_json(self) -> bytes:
        """One JSON document; what is not known is null there."""
        return self.model_dump_json(by_alias=True).encode()


class Source(Shown):
    """Where values come from. `at`: when it last answered, null: not yet; `error`: why it does not now.

    `feeds` are the parts of the document that are as old as this, or null where it has never answered.
    """

    name: str  # queue, records, functions, plan, pools, workers, gpus
    at: int | None
    error: str | None
    error_since: int | None
    fresh_seconds: float  # an answer that is older is stale
    feeds: tuple[str, ...]


class Why(Shown):
    """The scaler's reason: its code, for programs, and words."""

    code: str
    text: str


class Short(Shown):
    """Files for which nothing is done now, and why; `until`: when that is looked at again at the latest."""

    files: int
    why: Why
    until: int | None


class Sureness(StrEnum):
    """How well a forecast is founded."""

    HIGH = "high"  # files end at a steady rate
    MEDIUM = "medium"  # at a rate that changes, or few have ended lately
    LOW = "low"  # none has ended lately: reckoned from what a file usually takes
    NONE = "none"  # it can't be told; `text` says why


class Forecast(Shown):
    """When the last file that is there now will have ended: between `earliest` and `latest`."""

    at: int | None
    earliest: int | None
    latest: int | None
    sureness: Sureness
    text: str  # what it is reckoned from, or why there is none


class FunctionShown(Shown):
    """One function. `waiting` and `running` are the queue's figures, the endings those of the records.

    `running` counts what workers hold: staged ahead, computing, being published, waiting for a retry.
    """

    name: str  # where tenants meet: `lab.echo`
    tenant: str  # empty: the stack's own
    fault: str | None  # why it can't be worked at all: its definition is not sound, or not allowed
    remark: str | None  # what is unusual, in a few words
    inputs: tuple[str, ...]  # s3://bucket/prefix, by the store's names
    outputs: tuple[str, ...]
    waiting: int | None
    running: int | None
    oldest_at: int | None  # when the oldest file in the queue came; null too where it is empty
    paused: bool | None
    done: int | None
    failed: int | None
    superseded: int | None
    gone: int | None
    purged: int | None
    counted_at: int | None  # when its endings were counted
    rate: float | None  # files that ended with a result, a second, over the last minute
    forecast: Forecast
    workers: int | None  # that are there
    working: int | None  # of these, that have a file
    wanted: int | None
    max_workers: int
    max_wait_seconds: float  # the promise, without a boot
    file_seconds: float | None  # that a file takes, as learned; null too before the scaler's first word
    start_seconds: float | None  # that a worker's start takes
    why: Why | None  # why it has so many workers
    unmet: tuple[Short, ...]
    gpu: str | None  # its way to a GPU and why; empty: it needs none


class Functions(Shown):
    """The functions, by name; those first that can't be worked."""

    total: int | None
    items: tuple[FunctionShown, ...]


class Totals(Shown):
    """Of all functions, nodes and workers, those included that no list has room for."""

    waiting: int | None
    running: int | None
    done: int | None
    failed: int | None
    other: int | None  # superseded, gone and purged
    oldest_at: int | None
    rate: float | None
    workers: int | None
    wanted_workers: int | None
    nodes: int | None
    nodes_on: int | None  # neither off nor unknown
    forecast: Forecast


class Workers(Shown):
    """Workers that tell of themselves, as columns; those that hold files longest come first."""

    total: int | None
    names: tuple[str, ...]
    functions: tuple[str, ...]
    nodes: tuple[str | None, ...]  # null: not known
    held: tuple[int, ...]  # files that it holds
    since: tuple[int, ...]  # since when it holds any, or none


class Nodes(Shown):
    """Nodes, as columns, by pool and name; those that are off are left out first where there are too many.

    `runs` are what a node's state was before, oldest first: a flat list of index into `state_names` and
    seconds, in turns. The last one ended at `since`. `expected`: when a node that boots is thought to be on.
    """

    total: int | None
    pool_names: tuple[str, ...]
    state_names: tuple[str, ...]
    whys: tuple[Why, ...]
    names: tuple[str, ...]
    pools: tuple[int, ...]  # index into pool_names
    states: tuple[int, ...]  # index into state_names
    since: tuple[int, ...]
    workers: tuple[int, ...]
    enabled: tuple[bool, ...]
    why: tuple[int | None, ...]  # index into whys; null: there are too many; /nodes/<name>.json tells
    expected: tuple[int | None, ...]
    runs: tuple[tuple[int, ...], ...]


class PoolShown(Shown):
    """One pool. `wanted`: nodes that are on or ordered, without those that are told to stop."""

    name: str
    driver: str | None
    provides: str | None  # nodes, gpuServers
    capacity: Mapping[str, str]  # what workers may use of one node
    states: Mapping[str, int]  # nodes by state; states without a node are not named
    wanted: int
    min_nodes: int
    max_nodes: int
    boot_seconds: float  # the median, as learned
    safe_boot_seconds: float  # the 0.9 quantile, by which is planned
    boots_failing: bool
    price_per_hour: float | None  # of a node; null: nobody wrote one
    left_out: str | None  # why it is not used


class User(Shown):
    """Who has a part of a GPU. `amount`: of the resource's units, or bytes of a server's GPU."""

    pod: str  # namespace/name
    function: str | None
    amount: int


class Gpu(Shown):
    """GPUs of one kind: those of a pool's nodes by one resource, or one GPU of a server.

    `memory_bytes` is that of one part, for a server's GPU that of the whole. `units` are there, `free_units`
    of them free: of a server's GPU these are sessions.
    """

    place: str  # the pool, or the server
    is_remote: bool
    number: int | None  # of a server's GPU
    access: str  # passthrough, mig, mps, timeslice, remote
    resource: str | None  # by which pods ask for it
    address: str | None  # of a server
    backend: str | None
    isolation: str | None
    model: str
    memory_bytes: int | None
    free_bytes: int | None  # of a server's GPU
    nodes: int | None  # of a pool, that are on
    units: int
    free_units: int
    users_total: int
    users: tuple[User, ...]
    trouble: str | None  # why it serves nobody now


class Gpus(Shown):
    """All that there are; `items` null: this stack has no API server to ask, or it has not answered yet."""

    total: int | None
    items: tuple[Gpu, ...] | None


class TenantShown(Shown):
    """One declared tenant: its part of the resource of which it has most."""

    name: str
    weight: float
    priority: int
    waiting: int
    workers: int
    share: float
    resource: str
    used: Mapping[str, int]
    quota: Mapping[str, int]


class About(StrEnum):
    """What a decision changes."""

    WORKERS = "workers"  # how many a function shall have
    NODES = "nodes"  # nodes of a pool got another state
    FILES = "files"  # files of a function for which nothing is done, or no more so


class DecisionShown(Shown):
    """What the scaler decided anew, or a step of nodes that came of it.

    `before` and `after` are numbers of workers or files, or states of nodes; `nodes` are some of `count`.
    """

    at: int
    about: About
    name: str  # the function, or the pool
    before: str
    after: str
    count: int
    nodes: tuple[str, ...]
    why: Why


class Decisions(Shown):
    """The newest first. `total`: since this service began."""

    total: int
    items: tuple[DecisionShown, ...]


class Failed(Shown):
    """A file that was given up. `log`: the address of the end of its log, below this document's.

    `bucket`, `key`, `reason` are null for who may not see names.
    """

    function: str
    task: str
    bucket: str | None
    key: str | None
    size: int
    run: int
    attempts: int
    at: int
    reason: str | None
    log: str


class FailedFiles(Shown):
    """The newest first."""

    total: int | None
    items: tuple[Failed, ...]


class Course(Shown):
    """How it went, at moments `seconds` apart; the newest comes last. A null: nobody looked then."""

    seconds: int
    times: tuple[int, ...]
    waiting: tuple[int | None, ...]
    running: tuple[int | None, ...]
    done: tuple[int | None, ...]
    failed: tuple[int | None, ...]
    workers: tuple[int | None, ...]
    pools: Mapping[str, Mapping[str, tuple[int, ...]]]  # pool -> state -> nodes; off ones are not told


class PoolCost(Shown):
    """What a pool has cost. `cost` and `always_on` are null where it has no price."""

    pool: str
    price_per_hour: float | None
    node_seconds: float  # that nodes were not off
    always_on_node_seconds: float  # that maxNodes would have been, in the same time
    cost: float | None
    always_on: float | None


class Cost(Shown):
    """Since `since`, for `observed_seconds` of it: what this service did not see of the plan is not counted.

    `cost` and `always_on` are sums over pools that have a price, null where none has; in the currency of the
    prices. `unpriced` names the pools that have none.
    """

    since: int | None
    observed_seconds: float
    cost: float | None
    always_on: float | None
    unpriced: tuple[str, ...]
    pools: tuple[PoolCost, ...]


class Login(StrEnum):
    """How one may come to be allowed to act."""

    NONE = "none"  # nobody may: the settings have no token
    TOKEN = "token"  # noqa: S105  (a kind of login: Authorization: Bearer)
    PROXY = "proxy"  # a proxy tells who it is
    BOTH = "both"


class Stack(Shown):
    """Which stack it is, and how this service sees it."""

    name: str
    headrace: str  # the version of the software
    runtime: str  # host, kubernetes
    login: Login
    names_hidden: bool  # whether names of files, and reasons, are left out here
    refresh_seconds: float  # between two looks at most, while nothing is slow


class Document(Shown):
    """All of it. `sequence` grows with each change within one `instance` of the service."""

    version: int
    instance: str
    sequence: int
    at: float
    stack: Stack
    sources: tuple[Source, ...]
    totals: Totals
    functions: Functions
    workers: Workers
    nodes: Nodes
    pools: tuple[PoolShown, ...] | None
    gpus: Gpus
    tenants: tuple[TenantShown, ...]
    decisions: Decisions
    failed: FailedFiles
    course: Course
    cost: Cost
