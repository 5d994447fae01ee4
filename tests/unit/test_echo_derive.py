"""The demo's files: derived clips that are valid, different and always the same, and the real ones."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from derive import FRAMES, REAL, SHIPPED, SOURCE, Change, changed, changes, derive
from echo.dicom import read_dicom
from pydicom.pixels import pixel_array


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("derived")
    derive(5, target)
    return target


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_count_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    derive(5, tmp_path)
    assert digests(tmp_path) == digests(folder)


def test_all_changes_are_different_and_fewer_are_the_first_of_more() -> None:
    many = changes(500, 30)
    assert len(set(many)) == 500
    assert changes(100, 30) == many[:100]


def test_the_index_says_what_each_file_is(folder: Path) -> None:
    entries = json.loads((folder / "index.json").read_text())["files"]
    assert {entry["name"] for entry in entries} == {path.name for path in folder.glob("*.dcm")}
    assert [entry["kind"] for entry in entries] == ["derived"] * 5 + ["real"] * len(REAL)
    derived = {key: entries[0][key] for key in ("from", "frames", "start", "mirrored", "gain", "crop")}
    change = changes(1, 30)[0]
    assert derived == {
        "from": SOURCE,
        "frames": FRAMES,
        "start": change.start,
        "mirrored": change.mirrored,
        "gain": change.gain,
        "crop": list(change.crop),
    }


def test_real_files_are_copied_unchanged(folder: Path) -> None:
    for shipped, (name, _) in REAL.items():
        assert (folder / name).read_bytes() == (SHIPPED / shipped).read_bytes()


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_derived_clip_is_small_and_holds_the_changed_frames(folder: Path, number: int) -> None:
    path = folder / f"derived-{number:04d}.dcm"
    expected = changed(pixel_array(SHIPPED / SOURCE), changes(5, 30)[number - 1])
    clip = read_dicom(path, None)
    assert clip.total_frames == FRAMES
    assert np.abs(clip.frames.astype(int) - expected).mean() < 1.5, "JPEG loses little"
    assert path.stat().st_size < 300_000


def test_a_derived_clip_says_so_and_names_nobody(folder: Path) -> None:
    dataset = pydicom.dcmread(folder / "derived-0001.dcm")
    source = pydicom.dcmread(SHIPPED / SOURCE)
    assert dataset.ImageType[0] == "DERIVED"
    assert SOURCE in dataset.DerivationDescription
    assert dataset.LossyImageCompression == "01"
    assert not {"StudyDate", "StudyTime", "StationName", "Manufacturer"} & set(dataset.dir())
    assert dataset.PatientID != source.PatientID
    assert dataset.SOPInstanceUID != source.SOPInstanceUID


def test_a_change_crops_mirrors_and_brightens() -> None:
    frames = np.zeros((30, 10, 12, 3), dtype=np.uint8)
    frames[4, 3, 5] = 100
    result = changed(frames, Change(start=4, mirrored=True, gain=1.5, crop=(2, 1, 3, 4)))
    assert result.shape == (FRAMES, 5, 7, 3)
    assert np.argwhere(result.any(axis=-1)).tolist() == [[0, 2, 3]]
    assert result.max() == 150
