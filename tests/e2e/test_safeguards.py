"""One safeguard switched off, and the oracle tells: so a clean verdict means something."""

import time
from dataclasses import replace

import pytest

from tests.e2e.campaign import run_campaign
from tests.e2e.functions import Shape
from tests.e2e.harness import Options, System, wait_until
from tests.e2e.oracle import Evidence, Kind, judge
from tests.e2e.sabotage import PAUSE_SECONDS, Mode
from tests.e2e.uploads import Uploader, plan_files

SABOTAGED = Options(
    seed=4,
    functions=dict.fromkeys(Mode, Shape.PAIR),
    lease_seconds=1.0,
    handler_seconds=(0.1, 0.6),
    worker_module="tests.e2e.sabotage",
)
FILES = 8  # of each mode


@pytest.fixture(scope="module")
def sabotaged(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Of a run in which leases are lost all the time; each function's workers lack another safeguard."""
    with System(tmp_path_factory.mktemp("sabotaged"), SABOTAGED) as system:
        outcome = run_campaign(system, plan_files(FILES * len(Mode), SABOTAGED.seed, Mode), harm=())
        time.sleep(3 * PAUSE_SECONDS)  # the queue is empty, and some stand still with a record in hand
        system.stop("worker")
        return system.evidence(outcome.uploads)


def of_mode(evidence: Evidence, mode: Mode) -> Evidence:
    return replace(
        evidence,
        uploads=tuple(upload for upload in evidence.uploads if upload.function == mode),
        records={k: v for k, v in evidence.records.items() if k.startswith(f"records/{mode}/")},
        results={k: v for k, v in evidence.results.items() if k[1].startswith(f"{mode}/")},
    )


def test_several_workers_on_one_file_do_no_harm(sabotaged):
    verdict = judge(of_mode(sabotaged, Mode.CONTROL))
    assert verdict.clean, verdict
    assert verdict.extra_starts > 0, "no file was worked twice: the test shows nothing"


@pytest.mark.parametrize("mode", [Mode.OVERWRITE, Mode.UNSTAGED])
def test_without_the_safeguard_the_oracle_finds_keys_that_hold_another_attempts_work(sabotaged, mode):
    verdict = judge(of_mode(sabotaged, mode))
    assert verdict.extra_starts > 0
    assert {fault.kind for fault in verdict.faults} & {Kind.WRONG_BYTES, Kind.MIXED}


def test_without_the_listing_the_oracle_finds_uploads_whose_notification_was_dropped(tmp_path):
    options = Options(seed=5, functions={"none": Shape.NONE}, workers=1, listing_seconds=3600.0)
    with System(tmp_path, options) as system:
        # What is uploaded before the listing at the start has ended would be found by it.
        wait_until(lambda: system.said("events.listed"), 60, system.stuck)
        uploader = Uploader(system.client)
        uploader.upload(plan_files(100, 5, options.functions))
        wait_until(lambda: system.proxy_counts()["received"] >= len(uploader.uploads), 60, system.stuck)
        wait_until(system.at_rest, 60, system.stuck)
        verdict = judge(system.evidence(uploader.uploads))
        dropped = system.proxy_counts()["dropped"]
    assert dropped > 0
    assert {fault.kind for fault in verdict.faults} == {Kind.LOST}
    assert len(verdict.faults) <= dropped
