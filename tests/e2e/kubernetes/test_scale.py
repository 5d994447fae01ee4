"""A burst of files on nodes by the hundred, from nothing and back, while what leads is killed.

SIMULATED: kwok plays the nodes, one process plays the containers of the worker pods (see player).
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from headrace.kube.election import Terms
from headrace.model.labels import LISTING_LEASE, SCALER_LEASE
from tests.bench.figures import percentile
from tests.e2e.campaign import wait_for_endings
from tests.e2e.figures import keep
from tests.e2e.harness import wait_until
from tests.e2e.kubernetes.asked import Asked, read_asked
from tests.e2e.kubernetes.player import FUNCTION
from tests.e2e.kubernetes.scaled import POOL, ScaledSystem, Size
from tests.e2e.kubernetes.watcher import Seen, Watcher
from tests.e2e.oracle import Verdict, judge
from tests.e2e.uploads import Uploader, plan_files
from tests.toolchain.cluster.box import Box

SMALL = Size(files=600, seconds=8.0, nodes=30, boot_seconds=10, lease_seconds=10.0, held=True)
WHOLE = Size(files=10_000, seconds=30.0, nodes=300, boot_seconds=30, lease_seconds=30.0, held=False)
FIRST_PART = 0.8  # of the files waits before there may be nodes; the rest comes while harm is done
REMOVED = 3  # nodes, under work
STILL_SECONDS = 1.5 * Terms().duration_seconds  # of a leader: another follows it
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a run. Times in seconds; `binding` from a decision to the worker's binding."""

    files: int
    seconds_a_file: float
    most_nodes: int
    most_workers: int
    nodes_to_all_workers: int
    nodes_started: int
    nodes_removed: int
    nodes_without_work: int
    workers_started: int
    to_all_workers: float
    to_last_file: float
    to_nothing_left: float
    binding: dict[str, float]
    api_calls: dict[str, int]
    api_calls_a_file: float
    done: int
    failed: int
    starts: int
    extra_starts: int
    exits: list[str]


@dataclass(frozen=True, slots=True)
class Times:
    """Moments of a run, in seconds since the epoch, and how many nodes had been started by one of them."""

    began: float
    all_workers: float
    last_file: float
    nothing_left: float
    nodes_to_all_workers: int


def harms(
    system: ScaledSystem, watcher: Watcher, later: Callable[[], None]
) -> Sequence[tuple[float, Callable[[], None]]]:
    """What is done once a share of the files was worked; `later` uploads the rest of the files."""

    def kill_receiver() -> None:
        kill("receiver", LISTING_LEASE)
        later()

    def stand_still() -> None:
        assert system.leader("scaler", SCALER_LEASE).stand_still(STILL_SECONDS)

    def kill(service: str, lease: str) -> None:
        assert system.leader(service, lease).kill()

    def remove_nodes() -> None:
        system.box.kubectl("delete", "node", *watcher.busiest(REMOVED), "--wait=false")

    def usurp() -> None:
        usurper = system.usurper()
        system.keepers["usurper"] = [usurper]
        usurper.start()
        assert usurper.wait_up(60)

    return (
        (0.08, remove_nodes),
        (0.16, kill_receiver),
        (0.24, lambda: kill("scaler", SCALER_LEASE)),
        (0.36, lambda: system.box.kill("kube-apiserver")),
        *([(0.45, stand_still)] if system.size is WHOLE else ()),  # takes as long as the small run
        (0.60, usurp),
    )


def has_worked(system: ScaledSystem, share: float) -> bool:
    return system.finished >= share * system.size.files


def run(system: ScaledSystem, watcher: Watcher) -> tuple[Uploader, Times]:
    """Everything uploaded, harmed, worked and gone."""
    size, uploader = system.size, Uploader(system.client)
    files = plan_files(size.files, system.options.seed, [FUNCTION])
    first, later = files[: int(len(files) * FIRST_PART)], files[int(len(files) * FIRST_PART) :]
    uploader.upload(first)
    began = time.time()
    system.give_nodes()
    with ThreadPoolExecutor(1) as beside:
        uploading: list[Future[None]] = []
        wait_until(
            lambda: watcher.seen.most_working >= size.workers,
            PATIENCE_SECONDS,
            lambda: f"{watcher.seen.most_working} of {size.workers} workers\n{system.stuck()}",
        )
        all_workers, nodes = time.time(), len(watcher.seen.nodes)
        system.open_gate()
        for share, harm in harms(
            system, watcher, lambda: uploading.append(beside.submit(uploader.upload, later))
        ):
            wait_until(partial(has_worked, system, share), PATIENCE_SECONDS, system.stuck)
            harm()
        for each in uploading:
            each.result()
    wait_for_endings(system, uploader.uploads)
    wait_until(
        lambda: watcher.empty, PATIENCE_SECONDS, lambda: f"{watcher.nodes} {watcher.pods}\n{system.stuck()}"
    )
    last_file = system.work.journal.stat().st_mtime
    return uploader, Times(began, all_workers, last_file, watcher.seen.last_change, nodes)


