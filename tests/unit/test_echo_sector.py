"""The sector is found, and nothing outside it gets through."""

from pathlib import Path

import numpy as np
import pytest
from derive import SHIPPED
from echo.dicom import read_dicom
from echo.frame import grey
from echo.geometry import Box, Fan
from echo.sector import Sector, _percentile, enclosing, find_sector
from echo.views import VIEWS

from tests.fixtures.echo_screens import grey_frames, inked, with_text


def found(frames: np.ndarray) -> Sector:
    sector = find_sector(grey(frames))
    assert sector is not None
    return sector


def shipped(name: str) -> np.ndarray:
    return read_dicom(Path(SHIPPED / name), 8).frames


@pytest.mark.parametrize("seed", range(12))
def test_text_around_a_moving_fan_never_gets_through(seed: int) -> None:
    plain, fan = grey_frames(VIEWS[seed % 3], seed)
    screens = with_text(plain, fan, seed)
    shown = screens * found(screens).mask[..., None]
    assert inked(screens).sum() > 500, "the test must paint something"
    assert not inked(shown).any()


@pytest.mark.parametrize("seed", range(12))
def test_of_text_around_a_still_at_most_specks_get_through(seed: int) -> None:
    plain, fan = grey_frames(VIEWS[seed % 3], seed, frames=1)
    screens = with_text(plain, fan, seed)
    shown = screens * found(screens).mask[..., None]
    assert inked(shown).sum() <= 0.01 * inked(screens).sum()


def test_text_in_the_corners_between_fan_and_its_bounding_box_is_blacked() -> None:
    plain, fan = grey_frames(seed=4)
    mask = found(with_text(plain, fan, 4)).mask
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    corners = [(rows[0], columns[0]), (rows[0], columns[-1]), (rows[-1], columns[0]), (rows[-1], columns[-1])]
    assert not any(mask[corner] for corner in corners)


@pytest.mark.parametrize("seed", range(6))
def test_most_of_what_shines_in_a_moving_fan_is_kept(seed: int) -> None:
    frames, _ = grey_frames(VIEWS[seed % 3], seed)
    light = frames.max(axis=0)[..., 0].astype(int)
    assert light[found(frames).mask].sum() > 0.8 * light.sum()


def test_the_real_clips_fan_is_found_and_its_text_left_out() -> None:
    sector = found(shipped("examples_ybr_color.dcm"))
    assert isinstance(sector.shape, Fan)
    assert sector.shape.apex_x == pytest.approx(170, abs=3)
    assert np.degrees(sector.shape.half_angle) == pytest.approx(42, abs=3)
    assert not sector.mask[:16].any(), "the patient's name stands here"
    assert not sector.mask[:, 304:].any(), "the scale and the settings stand here"
    assert not sector.mask[212:].any(), "the menu stands here"


@pytest.mark.parametrize(("name", "rows"), [("examples_rgb_color.dcm", 55), ("examples_jpeg2k.dcm", 108)])
def test_a_linear_probes_box_is_found_below_the_heading(name: str, rows: int) -> None:
    sector = found(shipped(name))
    assert isinstance(sector.shape, Box)
    assert not sector.mask[:rows].any()
    assert sector.mask.mean() > 0.4


def test_a_convex_probes_fan_is_found_under_a_solid_bar() -> None:
    sector = found(shipped("examples_palette.dcm"))
    assert isinstance(sector.shape, Fan)
    assert not sector.mask[:62].any()
    assert not sector.mask[160:].any(), "the calipers stand here"


@pytest.mark.parametrize("level", [0, 90])
def test_a_screen_without_a_picture_has_no_sector(level: int) -> None:
    assert find_sector(np.full((4, 120, 160), level, dtype=np.uint8)) is None


def test_text_alone_is_no_sector() -> None:
    blank = np.zeros((1, 240, 320, 3), dtype=np.uint8)
    nothing = Fan(0, 0, 0, 0, 0.1)
    assert find_sector(grey(with_text(blank, nothing, 3))) is None


def test_a_large_screen_is_searched_at_a_smaller_size_with_the_same_result() -> None:
    frames, _ = grey_frames(seed=2)
    large = found(frames.repeat(3, axis=1).repeat(3, axis=2))
    small = found(frames)
    assert isinstance(large.shape, Fan)
    assert isinstance(small.shape, Fan)
    assert large.shape.far == pytest.approx(3 * small.shape.far, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 7, 400])
@pytest.mark.parametrize("percent", [0, 0.75, 50, 98.5, 100])
def test_a_percentile_of_sorted_rows_is_numpys(count: int, percent: float) -> None:
    rows = np.sort(np.random.default_rng(count).normal(size=(5, count)).astype(np.float32), axis=1)
    assert np.allclose(_percentile(rows, percent), np.percentile(rows, percent, axis=1), atol=1e-6)


def test_the_smallest_shape_around_a_fans_rim_is_that_fan() -> None:
    fan = Fan(100, -10, 30, 150, 0.7)
    rows, columns = np.nonzero(fan.mask(160, 220))
    shape = enclosing(np.stack([columns, rows], axis=1)[::7].astype(np.float32))
    assert isinstance(shape, Fan)
    measured = (shape.apex_x, shape.apex_y, shape.near, shape.far)
    assert measured == pytest.approx((100, -10, 30, 150), abs=6)
