"""What the network sees: one frame, cut to its sector, in one size and one brightness."""

import numpy as np
from PIL import Image

INPUT_WIDTH = 320  # the topology's input is 320 x 240 x 1; here 320 is the width, as echo screens are wide
INPUT_HEIGHT = 240
WHITE_PERCENTILE = 99.5  # brightness inside the sector that becomes 1
MEAN_BRIGHTNESS = 0.25  # to which a gamma brings the sector's mean, whatever the machine's gain
GAMMA_LIMITS = (0.4, 1.6)


def grey(frames: np.ndarray) -> np.ndarray:
    """Luminance (ITU-R BT.601, in 1/256) of uint8 RGB frames, as uint8."""
    red, green, blue = (frames[..., channel].astype(np.uint16) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)


def network_input(
    picture: np.ndarray, mask: np.ndarray, *, width: int = INPUT_WIDTH, height: int = INPUT_HEIGHT
) -> np.ndarray:
    """float32 of height x width in 0..1 from a uint8 grey picture and its sector's mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    inside = mask[cut]
    levelled = _levelled(picture[cut], inside)
    scale = min(height / inside.shape[0], width / inside.shape[1])
    size = (max(1, round(inside.shape[1] * scale)), max(1, round(inside.shape[0] * scale)))
    fitted = np.asarray(Image.fromarray(levelled).resize(size, Image.Resampling.BILINEAR))
    canvas = np.zeros((height, width), dtype=np.float32)
    left = (width - size[0]) // 2
    canvas[: size[1], left : left + size[0]] = fitted
    return canvas


def _levelled(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Brightness 0..1 with the white point and the mean of the constants above; 0 outside."""
    shown = picture[inside]
    white = max(float(np.percentile(shown, WHITE_PERCENTILE)), 1.0)
    levels = np.minimum(np.arange(256, dtype=np.float32) / white, 1.0)  # of each of the 256 shades
    mean = float(levels[shown].mean())
    if mean > 0:
        gamma = np.clip(np.log(MEAN_BRIGHTNESS) / np.log(min(mean, 0.99)), *GAMMA_LIMITS)
        levels = levels ** np.float32(gamma)
    return levels[picture] * inside
