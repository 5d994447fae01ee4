"""Colour Doppler is told from grey pictures, tinted maps and noise."""

import colorsys

import numpy as np
import pytest
from derive import SHIPPED
from echo.dicom import read_dicom
from echo.doppler import find_doppler
from echo.frame import grey
from echo.sector import find_sector

from tests.fixtures.echo_screens import grey_frames

EVERYWHERE = np.ones((120, 160), dtype=bool)


def speckled(seed: int = 0) -> np.ndarray:
    """Two grey frames of noise."""
    levels = np.random.default_rng(seed).integers(20, 220, (2, 120, 160, 1), dtype=np.uint8)
    return levels.repeat(3, axis=-1)


def with_patch(frames: np.ndarray, colour: tuple[float, float, float], share: float) -> np.ndarray:
    """A square of one (hue, saturation, value), each 0..1, that fills a share of each frame."""
    side = round((share * frames.shape[1] * frames.shape[2]) ** 0.5)
    painted = frames.copy()
    painted[:, 30 : 30 + side, 40 : 40 + side] = [round(255 * c) for c in colorsys.hsv_to_rgb(*colour)]
    return painted


@pytest.mark.parametrize("hue", [0.0, 0.05, 0.12, 0.5, 0.62, 0.7])
def test_a_patch_of_a_doppler_colour_is_found(hue: float) -> None:
    doppler = find_doppler(with_patch(speckled(), (hue, 0.9, 0.8), 0.04), EVERYWHERE)
    assert doppler.found
    assert doppler.fraction == pytest.approx(0.04, rel=0.1)


@pytest.mark.parametrize(
    ("saturation", "value", "share", "why"),
    [
        (0.9, 0.15, 0.2, "too dark"),
        (0.2, 0.9, 0.2, "too pale"),
        (0.9, 0.9, 0.003, "too small"),
    ],
)
def test_what_is_dark_pale_or_tiny_is_no_doppler(
    saturation: float, value: float, share: float, why: str
) -> None:
    assert not find_doppler(with_patch(speckled(), (0.0, saturation, value), share), EVERYWHERE).found, why


@pytest.mark.parametrize("tint", [(255, 190, 120), (110, 160, 255)])
def test_a_tinted_grey_map_is_no_doppler(tint: tuple[int, int, int]) -> None:
    tinted = (speckled() * (np.array(tint) / 255)).astype(np.uint8)
    doppler = find_doppler(tinted, EVERYWHERE)
    assert not doppler.found
    assert doppler.tinted


def test_red_and_blue_flow_on_a_tinted_map_is_doppler() -> None:
    tinted = (speckled() * (np.array((255, 190, 120)) / 255)).astype(np.uint8)
    flow = with_patch(tinted, (0.62, 0.95, 0.9), 0.2)
    assert find_doppler(flow, EVERYWHERE).found


def test_noise_of_colour_decoding_is_no_doppler() -> None:
    noise = np.random.default_rng(3).integers(-9, 10, (2, 120, 160, 3))
    noisy = np.clip(speckled().astype(int) + noise, 0, 255).astype(np.uint8)
    assert not find_doppler(noisy, EVERYWHERE).found


def test_only_the_sector_counts() -> None:
    outside = EVERYWHERE.copy()
    outside[20:100, 30:120] = False
    assert find_doppler(with_patch(speckled(), (0.0, 1, 1), 0.04), outside).fraction == 0


def test_the_threshold_can_be_set() -> None:
    frames = with_patch(speckled(), (0.0, 0.9, 0.8), 0.04)
    assert not find_doppler(frames, EVERYWHERE, threshold=0.05).found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("examples_rgb_color.dcm", True),
        ("examples_jpeg2k.dcm", True),
        ("examples_ybr_color.dcm", False),
        ("examples_palette.dcm", False),
    ],
)
def test_the_real_files_are_judged_as_they_are(name: str, found: bool) -> None:
    frames = read_dicom(SHIPPED / name, 8).frames
    sector = find_sector(grey(frames))
    assert sector is not None
    assert find_doppler(frames, sector.mask).found is found


def test_a_black_sector_is_no_doppler() -> None:
    doppler = find_doppler(np.zeros((2, 120, 160, 3), dtype=np.uint8), EVERYWHERE)
    assert (doppler.found, doppler.fraction, doppler.tinted) == (False, 0, False)


def test_a_phantom_is_no_doppler() -> None:
    frames, fan = grey_frames()
    assert find_doppler(frames, fan.mask(240, 320)).fraction == 0
