"""The heart in three views as blobs and strokes, in the probe's own coordinates.

The origin is the fan's apex, y points away from the probe, and 1 is the depth of the picture.
Echo is brightness in 0..1 on the logarithmic scale of the display: blood 0, pericardium 1.
Proportions are those of textbook views; they vary at random, so that the network learns the
arrangement of the chambers and not their measures.
"""

from dataclasses import dataclass

import numpy as np
from echo.views import VIEWS

FOUR_CHAMBER, SHORT_AXIS, LONG_AXIS = VIEWS
BLOOD = 0.04
EDGE = 0.02  # width of the soft border of a blob, in depths


@dataclass(frozen=True, slots=True)
class Blob:
    """A filled ellipse; `turn` is in radians."""

    x: float
    y: float
    rx: float
    ry: float
    echo: float
    turn: float = 0.0

    def cover(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How much of each point it covers, 0..1."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        dx, dy = x - self.x, y - self.y
        along = (dx * cos + dy * sin) / self.rx
        across = (dy * cos - dx * sin) / self.ry
        return _soft((1 - np.sqrt(along * along + across * across)) * min(self.rx, self.ry))


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, `width` from its middle to its border."""

    points: tuple[tuple[float, float], ...]
    width: float
    echo: float

    def cover(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How much of each point it covers, 0..1."""
        nearest = np.full(x.shape, np.inf, dtype=np.float32)
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:], strict=False):
            dx, dy = x1 - x0, y1 - y0
            part = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
            nearest = np.minimum(nearest, (x - x0 - part * dx) ** 2 + (y - y0 - part * dy) ** 2)
        return _soft(self.width - np.sqrt(nearest))


def _soft(inside: np.ndarray) -> np.ndarray:
    return np.clip(inside / EDGE + 0.5, 0, 1)


Part = Blob | Stroke


def parts_of(view: str, rng: np.random.Generator, phase: float) -> list[Part]:
    """What is drawn for a view, first to last; `phase` 0 is the end of diastole, 1 of systole."""
    return {FOUR_CHAMBER: _four_chamber, SHORT_AXIS: _short_axis, LONG_AXIS: _long_axis}[view](rng, phase)


def lines(rng: np.random.Generator) -> list[Part]:
    """Bright lines that belong to no view: reverberations, ribs, catheters."""
    return [_line(rng) for _ in range(rng.integers(0, 3))]


def clouds(rng: np.random.Generator) -> list[Part]:
    """Dim shapes that belong to no view: lung, liver, fat."""
    return [
        Blob(
            float(rng.normal(0, 0.35)),
            float(rng.uniform(0.1, 1)),
            *(float(r) for r in rng.uniform(0.05, 0.2, 2)),
            float(rng.uniform(0.1, 0.6)),
            float(rng.uniform(0, 3)),
        )
        for _ in range(rng.integers(0, 3))
    ]


def _line(rng: np.random.Generator) -> Stroke:
    x, y = rng.normal(0, 0.35), rng.uniform(0.15, 1)
    dx, dy = rng.normal(0, 0.15), rng.normal(0, 0.06)
    points = ((x - dx, y - dy), (x, y + rng.normal(0, 0.02)), (x + dx, y + dy))
    return Stroke(points, rng.uniform(0.006, 0.02), rng.uniform(0.4, 0.9))


def _around(rng: np.random.Generator, value: float, spread: float = 0.15) -> float:
    return float(value * rng.uniform(1 - spread, 1 + spread))


def _four_chamber(rng: np.random.Generator, phase: float) -> list[Part]:
    """The apex of the heart at the probe: ventricles above, atria below, valves between them."""
    wall, squeeze = rng.uniform(0.4, 0.65), 1 - 0.3 * phase
    septum, plane = rng.uniform(-0.06, 0.06), _around(rng, 0.58, 0.1)
    left, right = _around(rng, 0.125, 0.25) * squeeze, _around(rng, 0.095, 0.25) * squeeze
    atrium_left, atrium_right = _around(rng, 0.115, 0.25), _around(rng, 0.10, 0.25)
    half = rng.uniform(0.02, 0.04)  # of the septum
    top = plane - 2 * _around(rng, 0.235, 0.12)
    middle = (top + plane) / 2
    floor = plane + 0.02
    deep_left, deep_right = _around(rng, 0.11, 0.2), _around(rng, 0.10, 0.2)
    parts: list[Part] = [
        Blob(septum + 0.01, (top + plane) / 2 + 0.06, left + right + 0.13, (plane - top) / 2 + 0.19, wall),
        Blob(septum + half + left, middle, left, (plane - top) / 2, BLOOD, rng.uniform(-0.12, 0.12)),
        Blob(
            septum - half - right, middle + 0.05, right, (plane - top) / 2 - 0.06, BLOOD, rng.uniform(0, 0.25)
        ),
        Blob(septum + half * 0.6 + atrium_left, floor + deep_left, atrium_left, deep_left, BLOOD),
        Blob(septum - half * 0.6 - atrium_right, floor + deep_right, atrium_right, deep_right, BLOOD),
        *_shadow(rng, septum - half, plane),
        Stroke(((septum, top + 0.08), (septum, plane)), half * 0.8, wall + rng.uniform(0, 0.25)),
        Stroke(((septum, plane), (septum, floor + 1.7 * deep_left)), half * 0.35, wall),
    ]
    parts += _atrioventricular(rng, septum, plane, (2 * left + half, 2 * right + half), phase)
    bottom = floor + 2 * deep_left + 0.02
    reach = atrium_left + atrium_right
    back = ((septum - 2 * reach, bottom - 0.03), (septum, bottom + 0.03), (septum + 2 * reach, bottom - 0.04))
    if rng.random() < 0.25:
        return parts
    return [*parts, Stroke(back, rng.uniform(0.012, 0.04), rng.uniform(0.5, 1.0))]


