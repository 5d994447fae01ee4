"""Every metric of Headrace: the one place for names, units, labels and what they are good for.

docs/reference/metrics.md is generated from it. No label ever holds a file's key or a task's id: there is one
series for each function, pool, server, state or reason, not for each file.

`tenant` is empty for functions of the stack's own; `function` is the name in the tenant's own namespace.
"""

from functools import partial

from headrace.metrics.family import Family, Kind, Service

_RECEIVER, _SCALER, _CONTROLLER = Service.RECEIVER, Service.SCALER, Service.CONTROLLER
_WORKER, _API, _STATUS = Service.WORKER, Service.API, Service.STATUS
_PUBLISHER, _PLUGIN = Service.PUBLISHER, Service.GPU_PLUGIN
_counter = partial(Family, kind=Kind.COUNTER)
_gauge = partial(Family, kind=Kind.GAUGE)
_histogram = partial(Family, kind=Kind.HISTOGRAM)

_FUNCTION = ("function", "tenant")
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STEP_SECONDS = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
_WAIT_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_BOOT_SECONDS = (5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0)
_DECIDE_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# All services

BUILD = _gauge(
    "headrace_build_info",
    "Always 1; its labels say which version of which service answers, so that an upgrade can be followed.",
    tuple(Service),
    ("component", "version"),
)
LEADING = _gauge(
    "headrace_leading",
    "1 while this process leads its service, else 0: where no process does, nothing is decided or listed.",
    (_RECEIVER, _SCALER, _CONTROLLER, _PUBLISHER),
    ("component",),
)
KUBE_SILENT = _gauge(
    "headrace_kube_silent_seconds",
    "For how long the API server of Kubernetes has been out of this process's reach; 0: it answers.",
    (_SCALER, _CONTROLLER, _PUBLISHER),
    ("component",),
)
SERVER_UP = _gauge(
    "headrace_server_up",
    "1 where a server answered when this page was asked for, else 0: the store, the queue, the queue of S3's "
    "events on AWS. Without them files wait where they are.",
    (_RECEIVER,),
    ("server",),
)
SPANS_DROPPED = _counter(
    "headrace_trace_spans_dropped_total",
    "Spans of traces that were given up, as the collector was away or slow: work never waits for it.",
    (_RECEIVER, _WORKER),
    is_state=True,
)

# Receiver

NOTIFICATIONS = _counter(
    "headrace_notifications_total",
    "Notifications by dialect and by what became of them: those refused or postponed tell of a sender that "
    "is set up wrong, or of a store or queue that is away.",
    (_RECEIVER,),
    ("source", "dialect", "outcome"),
)
NOTIFICATION_SECONDS = _histogram(
    "headrace_notification_seconds",
    "From a notification's arrival until the queue has stored its tasks, of those taken: senders give up "
    "after some ten seconds.",
    (_RECEIVER,),
    ("source",),
    _CALL_SECONDS,
)
TASKS = _counter(
    "headrace_tasks_total",
    "Tasks offered to the queue: stored, refused as they wait already (queued), or held back by a tenant's "
    "quota. Those stored by the listing are files of which no notification told.",
    (_RECEIVER,),
    (*_FUNCTION, "source", "outcome"),
)
LISTING_OBJECTS = _counter(
    "headrace_listing_objects_total",
    "Objects that listings compared with queue and records: what listings cost.",
    (_RECEIVER,),
)
LISTING_FAULTS = _counter(
    "headrace_listing_faults_total",
    "Inputs of functions that a listing could not look through: lost files are not found there.",
    (_RECEIVER,),
)
LISTED = _gauge(
    "headrace_listing_timestamp_seconds",
    "When the last listing of all functions ended, in seconds since the epoch; 0: none by this process.",
    (_RECEIVER,),
)
LISTING_PERIOD = _gauge(
    "headrace_listing_period_seconds",
    "How long the pause between two listings is: what is much older than that is late.",
    (_RECEIVER,),
)

BACKED = _gauge(
    "headrace_backup_timestamp_seconds",
    "When the last whole backup of the stack began, in seconds since the epoch; none: it has none.",
    (_RECEIVER,),
)
BACKUP_PERIOD = _gauge(
    "headrace_backup_period_seconds",
    "How often one is to be taken, as `headrace backup --every` said: what is much older than that is late.",
    (_RECEIVER,),
)

# Scaler: only the one that leads tells of these

