"""Synthetic echocardiograms: an anatomy, seen by a simple model of an ultrasound machine.

Echoes are computed on a polar grid (beams x samples), as a machine does: Rayleigh speckle that is
wider across the beam than along it, attenuation with depth, beams lost behind ribs, logarithmic
compression; then scan-converted to a picture. Everything comes from the generator passed in.
"""

from dataclasses import dataclass, replace

import numpy as np
from echo.geometry import Fan
from echo.views import VIEWS

from training.anatomy import Part, clouds, lines, parts_of

BEAMS, SAMPLES = 112, 176
SPECKLE_DECIBELS = 20.0  # 20 log10 of a Rayleigh amplitude


@dataclass(frozen=True, slots=True)
class Look:
    """Pose and machine settings of one phantom."""

    mirrored: bool
    turn: float
    size: float
    shift: tuple[float, float]
    bend: tuple[float, float]
    background: float
    attenuation: float
    dynamic_range: float  # decibels shown between black and white
    gain: float
    gamma: float
    grain: tuple[float, float]  # blur of the speckle along and across the beam, in grid cells
    dropouts: tuple[tuple[float, float, float], ...]  # middle and width in beams (0..1), depth of the loss
    clutter: float  # haze near the probe
    patches: tuple[tuple[float, float, float, float], ...]  # uneven tissue as waves: kx, ky, start, height


@dataclass(frozen=True, slots=True)
class Phantom:
    """A grey picture (uint8), the fan it was drawn in, and what it shows."""

    picture: np.ndarray
    fan: Fan
    view: str


def random_look(rng: np.random.Generator) -> Look:
    """Pose, gain and all else at random."""
    return Look(
        mirrored=bool(rng.random() < 0.5),
        turn=float(rng.normal(0, 0.14)),
        size=float(rng.uniform(0.8, 1.25)),
        shift=(float(rng.normal(0, 0.05)), float(rng.normal(0, 0.04))),
        bend=(float(rng.normal(0, 0.03)), float(rng.uniform(0, 6))),
        background=float(rng.uniform(0.1, 0.42)),
        attenuation=float(rng.uniform(-0.1, 0.4)),
        dynamic_range=float(rng.uniform(38, 75)),
        gain=float(rng.uniform(-0.15, 0.15)),
        gamma=float(rng.uniform(0.8, 2.0)),
        grain=(float(rng.uniform(0.5, 1.4)), float(rng.uniform(0.8, 3.0))),
        dropouts=tuple(
            (float(rng.uniform(-0.1, 1.1)), float(rng.uniform(0.05, 0.25)), float(rng.uniform(0.1, 0.7)))
            for _ in range(rng.integers(0, 4))
        ),
        clutter=float(rng.uniform(0, 0.5)),
        patches=tuple(
            (*(float(k) for k in rng.normal(0, 9, 2)), float(rng.uniform(0, 6)), float(rng.uniform(0, 0.09)))
            for _ in range(6)
        ),
    )


def random_fan(rng: np.random.Generator, width: int, height: int) -> Fan:
    """A fan that fits the picture, of any common opening; its apex may lie above the picture."""
    half_angle = np.radians(rng.uniform(30, 50))
    far = height * rng.uniform(0.8, 0.95)
    near = far * rng.uniform(0.0, 0.12)
    far = min(far, 0.49 * width / np.sin(half_angle))
    top = near * np.cos(half_angle)
    apex_y = rng.uniform(0.01, 0.06) * height - top
    room = 0.5 * width - far * np.sin(half_angle)
    apex_x = 0.5 * width + rng.uniform(-1, 1) * max(room - 1, 0) * 0.8
    return Fan(
        float(apex_x), float(apex_y), float(near), float(min(far, height - 1 - apex_y)), float(half_angle)
    )


def draw(
    view: str, rng: np.random.Generator, *, width: int = 320, height: int = 240, phase: float | None = None
) -> Phantom:
    """One phantom of a view."""
    fan, look = random_fan(rng, width, height), random_look(rng)
    moment = float(rng.random()) if phase is None else phase
    echo = _echoes(fan, look, _drawn(view, rng, moment))
    return Phantom(_seen(echo, fan, look, rng, (height, width)), fan, view)


def draw_clip(view: str, seed: int, *, frames: int = 8, width: int = 320, height: int = 240) -> list[Phantom]:
    """One heart beating: the same look and anatomy, new speckle in each frame."""
    return [
        _frame(view, seed, index, 0.5 - 0.5 * np.cos(2 * np.pi * index / frames), (width, height))
        for index in range(frames)
    ]


def _frame(view: str, seed: int, index: int, phase: float, size: tuple[int, int]) -> Phantom:
    rng = np.random.default_rng(seed)
    fan, look = random_fan(rng, *size), random_look(rng)
    echo = _echoes(fan, look, _drawn(view, rng, phase))
    noise = np.random.default_rng((seed, index))
    return Phantom(_seen(echo, fan, look, noise, size[::-1]), fan, view)


