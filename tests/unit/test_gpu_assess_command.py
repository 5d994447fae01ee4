"""`headrace gpu assess`: what is told of a comparison, and what is drawn."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, Group
from typer.testing import CliRunner

from headrace.assessment.measures import Measured, Spread
from headrace.assessment.plot import picture
from headrace.assessment.result import Assessment, GpuSeconds, LeftOut, Price, WayResult
from headrace.cli.drawing import drawing
from headrace.cli.gpu_assess import tell
from headrace.cli.gpu_assess_words import figure, intent_of, told_assessment, told_plan
from headrace.cli.main import app
from headrace.cli.output import document
from headrace.files.picture import Picture
from headrace.model.errors import ConfigurationError
from tests.unit.test_assessment import plan

REMOTE = WayResult(
    "remote",
    "remote on gpu1",
    ("remote 10.0.0.1:9393",),
    12.0,
    Measured(30, Spread(0.25, 0.2, 0.5), with_load=False, files_a_second=3.5, load_seconds=1.5),
    GpuSeconds(0.05, "server"),
    Price(0.0123),
)
MIG = WayResult(
    "mig-1g-5gb",
    "mig nvidia.com/mig-1g.5gb",
    start_seconds=180.0,
    measured=Measured(30, Spread(0.125, 0.1, 0.2), with_load=True, files_a_second=7.0, load_seconds=None),
    gpu=GpuSeconds(0.125, "worker"),
    price=Price(None, "node n1 belongs to no pool"),
)
BROKEN = WayResult("mps", "mps nvidia.com/gpu.shared", trouble="found 0 workers, wanted 1 within 900 s: full")
FOUND = Assessment(
    "1a2b3c4d",
    "echo",
    30,
    1,
    (REMOTE, MIG, BROKEN),
    (LeftOut("passthrough", "no pool has it"),),
    (),
    ("mig-1g-5gb", "remote"),
)


def text(*parts: object) -> str:
    console = Console(width=140, markup=False, highlight=False)
    with console.capture() as said:
        console.print(Group(*parts))  # type: ignore[arg-type]
    return said.get()


def test_a_comparison_is_told_with_bars_and_whatever_limits_it() -> None:
    told = text(*told_assessment(FOUND))
    rows = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "0.250 ████████████████ 0.200 to 0.500 3.50" in " ".join(rows["remote"].split())
    assert "0.125* ████████ 0.100 to 0.200 7.00 0.125+ - 3 min -" in " ".join(told.split())
    for said in (
        "30 files of echo by 1 worker, way by way",
        "* every worker had one batch only",
        "+ seconds for which files held their GPUs",
        "no price: node n1 belongs to no pool",
        "remote: remote 10.0.0.1:9393",
        "mps: found 0 workers, wanted 1 within 900 s: full",
        "left out: passthrough: no pool has it",
        "most files a second first: mig-1g-5gb, remote; gpu.access: [mig, remote]",
    ):
        assert said in told
    assert "cheapest" not in told  # a way without a price may be


def test_of_a_single_way_nothing_is_best() -> None:
    told = text(*told_assessment(replace(FOUND, ways=(REMOTE,), fastest=("remote",), cheapest=("remote",))))
    assert "first" not in told


def test_what_was_left_behind_is_told() -> None:
    assert "see to it by kubectl" in text(*told_assessment(replace(FOUND, trouble="see to it by kubectl")))


def test_a_dry_run_names_all_that_would_be_made() -> None:
    told = text(*told_plan(plan("remote", "mps", "cpu")))
    for said in (
        "bucket assess-1a2b3c4d",
        "with 1 worker each",
        "remote on gpu1  assess-1a2b3c4d-remote",
        "no GPU          assess-1a2b3c4d-cpu",
        "Each way works 2 files. All is removed again.",
        "left out: mps: no pool has it",
    ):
        assert said in told
    assert document(intent_of(plan("remote")))["dryRun"] is True


@pytest.mark.parametrize(
    ("value", "told"),
    [(1234.5, "1,234"), (100.4, "100"), (12.34, "12.3"), (0.012345, "0.0123"), (0.0, "0.00")],
)
def test_figures_have_three_digits_that_count(value: float, told: str) -> None:
    assert figure(value) == told


def test_json_has_every_figure() -> None:
    told = json.loads(json.dumps(document(FOUND)))
    assert told["ways"][0]["measured"]["secondsAFile"] == {"median": 0.25, "least": 0.2, "most": 0.5}
    assert told["ways"][0]["gpu"] == {"aFile": 0.05, "countedBy": "server"}
    assert told["ways"][1]["price"] == {"aThousand": None, "why": "node n1 belongs to no pool"}


def test_a_picture_has_a_bar_a_way_and_says_where_there_is_none() -> None:
    drawn = picture(FOUND, Picture.SVG)
    words = {
        "".join(each.itertext()).strip()
        for each in ElementTree.fromstring(drawn).iter()
        if "text" in each.tag
    }
    assert {
        "seconds a file (line: least to most)",
        "files a second",
        "price of 1,000 files",
        "remote",
        "mps",
        "none",
        "0.0123",
    } <= words
    assert drawn == picture(FOUND, Picture.SVG)
    assert picture(FOUND, Picture.PNG).startswith(b"\x89PNG")


def test_a_picture_that_can_not_be_written_costs_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = drawing(tmp_path / "nowhere" / "ways.svg", picture)
    with pytest.raises(ConfigurationError, match="can't be written"):
        tell(FOUND, draw, as_json=True)
    assert json.loads(capsys.readouterr().out)["id"] == FOUND.id


def run(*arguments: str, folder: Path) -> tuple[int, str]:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text("{}")
    (folder / "a.dcm").write_bytes(b"x")
    found = CliRunner().invoke(
        app, ["gpu", "assess", "--kubeconfig", str(kubeconfig), "--function", "echo", *arguments]
    )
    return found.exit_code, found.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--files", "nowhere.dcm"), "nowhere.dcm is no file or folder"),
        (("--files", "a.dcm", "--plot", "a.pdf"), "allowed .svg, .png"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_made(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run(*arguments, folder=tmp_path)
    assert code == 2
    assert told in output
