"""The two shapes in which ultrasound is shown: a fan (sector and convex probes) and a box (linear ones).

Coordinates are pixels, x to the right and y down, of the picture that the shape belongs to.
"""

from dataclasses import asdict, dataclass
from math import cos, degrees, sin

import numpy as np

Point = tuple[float, float]
MASK = np.ndarray  # bool, height x width


@dataclass(frozen=True, slots=True)
class Fan:
    """An annular sector that opens downwards, symmetric about the vertical through its apex.

    `near` and `far` are radii in pixels, `half_angle` is in radians from the vertical.
    """

    apex_x: float
    apex_y: float
    near: float
    far: float
    half_angle: float

    def mask(self, height: int, width: int) -> np.ndarray:
        """True for each pixel whose centre lies inside."""
        down = np.arange(height, dtype=np.float32)[:, None] - self.apex_y
        right = np.arange(width, dtype=np.float32)[None, :] - self.apex_x
        squared = right * right + down * down
        inside = (squared >= self.near**2) & (squared <= self.far**2) & (down > 0)
        # |angle| <= half_angle without an arc tangent; a fan never opens beyond the horizontal
        return inside & (np.abs(right) * cos(self.half_angle) <= down * sin(self.half_angle))

    def outline(self, steps: int = 32) -> list[Point]:
        """A closed polygon: far arc from left to right, near arc back."""
        angles = np.linspace(-self.half_angle, self.half_angle, steps)
        return [self._at(self.far, a) for a in angles] + [self._at(self.near, a) for a in angles[::-1]]

    def _at(self, radius: float, angle: float) -> Point:
        return (self.apex_x + radius * sin(angle), self.apex_y + radius * cos(angle))

    def scaled(self, factor: float) -> "Fan":
        """The same fan on a picture that is `factor` times as large."""
        lengths = (self.apex_x, self.apex_y, self.near, self.far)
        return Fan(*(factor * each for each in lengths), self.half_angle)

    def shrunk(self, pixels: float) -> "Fan":
        """The fan without a rim of `pixels`."""
        apex_y = self.apex_y + pixels / max(sin(self.half_angle), 0.1)
        moved = apex_y - self.apex_y
        near = max(self.near - moved, 0.0) + pixels
        return Fan(self.apex_x, apex_y, near, self.far - moved - pixels, self.half_angle)

    def described(self) -> dict[str, object]:
        """Plain values for the result document."""
        values = {name: round(value, 1) for name, value in asdict(self).items()}
        values["half_angle_degrees"] = round(degrees(values.pop("half_angle") and self.half_angle), 1)
        return {"shape": "fan", **values}


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle; right and bottom are the last pixels inside."""

    left: float
    top: float
    right: float
    bottom: float

    def mask(self, height: int, width: int) -> np.ndarray:
        """True for each pixel whose centre lies inside."""
        rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
        return (rows >= self.top) & (rows <= self.bottom) & (columns >= self.left) & (columns <= self.right)

    def outline(self) -> list[Point]:
        """A closed polygon."""
        return [
            (self.left, self.top),
            (self.right, self.top),
            (self.right, self.bottom),
            (self.left, self.bottom),
        ]

    def scaled(self, factor: float) -> "Box":
        """The same box on a picture that is `factor` times as large."""
        return Box(*(factor * each for each in (self.left, self.top, self.right, self.bottom)))

    def shrunk(self, pixels: float) -> "Box":
        """The box without a rim of `pixels`."""
        return Box(self.left + pixels, self.top + pixels, self.right - pixels, self.bottom - pixels)

    def described(self) -> dict[str, object]:
        """Plain values for the result document."""
        return {"shape": "box", **{name: round(value, 1) for name, value in asdict(self).items()}}


Shape = Fan | Box
