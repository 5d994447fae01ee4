"""Everything is killed at random, notifications get lost, and every file still has exactly one ending."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.campaign import LEAST, harms, run_campaign, wait_for_endings
from tests.e2e.figures import keep
from tests.e2e.harness import ROOT, Options, System
from tests.e2e.oracle import Expected, Upload, judge
from tests.e2e.uploads import plan_files


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, Options(seed=request.param)) as started:
        yield started


def mended(upload: Upload) -> Upload:
    return replace(upload, expected=Expected.DONE)


def replay(system: System) -> None:
    """As a person does it: mend the cause, then replay each function's failures."""
    system.work.switch.touch()
    for name in system.options.functions:
        subprocess.run(
            [Path(sys.executable).parent / "headrace", "replay", name, "--state", system.folder],
            cwd=ROOT, check=True, timeout=60,
        )  # fmt: skip


def survive(system: System, count: int, capsys: pytest.CaptureFixture, *, rounds: int = 1) -> None:
    files = plan_files(count, system.options.seed)
    outcome = run_campaign(system, files, harms(system.options.lease_seconds, rounds=rounds))
    before = judge(system.evidence(outcome.uploads))
    assert before.clean, f"{before}\n{system.stuck()}"
    replay(system)
    uploads = tuple(mended(upload) for upload in outcome.uploads)
    wait_for_endings(system, uploads)
    after = judge(system.evidence(uploads))
    report = outcome.report(system, before=before, after=after)
    keep(report, "chaos", f"{report.files}-{report.seed}", capsys)
    assert after.clean, f"after the replay: {after}"
    assert (after.failed, before.failed) == (0, sum(file.fails for file in files))
    assert min(outcome.kills.values()) >= LEAST, f"too few kills: {outcome.kills}"
    assert outcome.standstills >= 1
    assert all(report.notifications[what] for what in ("dropped", "doubled", "reordered", "forwarded"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("system", [1], indirect=True)
def test_2000_files_survive_chaos(system, capsys):
    survive(system, 2_000, capsys)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("system", [2, 3], indirect=True)
def test_10000_files_survive_chaos(system, capsys):
    survive(system, 10_000, capsys, rounds=3)
