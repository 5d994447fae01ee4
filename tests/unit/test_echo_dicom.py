"""DICOM files of many kinds are read alike; broken ones say what is wrong with them."""

import traceback
from pathlib import Path

import numpy as np
import pytest
from derive import SHIPPED
from echo.classifier import read_clip
from echo.clip import LARGEST_BYTES, check_size, spread
from echo.dicom import pixel_spacing, read_dicom
from echo.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import convert_color_space
from pydicom.uid import RLELossless

from tests.fixtures.echo_screens import dicom_of, saved


def gradient(frames: int = 3) -> np.ndarray:
    """Grey frames (n x 6 x 8 uint8), each pixel another level."""
    return (np.arange(frames * 48).reshape(frames, 6, 8) % 251).astype(np.uint8)


def coloured(frames: int = 3) -> np.ndarray:
    return np.stack([gradient(frames), gradient(frames)[:, ::-1], gradient(frames)[:, :, ::-1]], axis=-1)


@given(st.integers(1, 500), st.integers(1, 60))
def test_chosen_frames_are_spread_in_order_over_the_whole_clip(total: int, wanted: int) -> None:
    indices = spread(total, wanted)
    assert len(indices) == min(total, wanted)
    assert list(indices) == sorted(set(indices))
    assert indices[0] + (total - 1 - indices[-1]) <= total // len(indices) + 1
    assert 0 <= indices[0] <= indices[-1] < total


def test_all_frames_are_taken_on_wish() -> None:
    assert spread(5, None) == (0, 1, 2, 3, 4)


def test_colour_frames_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = saved(dicom_of(coloured(), FrameTime="40"), tmp_path / "x.dcm")
    clip = read_dicom(path, None)
    assert np.array_equal(clip.frames, coloured())
    assert (clip.indices, clip.total_frames, clip.frame_seconds) == ((0, 1, 2), 3, 0.04)


def test_only_the_chosen_frames_are_decoded(tmp_path: Path) -> None:
    path = saved(dicom_of(coloured(9)), tmp_path / "x.dcm")
    clip = read_dicom(path, 3)
    assert (clip.indices, clip.total_frames) == ((1, 4, 7), 9)
    assert np.array_equal(clip.frames, coloured(9)[[1, 4, 7]])


def test_ybr_frames_become_rgb(tmp_path: Path) -> None:
    ybr = convert_color_space(coloured(), "RGB", "YBR_FULL")
    clip = read_dicom(saved(dicom_of(ybr, interpretation="YBR_FULL"), tmp_path / "x.dcm"), None)
    assert np.abs(clip.frames.astype(int) - coloured()).max() <= 2


def test_run_length_coded_frames_are_read(tmp_path: Path) -> None:
    dataset = dicom_of(coloured())
    dataset.compress(RLELossless, generate_instance_uid=False)
    assert np.array_equal(read_dicom(saved(dataset, tmp_path / "x.dcm"), None).frames, coloured())


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_monochrome_is_shown_with_white_as_white(tmp_path: Path, interpretation: str) -> None:
    path = saved(dicom_of(gradient(), interpretation=interpretation), tmp_path / "x.dcm")
    shown = read_dicom(path, None).frames
    expected = 255 - gradient() if interpretation == "MONOCHROME1" else gradient()
    assert np.abs(shown.astype(int) - expected[..., None]).max() <= 1


def test_sixteen_bits_are_shown_in_eight(tmp_path: Path) -> None:
    deep = gradient().astype(np.uint16) * 257
    shown = read_dicom(saved(dicom_of(deep, interpretation="MONOCHROME2"), tmp_path / "x.dcm"), None).frames
    assert np.abs(shown[..., 0].astype(int) - gradient()).max() <= 1


@pytest.mark.parametrize(
    ("name", "size", "frames"),
    [
        ("examples_ybr_color.dcm", (240, 320), 30),
        ("examples_rgb_color.dcm", (240, 320), 1),
        ("examples_palette.dcm", (350, 800), 1),
        ("examples_jpeg2k.dcm", (480, 640), 1),
        ("ExplVR_BigEnd.dcm", (60, 80), 1),
    ],
)
def test_the_real_files_are_read(name: str, size: tuple[int, int], frames: int) -> None:
    clip = read_dicom(SHIPPED / name, 8)
    assert ((clip.height, clip.width), clip.total_frames) == (size, frames)
    assert clip.frames.shape == (min(frames, 8), *size, 3)
    assert clip.frames.max() > 200