def _shadow(rng: np.random.Generator, edge: float, plane: float) -> list[Part]:
    """Often the right heart is hardly seen, and only the left one stands out beside the septum."""
    if rng.random() < 0.6:
        return []
    wide = rng.uniform(0.15, 0.3)
    return [Blob(edge - wide, plane, wide, rng.uniform(0.25, 0.5), rng.uniform(0.02, 0.16))]


def _atrioventricular(
    rng: np.random.Generator, septum: float, plane: float, widths: tuple[float, float], phase: float
) -> list[Part]:
    """Mitral and tricuspid leaflets: one line when closed, two pointing to the apex when open."""
    lift = 0.10 * (1 - phase) * rng.uniform(0.3, 1.0)
    bright, thin = rng.uniform(0.6, 0.95), rng.uniform(0.006, 0.012)
    parts: list[Part] = []
    for side, width, height in ((1, widths[0], plane), (-1, widths[1], plane - 0.025)):
        middle = septum + side * width * rng.uniform(0.45, 0.55)
        gap = 0.015 + 0.3 * lift
        for start, end in ((septum, middle - side * gap), (septum + side * width, middle + side * gap)):
            parts.append(Stroke(((start, height), (end, height - lift)), thin, bright))
    return parts


def _short_axis(rng: np.random.Generator, phase: float) -> list[Part]:
    """Across the heart: a ring, the right ventricle as a crescent on it, muscles or valve inside."""
    wall, squeeze = rng.uniform(0.4, 0.65), 1 - 0.3 * phase
    x, y = rng.uniform(-0.06, 0.1), _around(rng, 0.52, 0.12)
    cavity = _around(rng, 0.16, 0.25) * squeeze
    thick = _around(rng, 0.075, 0.25) * (2 - squeeze)
    outer, turn = cavity + thick, rng.uniform(-0.3, 0.3)
    oval = rng.uniform(0.9, 1.1)
    bearing = rng.uniform(-1.2, -0.4)  # of the right ventricle, from straight up towards the left
    side = (x + np.sin(bearing) * outer * 0.75, y - np.cos(bearing) * outer * 0.75)
    parts: list[Part] = [
        Blob(*side, outer * rng.uniform(0.85, 1.05), outer * rng.uniform(0.65, 0.85), wall, bearing),
        Blob(*side, outer * rng.uniform(0.72, 0.82), outer * rng.uniform(0.5, 0.62), BLOOD, bearing),
        Blob(x, y, outer * oval, outer / oval, wall, turn),
        Blob(x, y, cavity * oval, cavity / oval, BLOOD, turn),
    ]
    parts += (
        _muscles(rng, x, y, cavity, wall) if rng.random() < 0.6 else _fish_mouth(rng, x, y, cavity, phase)
    )
    angles = np.linspace(-1.1, 1.1, 6) + rng.uniform(-0.2, 0.2)
    rim = tuple((x + outer * oval * np.sin(a), y + outer / oval * np.cos(a)) for a in angles)
    if rng.random() < 0.3:
        return parts
    return [*parts, Stroke(rim, rng.uniform(0.01, 0.025), rng.uniform(0.5, 1.0))]


def _muscles(rng: np.random.Generator, x: float, y: float, cavity: float, wall: float) -> list[Part]:
    size = cavity * rng.uniform(0.16, 0.28)
    angles = (rng.uniform(0.5, 1.1), rng.uniform(-1.1, -0.5))
    reach = cavity * rng.uniform(0.6, 0.8)
    return [Blob(x + reach * np.sin(a), y + reach * np.cos(a), size, size, wall + 0.1) for a in angles]


