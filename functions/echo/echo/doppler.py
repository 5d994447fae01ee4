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
    inside, looked_at = mask[::step, ::step], frames[:, ::step, ::step]
    bright = looked_at[(_value(looked_at) >= BRIGHT) & inside]
    hues, saturation = _hue_and_saturation(bright)
    coloured = saturation >= SATURATED
    fraction = float(coloured.sum() / max(len(frames) * inside.sum(), 1))
    tinted = _is_tint(hues[coloured], len(bright))
    return Doppler(fraction >= threshold and not tinted, round(fraction, 5), threshold, tinted)


def _value(frames: np.ndarray) -> np.ndarray:
    """The value of HSV, 0..255."""
    return np.maximum(np.maximum(frames[..., 0], frames[..., 1]), frames[..., 2])


def _hue_and_saturation(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hue and saturation (0..255) of RGB pixels (uint8, n x 3)."""
    turned = np.asarray(Image.frombytes("RGB", (len(pixels), 1), pixels.tobytes()).convert("HSV"))
    return turned[0, :, 0], turned[0, :, 1]


def _is_tint(hues: np.ndarray, bright: int) -> bool:
    """Whether nearly all bright pixels are coloured, and with nearly one hue."""
    if not len(hues) or len(hues) < TINT_SHARE * bright:
        return False
    counts = np.bincount(hues, minlength=HUE_TURN)
    around = np.concatenate([counts, counts[:TINT_HUES]]).cumsum()
    return bool((around[TINT_HUES:] - around[:-TINT_HUES]).max() >= TINT_SHARE * len(hues))