def report(
    system: ScaledSystem, times: Times, seen: Seen, asked: Asked, verdict: Verdict, files: int
) -> Report:
    kept = [keeper for kind in system.keepers.values() for keeper in kind]
    waits = asked.binding_seconds
    return Report(
        files=files,
        seconds_a_file=system.size.seconds,
        most_nodes=seen.most_nodes,
        most_workers=seen.most_working,
        nodes_to_all_workers=times.nodes_to_all_workers,
        nodes_started=len(seen.nodes),
        nodes_removed=REMOVED,
        nodes_without_work=len(seen.surplus),
        workers_started=len(seen.workers),
        to_all_workers=round(times.all_workers - times.began, 1),
        to_last_file=round(times.last_file - times.began, 1),
        to_nothing_left=round(times.nothing_left - times.last_file, 1),
        binding={f"p{round(100 * q)}": round(percentile(waits, q), 2) for q in (0.5, 0.95, 1.0)},
        api_calls=dict(sorted(asked.calls.items(), key=lambda each: -each[1])),
        api_calls_a_file=round(asked.total / files, 1),
        done=verdict.done,
        failed=verdict.failed,
        starts=verdict.starts,
        extra_starts=verdict.extra_starts,
        exits=[end for keeper in kept for end in keeper.exits],
    )


def came_again(verdict: Verdict) -> int:
    """Files that waited once more, as their worker was lost or their attempt failed.

    One that does so when all else is done starts a node, which another worker or the other leader may make
    superfluous before it is used: kwok's nodes are on at once, and so worth nothing while they are idle.
    """
    return verdict.starts - verdict.done - verdict.failed


def grow_and_shrink(system: ScaledSystem, capsys: pytest.CaptureFixture[str]) -> None:
    assert system.settings.kubernetes is not None
    since = time.time()
    with Watcher(system.settings.kubernetes, POOL) as watcher:
        assert watcher.empty
        uploader, times = run(system, watcher)
    logs = [system.folder / "logs" / f"{each.process_name}.log" for each in system.keepers["scaler"]]
    asked = read_asked(system.box.place.audit, logs, since=since)
    shutil.copy2(system.box.place.audit, system.folder / "audit.jsonl")  # the box's folder goes with it
    verdict = judge(system.evidence(uploader.uploads))
    found = report(system, times, watcher.seen, asked, verdict, len(uploader.uploads))
    keep(found, "scale", f"{found.files}", capsys)
    assert verdict.clean, f"{verdict}\n{system.stuck()}"
    assert (found.most_nodes, found.most_workers) == (system.size.nodes, system.size.workers)
    assert found.nodes_to_all_workers == system.size.nodes, "a node was started twice, or for nothing"
    later = found.nodes_started - found.nodes_to_all_workers
    assert later <= REMOVED + came_again(verdict)
    assert found.nodes_without_work <= later
    assert found.extra_starts > 0, "nothing was under work where it was harmed"


@pytest.fixture
def system(request: pytest.FixtureRequest, own_control_plane: Box, tmp_path: Path) -> Iterator[ScaledSystem]:
    with ScaledSystem(tmp_path, request.param, own_control_plane, seed=7) as started:
        yield started


@pytest.mark.timeout(900)
@pytest.mark.parametrize("system", [SMALL], indirect=True, ids=["120-workers"])
def test_a_burst_grows_and_shrinks_and_survives_everything(
    system: ScaledSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    grow_and_shrink(system, capsys)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("system", [WHOLE], indirect=True, ids=["1200-workers"])
def test_ten_thousand_files_on_300_nodes(system: ScaledSystem, capsys: pytest.CaptureFixture[str]) -> None:
    grow_and_shrink(system, capsys)