def _fish_mouth(rng: np.random.Generator, x: float, y: float, cavity: float, phase: float) -> list[Part]:
    wide, tall = cavity * rng.uniform(0.55, 0.8), cavity * rng.uniform(0.1, 0.35) * (1 - 0.7 * phase)
    thin, bright = rng.uniform(0.007, 0.013), rng.uniform(0.55, 0.9)
    lips = ((-wide, 0.0), (-wide / 2, tall), (wide / 2, tall), (wide, 0.0))
    upper = tuple((x + px, y + 0.02 - py) for px, py in lips)
    lower = tuple((x + px, y + 0.02 + py) for px, py in lips)
    return [Stroke(upper, thin, bright), Stroke(lower, thin, bright)]


def _long_axis(rng: np.random.Generator, phase: float) -> list[Part]:
    """Along the heart from the side: right ventricle on top, left one to the left, aorta and atrium right."""
    wall, squeeze = rng.uniform(0.4, 0.65), 1 - 0.3 * phase
    x, y, tilt = rng.uniform(-0.02, 0.06), _around(rng, 0.47, 0.1), rng.uniform(-0.25, 0.15)
    tall, long = _around(rng, 0.105, 0.2) * squeeze, _around(rng, 0.25, 0.12)
    thick = rng.uniform(0.03, 0.055) * (2 - squeeze)
    valve = x + 0.05  # where the ventricle ends and aorta and atrium begin
    aorta, atrium = _around(rng, 0.062, 0.2), _around(rng, 0.105, 0.25)
    top = y - tall - 2 * thick
    root = y - tall * 0.55
    parts: list[Part] = [
        Blob(x - 0.05, top - 0.055, _around(rng, 0.24, 0.2), _around(rng, 0.06, 0.3), BLOOD, tilt / 2),
        Blob(valve - long * 0.85, y, long + thick, tall + 2 * thick, wall, tilt),
        Blob(valve - long * 0.8, y, long, tall, BLOOD, tilt),
        Blob(valve + 0.16, y + tall * 0.85 + 0.03, atrium * 1.25, atrium, BLOOD, rng.uniform(-0.2, 0.2)),
    ]
    parts += _root(rng, valve, root, aorta, phase)
    hinge = (valve + 0.02, root + aorta + 0.01)
    parts += _mitral(rng, hinge, y + tall, phase)
    deep = y + tall + 2 * thick + 0.015
    back = ((valve - 1.7 * long, deep - 0.10), (valve - 0.7 * long, deep), (valve + 0.08, deep + 0.06))
    if rng.random() < 0.8:
        parts.append(Stroke(back, rng.uniform(0.012, 0.028), rng.uniform(0.5, 1.0)))
    if rng.random() < 0.6:  # the descending aorta, round, behind the atrium
        size = rng.uniform(0.03, 0.05)
        parts.append(Blob(valve + rng.uniform(0.05, 0.14), deep + 0.12, size, size, BLOOD))
    return parts


def _root(rng: np.random.Generator, x: float, y: float, half: float, phase: float) -> list[Part]:
    """The aortic root: two bright walls, blood between them, cusps in the middle or at the walls."""
    rise, length = rng.uniform(-0.12, 0.02), rng.uniform(0.22, 0.32)
    bright, thin = rng.uniform(0.6, 0.9), rng.uniform(0.008, 0.016)
    end = (x + length, y + rise)
    parts: list[Part] = [Stroke(((x, y), end), half, BLOOD)]
    parts += [Stroke(((x, y + s * half), (end[0], end[1] + s * half)), thin, bright) for s in (-1, 1)]
    gap = half * 0.75 * phase
    cusps = [((x + 0.02, y + s * half * 0.9), (x + 0.07, y + s * gap)) for s in (-1, 1)]
    return [*parts, *(Stroke(cusp, thin * 0.6, bright) for cusp in cusps)]


def _mitral(rng: np.random.Generator, hinge: tuple[float, float], floor: float, phase: float) -> list[Part]:
    """The anterior leaflet from the aortic root, the posterior one from the back wall."""
    bright, thin = rng.uniform(0.6, 0.9), rng.uniform(0.006, 0.012)
    drop = (floor - hinge[1]) * (0.35 + 0.5 * phase)
    tip = (hinge[0] - rng.uniform(0.08, 0.13), hinge[1] + drop)
    foot = (hinge[0] + 0.01, floor)
    return [
        Stroke((hinge, tip), thin, bright),
        Stroke((foot, (tip[0] + 0.03, max(tip[1] + 0.01, floor - 0.06))), thin, bright),
    ]