def draw_any(rng: np.random.Generator, *, width: int = 320, height: int = 240) -> Phantom:
    """A phantom of any view, each as likely."""
    return draw(VIEWS[rng.integers(len(VIEWS))], rng, width=width, height=height)


def jittered(fan: Fan, rng: np.random.Generator) -> Fan:
    """The fan as a detector might find it: a few per cent off."""
    return replace(
        fan,
        far=fan.far * rng.uniform(0.93, 1.02),
        half_angle=fan.half_angle * rng.uniform(0.9, 1.03),
        apex_x=fan.apex_x + rng.normal(0, 0.008) * fan.far,
    )


def _drawn(view: str, rng: np.random.Generator, phase: float) -> list[Part]:
    return [*clouds(rng), *lines(rng), *parts_of(view, rng, phase), *lines(rng)[:1]]


def _echoes(fan: Fan, look: Look, parts: list[Part]) -> np.ndarray:
    """Brightness of the tissue on the polar grid, without speckle."""
    radius = np.linspace(fan.near / fan.far, 1, SAMPLES, dtype=np.float32)[:, None]
    angle = np.linspace(-fan.half_angle, fan.half_angle, BEAMS, dtype=np.float32)[None, :]
    x, y = _posed(radius * np.sin(angle), radius * np.cos(angle), look)
    field = np.full(x.shape, look.background, dtype=np.float32)
    for part in parts:
        cover = part.cover(x, y)
        field += (part.echo - field) * cover
    for kx, ky, start, height in look.patches:
        field += height * np.sin(kx * x + ky * y + start) * (field > 0.08)
    beams = np.linspace(0, 1, BEAMS, dtype=np.float32)[None, :]
    for middle, width, loss in look.dropouts:
        field -= loss * np.exp(-(((beams - middle) / width) ** 2)) * np.minimum(radius * 3, 1)
    field += look.clutter * np.exp(-radius / 0.09)
    return field - look.attenuation * radius + 0.5 * look.attenuation


def _posed(x: np.ndarray, y: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Picture coordinates to those of the anatomy: mirror, turn, scale, shift and a slight bend."""
    side = -1 if look.mirrored else 1
    x, y = side * x - look.shift[0], y - 0.45 - look.shift[1]
    cos, sin = np.cos(look.turn) / look.size, np.sin(look.turn) / look.size
    x, y = x * cos + y * sin, y * cos - x * sin
    amount, start = look.bend
    return x + amount * np.sin(5 * y + start), y + 0.45 + amount * np.cos(4 * x + start)


def _seen(
    echo: np.ndarray, fan: Fan, look: Look, rng: np.random.Generator, shape: tuple[int, int]
) -> np.ndarray:
    """Speckle, compression and scan conversion."""
    waves = rng.standard_normal((2, *echo.shape), dtype=np.float32)
    blurred = _blurred(_blurred(waves, look.grain[0], axis=1), look.grain[1], axis=2)
    blurred /= blurred.std()
    power = (blurred * blurred).sum(axis=0) / 2 + 1e-4
    level = echo + look.gain + SPECKLE_DECIBELS / 2 * np.log10(power) / look.dynamic_range
    polar = np.clip(level, 0, 1) ** np.float32(look.gamma)
    return (_scan_converted(polar, fan, shape) * 255).astype(np.uint8)


def _blurred(values: np.ndarray, sigma: float, *, axis: int) -> np.ndarray:
    """Gaussian blur along one axis."""
    reach = max(1, int(np.ceil(2.5 * sigma)))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    padded = np.pad(
        values, [(reach, reach) if a == axis else (0, 0) for a in range(values.ndim)], mode="wrap"
    )
    length = values.shape[axis]
    windows = [np.take(padded, range(k, k + length), axis=axis) for k in range(len(weights))]
    return sum(w * window for w, window in zip(weights, windows, strict=True))


def _scan_converted(polar: np.ndarray, fan: Fan, shape: tuple[int, int]) -> np.ndarray:
    """A picture from the polar grid, by bilinear interpolation; 0 outside the fan."""
    inside = fan.mask(*shape)
    rows, columns = np.nonzero(inside)
    down, right = rows - np.float32(fan.apex_y), columns - np.float32(fan.apex_x)
    sample = (np.hypot(right, down) - fan.near) / (fan.far - fan.near) * (SAMPLES - 1)
    beam = (np.arctan2(right, down) / fan.half_angle + 1) / 2 * (BEAMS - 1)
    i = np.clip(sample.astype(np.int32), 0, SAMPLES - 2)
    j = np.clip(beam.astype(np.int32), 0, BEAMS - 2)
    u, v = sample - i, beam - j
    top = polar[i, j] * (1 - v) + polar[i, j + 1] * v
    low = polar[i + 1, j] * (1 - v) + polar[i + 1, j + 1] * v
    picture = np.zeros(shape, dtype=np.float32)
    picture[inside] = top * (1 - u) + low * u
    return np.clip(picture, 0, 1)
