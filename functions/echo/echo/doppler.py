"""Is it colour Doppler: thresholds on hue, saturation and value inside the sector.

A tinted grey map (sepia, blue) colours all bright pixels alike and is no Doppler; Doppler colours some
of them, and the rest stays grey. Noise of YBR decoding is dark or pale, and falls under the thresholds.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

SATURATED = 90  # of 255
BRIGHT = 60  # value, of 255
SAMPLED_SIDE = 400  # pixels of the longer side that are looked at
TINT_SHARE = 0.9  # of bright pixels that are coloured alike: then it is a tint
TINT_HUES = 24  # of 256: the width of "alike"
DEFAULT_FRACTION = 0.005  # coloured pixels in the sector from which a clip is Doppler
HUE_TURN = 256


@dataclass(frozen=True, slots=True)
class Doppler:
    """The decision, and the fraction (0..1) of the sector's pixels in all frames that it rests on."""

    found: bool
    fraction: float
    threshold: float
    tinted: bool


def find_doppler(frames: np.ndarray, mask: np.ndarray, threshold: float = DEFAULT_FRACTION) -> Doppler:
    """The test on RGB frames (uint8, n x height x width x 3)."""
    step = max(1, -(-max(mask.shape) // SAMPLED_SIDE))
    inside = mask[::step, ::step]
    pixels = np.concatenate([_pixels(frame[::step, ::step], inside) for frame in frames])
    bright = pixels[:, 2] >= BRIGHT
    coloured = bright & (pixels[:, 1] >= SATURATED)
    fraction = float(coloured.mean()) if len(pixels) else 0.0
    tinted = _is_tint(pixels[coloured, 0], int(bright.sum()))
    return Doppler(fraction >= threshold and not tinted, round(fraction, 5), threshold, tinted)


def _pixels(frame: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(hue, saturation, value) of the pixels inside, each 0..255."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(frame)).convert("HSV"))[inside]


def _is_tint(hues: np.ndarray, bright: int) -> bool:
    """Whether nearly all bright pixels are coloured, and with nearly one hue."""
    if not len(hues) or len(hues) < TINT_SHARE * bright:
        return False
    counts = np.bincount(hues, minlength=HUE_TURN)
    around = np.concatenate([counts, counts[:TINT_HUES]]).cumsum()
    return bool((around[TINT_HUES:] - around[:-TINT_HUES]).max() >= TINT_SHARE * len(hues))
