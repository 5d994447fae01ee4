"""The handler from file to outputs, and what the outputs hold."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from derive import SHIPPED
from echo import Classifier
from echo.classifier import StagedFile
from echo.errors import InputError
from echo.views import MODEL, VIEWS
from PIL import Image

from headrace.catalog.folder import load_function
from tests.fixtures.echo_screens import NAME, dicom_of, grey_frames, inked, saved, with_text

ROOT = Path(__file__).parents[2]
REAL = SHIPPED / "examples_ybr_color.dcm"
SECRETS = ("ROENTGEN", "WILHELM", "4711", "WUERZBURG", "18951108", NAME)


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> Classifier:
    monkeypatch.setenv("ECHO_ANIMATION", "1")
    return Classifier()


def staged(path: Path, folder: Path) -> StagedFile:
    folder.mkdir()
    return SimpleNamespace(input=path, output=folder)


def result_of(folder: Path) -> dict:
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())


def test_each_file_of_a_batch_gets_its_results(classifier: Classifier, tmp_path: Path) -> None:
    still = SHIPPED / "examples_palette.dcm"
    classifier([staged(REAL, tmp_path / "a"), staged(still, tmp_path / "b")])
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "examples_ybr_color.dcm.json",
        "examples_ybr_color.dcm.png",
        "examples_ybr_color.dcm.webp",
    ]
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "examples_palette.dcm.json",
        "examples_palette.dcm.png",
    ]


def test_the_document_of_the_real_clip_says_what_was_seen(classifier: Classifier, tmp_path: Path) -> None:
    classifier.work(REAL, tmp_path)
    found = result_of(tmp_path)
    assert found["notice"] == "demonstration, not a medical device"
    assert found["view"] in VIEWS
    assert found["frames"] == {"total": 30, "used": 8, "seconds": 0.033333}
    assert sum(found["votes"].values()) == len(found["probabilities"]) == 8
    assert found["doppler"] == {"found": False, "fraction": 0.0, "threshold": 0.005, "tinted": False}
    assert found["pixel_spacing_mm"] is None
    regions = "no pixel spacing: the file's region reaches 595 x 414, its frames 320 x 240"
    assert regions in found["warnings"]
    assert found["sector"]["shape"] == "fan"
    assert len(found["model_sha256"]) == 64
    assert set(found["seconds"]) == {"decode", "sector", "doppler", "inference", "draw", "animation"}


def test_the_document_has_no_key_that_is_not_meant(classifier: Classifier, tmp_path: Path) -> None:
    classifier.work(REAL, tmp_path)
    assert set(result_of(tmp_path)) == {
        "notice", "view", "views", "mean", "votes", "probabilities", "doppler", "frames", "size",
        "pixel_spacing_mm", "sector", "warnings", "model_sha256", "seconds",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_text_outside_the_sector_reaches_neither_picture_nor_animation(
    classifier: Classifier, tmp_path: Path, seed: int
) -> None:
    plain, fan = grey_frames(VIEWS[seed % 3], seed)
    screens = with_text(plain, fan, seed)
    path = saved(dicom_of(screens), tmp_path / "x.dcm")
    (tmp_path / "out").mkdir()
    classifier.work(path, tmp_path / "out")
    with Image.open(tmp_path / "out/x.dcm.png") as picture:
        stage = np.asarray(picture.convert("RGB"))[30:570, 30:750]
    outline = (np.abs(stage.astype(int) - (64, 196, 180)).sum(axis=-1)) < 120
    assert inked(screens).sum() > 500, "the test must paint something"
    assert not (inked(stage) & ~outline).any()
    with Image.open(tmp_path / "out/x.dcm.webp") as animation:
        assert animation.n_frames == len(screens)
        for index in range(animation.n_frames):
            animation.seek(index)
            assert not inked(np.asarray(animation.convert("RGB"))[:-44]).any()


def test_no_identifying_tag_reaches_an_output(classifier: Classifier, tmp_path: Path) -> None:
    frames, _ = grey_frames()
    path = saved(dicom_of(frames, ImageComments="ROENTGEN"), tmp_path / "x.dcm")
    (tmp_path / "out").mkdir()
    classifier.work(path, tmp_path / "out")
    for output in (tmp_path / "out").iterdir():
        content = output.read_bytes()
        assert not any(secret.encode() in content for secret in SECRETS), output.name


@pytest.mark.parametrize(
    ("name", "doppler"), [("examples_jpeg2k.dcm", True), ("examples_palette.dcm", False)]
)
def test_a_linear_or_convex_probes_picture_is_given_no_view(
    classifier: Classifier, tmp_path: Path, name: str, doppler: bool
) -> None:
    finding = classifier.work(SHIPPED / name, tmp_path)
    found = result_of(tmp_path)
    assert (found["view"], found["probabilities"], finding.doppler.found) == (None, [], doppler)
    assert any(warning.startswith("no view: ") for warning in found["warnings"])


def test_a_screen_without_a_picture_is_refused_by_name(classifier: Classifier, tmp_path: Path) -> None:
    black = np.zeros((3, 120, 160, 3), dtype=np.uint8)
    path = saved(dicom_of(black), tmp_path / "x.dcm")
    with pytest.raises(InputError, match=r"^x\.dcm: no ultrasound picture found in 160 x 120 pixels$"):
        classifier.work(path, tmp_path)


def test_one_bad_file_fails_its_batch_with_its_name(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "bad.dcm").touch()
    with pytest.raises(InputError, match=r"^bad\.dcm: no pixel data \(0 bytes\)$"):
        classifier([staged(REAL, tmp_path / "a"), staged(tmp_path / "bad.dcm", tmp_path / "b")])


def test_all_frames_are_used_on_wish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECHO_FRAMES", "all")
    Classifier().work(REAL, tmp_path)
    assert result_of(tmp_path)["frames"]["used"] == 30
    assert not list(tmp_path.glob("*.webp")), "an animation only on wish"


def test_the_shipped_model_is_the_one_of_its_card(tmp_path: Path, classifier: Classifier) -> None:
    classifier.work(REAL, tmp_path)
    card = (MODEL.parent.parent / "MODEL.md").read_text()
    assert f"sha256 `{result_of(tmp_path)['model_sha256']}`" in card
    assert "not a medical device" in card


@pytest.mark.parametrize("name", ["echo", "thumbnail"])
def test_the_function_files_are_valid(name: str) -> None:
    assert load_function(ROOT / "functions" / name).function.name == name