def without_pixels(path: Path) -> Path:
    dataset = dicom_of(coloured())
    for name in ("PixelData", "Rows", "Columns"):
        delattr(dataset, name)
    return saved(dataset, path)


def without_pixel_data(path: Path) -> Path:
    dataset = dicom_of(coloured())
    del dataset.PixelData
    return saved(dataset, path)


def cut_short(path: Path) -> Path:
    saved(dicom_of(coloured()), path)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def scrambled(path: Path) -> Path:
    content = bytearray((SHIPPED / "examples_ybr_color.dcm").read_bytes())
    content[-150_000:-10_000] = bytes(140_000)
    path.write_bytes(content)
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def text(path: Path) -> Path:
    path.write_text("not a picture " * 40)
    return path


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (empty, r"^x\.dcm: no pixel data \(0 bytes\)$"),
        (text, r"^x\.dcm: no DICOM file \(no DICM prefix; 560 bytes\)$"),
        (without_pixels, r"^x\.dcm: no pixel data \(\d+ bytes\): not a picture or a clip$"),
        (without_pixel_data, r"^x\.dcm: pixel data can't be decoded: .+"),
        (cut_short, r"^x\.dcm: pixel data can't be decoded: .+"),
        (scrambled, r"^x\.dcm: pixel data can't be decoded: .+"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, broken, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_clip(broken(tmp_path / "x.dcm"), 8)


@given(st.integers(132, 3000), st.binary(min_size=1, max_size=40))
def test_damage_anywhere_gives_a_clip_or_an_error_that_quotes_nothing(
    tmp_path_factory, place: int, damage: bytes
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "x.dcm"
    saved(dicom_of(coloured()), path)
    content = bytearray(path.read_bytes())
    place = min(place, len(content) - len(damage))
    content[place : place + len(damage)] = damage
    path.write_bytes(content)
    told = outcome(path)
    assert told == "a clip" or told.startswith("x.dcm: ")
    assert not any(secret in told for secret in ("ROENTGEN", "WILHELM", "4711", "WUERZBURG", "1895"))


def outcome(path: Path) -> str:
    """What a worker's log would hold of the reading of a file."""
    try:
        assert read_clip(path, 8).frames.dtype == np.uint8
    except InputError:
        return traceback.format_exc().partition("echo.errors.InputError: ")[2]
    return "a clip"


def test_pydicoms_own_words_about_a_damaged_file_reach_no_log(tmp_path: Path, caplog) -> None:
    path = saved(dicom_of(coloured()), tmp_path / "x.dcm")
    content = bytearray(path.read_bytes())
    content[147:149] = b"\x00A"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^x\.dcm: broken DICOM file: \w+$"):
        read_clip(path, 8)
    assert not caplog.records


def test_more_frames_than_fit_the_memory_are_refused() -> None:
    check_size("x.dcm", 1, 1000, LARGEST_BYTES // 3000)
    with pytest.raises(InputError, match=r"^x\.dcm: 400 frames of 1024 x 768 need 900 MiB, at most 512 MiB"):
        check_size("x.dcm", 400, 1024, 768)


def region(**changes: object) -> Dataset:
    """A tissue region of 0.05 x 0.04 cm pixels that reaches 300 x 200."""
    item = Dataset()
    values = {
        "RegionDataType": 1,
        "RegionLocationMinX0": 10,
        "RegionLocationMinY0": 10,
        "RegionLocationMaxX1": 300,
        "RegionLocationMaxY1": 200,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.05,
        "PhysicalDeltaY": -0.04,
    }
    for name, value in {**values, **changes}.items():
        setattr(item, name, value)
    return item


@pytest.mark.parametrize(
    ("regions", "spacing", "warning"),
    [
        ([region()], (0.5, 0.4), None),
        ([region(RegionDataType=10), region(PhysicalDeltaX=0.02)], (0.2, 0.4), None),
        ([], None, "no pixel spacing: the file has no ultrasound regions"),
        (
            [region(RegionLocationMaxX1=595)],
            None,
            "no pixel spacing: the file's region reaches 595 x 200, its frames 320 x 240",
        ),
        (
            [region(PhysicalUnitsXDirection=4)],
            None,
            "no pixel spacing: no ultrasound region is a tissue picture in centimetres",
        ),
    ],
)
def test_pixel_spacing_is_given_only_where_the_regions_fit(
    regions: list[Dataset], spacing: tuple[float, float] | None, warning: str | None
) -> None:
    dataset = Dataset()
    if regions:
        dataset.SequenceOfUltrasoundRegions = regions
    assert pixel_spacing(dataset, 320, 240) == (spacing, (warning,) if warning else ())