WAITING = _gauge("headrace_files_waiting", "Files in the queue that no worker holds.", (_SCALER,), _FUNCTION)
RUNNING = _gauge(
    "headrace_files_running",
    "Files that are computed, one for each busy worker: a batch counts as one.",
    (_SCALER,),
    _FUNCTION,
)
OLDEST_WAIT = _gauge(
    "headrace_oldest_wait_seconds",
    "For how long the oldest waiting file has waited; 0: none waits.",
    (_SCALER,),
    _FUNCTION,
)
PROMISE = _gauge(
    "headrace_promise_seconds",
    "After how long a file starts computing at the latest: maxWaitSeconds, and one boot of the slowest pool "
    "that suits the function, by the median of its boots so far.",
    (_SCALER,),
    _FUNCTION,
)
OVERDUE = _gauge(
    "headrace_files_overdue",
    "Files that have waited for longer than was promised.",
    (_SCALER,),
    _FUNCTION,
)
UNMET = _gauge(
    "headrace_files_unmet",
    "Files for which nothing is done now, by the reason's code; `headrace explain` says it in words.",
    (_SCALER,),
    (*_FUNCTION, "reason"),
)
WORKERS_WANTED = _gauge(
    "headrace_workers_wanted",
    "Workers that a function shall have by the last decision.",
    (_SCALER,),
    _FUNCTION,
)
WORKERS = _gauge(
    "headrace_workers",
    "Workers that are there, by whether they have a file (busy or idle).",
    (_SCALER,),
    (*_FUNCTION, "state"),
)
WORKERS_LEAVING = _gauge(
    "headrace_workers_leaving",
    "Workers that were told to end and finish what they compute, by tenant.",
    (_SCALER,),
    ("tenant",),
)
WORKERS_FAILING = _gauge(
    "headrace_workers_failing",
    "1 for a function whose worker pods can't start, or end before their time; told of no other.",
    (_SCALER,),
    _FUNCTION,
)
NODES = _gauge("headrace_nodes", "Nodes of a pool by their state.", (_SCALER,), ("pool", "state"))
NODES_MOST = _gauge(
    "headrace_nodes_limit",
    "The most nodes that a pool may have: at this limit files wait for longer than was promised.",
    (_SCALER,),
    ("pool",),
)
BOOTS = _counter(
    "headrace_node_boots_total",
    "Boots of nodes by how they ended, ready, failed or given-up: a pool whose boots fail keeps files "
    "waiting.",
    (_SCALER,),
    ("pool", "outcome"),
)
BOOT_SECONDS = _histogram(
    "headrace_node_boot_seconds",
    "From the order to boot a node until it takes workers, of boots that did not fail.",
    (_SCALER,),
    ("pool",),
    _BOOT_SECONDS,
)
ACTIONS = _counter(
    "headrace_scaler_actions_total",
    "Nodes ordered to start or stop, by the reason's code: why the cluster grows and shrinks.",
    (_SCALER,),
    ("pool", "action", "reason"),
)
DECIDE_SECONDS = _histogram(
    "headrace_scaler_decide_seconds",
    "What one decision takes to compute; beyond a second the scaler falls behind.",
    (_SCALER,),
    buckets=_DECIDE_SECONDS,
)
STEPS_FAILED = _counter(
    "headrace_scaler_steps_failed_total",
    "Rounds in which nothing was decided, as queue or cluster could not be read: all stays as it is then.",
    (_SCALER,),
)
OBSERVED = _gauge(
    "headrace_scaler_observation_age_seconds",
    "How old what the leader decides on is: while it grows nothing scales.",
    (_SCALER,),
)
NODE_SECONDS = _counter(
    "headrace_node_seconds_total",
    "Seconds for which nodes were on, booting and stopping included, added up over the nodes of a pool.",
    (_SCALER,),
    ("pool",),
    is_state=True,
)
NODE_COST = _counter(
    "headrace_node_cost_total",
    "What these seconds cost by the pool's pricePerHour, in its currency.",
    (_SCALER,),
    ("pool",),
    is_state=True,
)
ALWAYS_ON_COST = _counter(
    "headrace_node_cost_always_on_total",
    "What the same time would have cost with all nodes of the pool always on: the other one beside it is "
    "what scaling saves.",
    (_SCALER,),
    ("pool",),
    is_state=True,
)
KUBE_CALLS = _counter(
    "headrace_kube_calls_total",
    "Calls of the API server by verb and kind of object: what the scaler costs it.",
    (_SCALER,),
    ("verb", "kind"),
    is_state=True,
)

# Controller

OBJECTS = _gauge(
    "headrace_objects",
    "Objects that the controller sees to, by kind: Function, Bucket, NodePool.",
    (_CONTROLLER,),
    ("kind",),
)
OBJECTS_FAILING = _gauge(
    "headrace_objects_failing",
    "Objects whose last turn failed and is tried again: what they ask for is not there.",
    (_CONTROLLER,),
    ("kind",),
)
TURNS = _counter(
    "headrace_controller_turns_total",
    "Turns that the controller took for an object, by kind and by whether they succeeded (done or failed).",
    (_CONTROLLER,),
    ("kind", "outcome"),
)
FILES_DONE = _gauge(
    "headrace_files_done",
    "Files with a result, by their records in the store at the last count.",
    (_CONTROLLER,),
    _FUNCTION,
)
FILES_FAILED = _gauge(
    "headrace_files_failed",
    "Files given up after their last attempt and not replayed, by their records in the store at the last "
    "count.",
    (_CONTROLLER,),
    _FUNCTION,
)

# Worker

ATTEMPTS = _counter(
    "headrace_worker_attempts_total",
    "Tasks that left a worker's hands, by how: done; failed, gone or superseded for good; again after a "
    "failed attempt; returned without one; repeated, as they had ended before.",
    (_WORKER,),
    (*_FUNCTION, "result"),
)
STEP_SECONDS = _histogram(
    "headrace_worker_step_seconds",
    "What each step of a file took: stage, wait (for the runner), compute (a batch counts for each of its "
    "files), upload, commit, publish, acknowledge.",
    (_WORKER,),
    (*_FUNCTION, "step"),
    _STEP_SECONDS,
)
FILE_WAIT = _histogram(
    "headrace_file_wait_seconds",
    "From the event to the start of computing, of first attempts: what the promise is about.",
    (_WORKER,),
    _FUNCTION,
    _WAIT_SECONDS,
)
FILE_SECONDS = _histogram(
    "headrace_file_seconds",
    "From the event to the published result, of files that are done.",
    (_WORKER,),
    _FUNCTION,
    _WAIT_SECONDS,
)
INPUT_BYTES = _counter(
    "headrace_worker_input_bytes_total",
    "Bytes of inputs of files that are done.",
    (_WORKER,),
    _FUNCTION,
)
OUTPUT_BYTES = _counter(
    "headrace_worker_output_bytes_total", "Bytes of their published outputs.", (_WORKER,), _FUNCTION
)

# API

CALLS = _counter(
    "headrace_api_calls_total",
    "Calls by route and status; a path that is no route counts as `other`.",
    (_API,),
    ("method", "route", "status"),
)
CALL_SECONDS = _histogram(
    "headrace_api_call_seconds",
    "From a call's arrival to the beginning of its answer: its upload included, and of `/run` the work too.",
    (_API,),
    ("method", "route"),
    _STEP_SECONDS,
)
CALLS_UNDER_WAY = _gauge(
    "headrace_api_calls_under_way", "Calls that are not answered yet, uploads among them.", (_API,)
)
SPOOL_BYTES = _gauge(
    "headrace_api_spool_bytes", "What uploads and answers under way take of the disk.", (_API,)
)
SPOOL_LIMIT = _gauge(
    "headrace_api_spool_limit_bytes",
    "What they may take together: beyond it uploads are refused with status 503.",
    (_API,),
)

# Status page

STREAMS = _gauge(
    "headrace_status_streams",
    "Browsers that have the status page open and are told of changes as they happen.",
    (_STATUS,),
)
STREAMS_LIMIT = _gauge(
    "headrace_status_streams_limit",
    "As many of them as there may be at once: beyond it a page is refused with status 503.",
    (_STATUS,),
)

# Remote GPUs

GPU_SERVER_UP = _gauge(
    "headrace_gpu_server_up",
    "1 where a GPU server answers, else 0. One whose host is switched off on purpose is not told.",
    (_PUBLISHER,),
    ("server",),
)
GPU_SESSIONS = _gauge(
    "headrace_gpu_sessions", "Sessions that claims hold at a GPU server.", (_PUBLISHER,), ("server",)
)
GPU_SESSIONS_LIMIT = _gauge(
    "headrace_gpu_sessions_limit",
    "Sessions that a GPU server has room for: at this limit remote work waits.",
    (_PUBLISHER,),
    ("server",),
)
GPU_CLAIMS = _gauge(
    "headrace_gpu_claims_prepared",
    "Claims for remote GPUs that are prepared on this node, by backend.",
    (_PLUGIN,),
    ("backend",),
)
GPU_REGISTERED = _gauge(
    "headrace_gpu_plugin_registered",
    "1 where the kubelet of this node knows the plugin, else 0: no worker with remote GPUs starts there.",
    (_PLUGIN,),
)

FAMILIES: tuple[Family, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Family))
BY_NAME = {each.name: each for each in FAMILIES}


def of_service(service: Service) -> tuple[Family, ...]:
    """What a service tells."""
    return tuple(each for each in FAMILIES if service in each.services)
