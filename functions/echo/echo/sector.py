"""Where the ultrasound picture is in a screen, and the mask that blacks all else.

Text and scales stand still and are made of strokes; tissue moves, is speckled and fills an area.
The largest such area is taken, and the smallest fan or box around it. The mask is what lies both in
that shape and in the hull of the area, so that text in the shape's dark corners goes as well.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from echo.geometry import Box, Fan, Shape
from echo.regions import hull, largest_near, largest_part, rim, share

WORKING_SIDE = 320  # pixels of the longer side on which the search runs
WINDOW = 7  # pixels at working size: wider than the strokes of text
SOLID = 0.62  # share of live pixels around one that belongs to an area, not to a stroke
MOVING_LEVELS = 0.35  # standard deviation over time above which a pixel lives, in levels of 255
BLOCK = 8  # pixels: how far JPEG and video codecs smear
RINGING = 0.15  # of the motion within a block's reach: less is taken for smear
MOVING_SHARE = 0.02  # of a screen that must live before motion is believed
DARK = 6  # levels of 255 that count as black in a still
STROKE = 5  # pixels at working size within which a stroke of text goes from black to bright
STROKE_LEVELS = 110  # of that step, in levels of 255
SMALLEST = 0.02  # of a screen that an ultrasound picture fills
OUTLIERS = 1.5  # per cent of the rim that may lie outside the shape, at each end
RIM = 2.5  # pixels at working size taken off the shape: text may touch the picture
WIDEST = 1.1  # radians from the vertical to the edge of a fan: no probe shows more
POINTED = 0.35  # near through far radius: phased arrays stay below 0.15, convex probes begin at 0.4
BOX_BONUS = 0.93  # a box is simpler: a fan must be smaller than this share of it


@dataclass(frozen=True, slots=True)
class Sector:
    """The picture's shape in pixels of the screen, and the mask of what is shown."""

    shape: Shape
    mask: np.ndarray

    @property
    def is_cardiac(self) -> bool:
        """Whether a probe for the heart can have made it: its fan begins nearly in a point."""
        return isinstance(self.shape, Fan) and self.shape.near < POINTED * self.shape.far


def find_sector(grey: np.ndarray) -> Sector | None:
    """The sector of grey frames (uint8, n x height x width); None where there is none."""
    height, width = grey.shape[1:]
    step = max(1, -(-max(height, width) // WORKING_SIDE))
    part = live_area(_reduced(grey, step))
    if part.mean() < SMALLEST:
        return None
    part = share(part, 3) > 0  # what the square window took off the edge
    points = rim(part)
    shape = enclosing(points).scaled(step).shrunk(RIM * step)
    limit = _hull_mask(points, step, (height, width))
    return Sector(shape, shape.mask(height, width) & limit)


def _hull_mask(points: np.ndarray, step: int, size: tuple[int, int]) -> np.ndarray:
    """The hull of the points at full size, without a rim."""
    limit = Image.new("1", size[::-1])
    corners = [((x + 0.5) * step, (y + 0.5) * step) for x, y in hull(points)]
    pen = ImageDraw.Draw(limit)
    pen.polygon(corners, fill=1)
    pen.line([*corners, corners[0]], fill=0, width=round(2 * RIM * step))
    return np.asarray(limit)


def _reduced(grey: np.ndarray, step: int) -> np.ndarray:
    """Every `step`th pixel: averaging would smear strokes into areas."""
    return grey[:, step // 2 :: step, step // 2 :: step]


def live_area(grey: np.ndarray) -> np.ndarray:
    """The largest solid area that moves or, in a still, that is speckled.

    Of what moves, that is left out which is only smeared by compression into the block beside it; but
    not before the areas are told apart, as dark parts of the picture lie between bright ones, too.
    """
    motion = grey.std(axis=0, dtype=np.float32) if len(grey) > 2 else np.zeros(grey.shape[1:])
    moving = motion > MOVING_LEVELS
    if moving.mean() < MOVING_SHARE:
        return largest_part(_solid(_speckled(grey)))
    return largest_part(_solid(moving)) & _solid(moving & (motion > RINGING * largest_near(motion, BLOCK)))


def _solid(live: np.ndarray) -> np.ndarray:
    return share(live, WINDOW) > SOLID


def _speckled(grey: np.ndarray) -> np.ndarray:
    """Neither black, nor flat as the bar behind a heading, nor bright on black as the heading."""
    picture = grey.max(axis=0)
    flat = np.zeros(picture.shape, dtype=bool)
    flat[:, 1:-1] = (picture[:, 1:-1] == picture[:, :-2]) & (picture[:, 1:-1] == picture[:, 2:])
    image = Image.fromarray(picture)
    darkest = np.asarray(image.filter(ImageFilter.MinFilter(STROKE)))
    brightest = np.asarray(image.filter(ImageFilter.MaxFilter(STROKE)))
    written = (darkest <= DARK) & (brightest - darkest > STROKE_LEVELS)
    return (picture > DARK) & ~flat & ~written


def enclosing(points: np.ndarray) -> Shape:
    """The smallest fan or box around (x, y) points, but for outliers."""
    box = _box(points)
    area = (box.right - box.left + 1) * (box.bottom - box.top + 1)
    fan, fan_area = _fan(points, box)
    return fan if fan_area < BOX_BONUS * area else box


def _box(points: np.ndarray) -> Box:
    low = np.percentile(points, OUTLIERS / 2, axis=0)
    high = np.percentile(points, 100 - OUTLIERS / 2, axis=0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _fan(points: np.ndarray, box: Box) -> tuple[Fan, float]:
    """The fan of least area, by a grid of apexes that narrows around the best."""
    wide, tall = box.right - box.left, box.bottom - box.top
    x, y = (box.left + box.right) / 2, box.top - 0.4 * tall
    reach_x, reach_y = 0.25 * wide, 0.6 * tall
    for _ in range(4):
        apexes = np.stack(
            np.meshgrid(np.linspace(x - reach_x, x + reach_x, 11), np.linspace(y - reach_y, y + reach_y, 13)),
            -1,
        ).reshape(-1, 2)
        fans, areas = _fans(points, apexes.astype(np.float32))
        best = int(areas.argmin())
        x, y = apexes[best]
        reach_x, reach_y = reach_x / 4, reach_y / 4
    return Fan(float(x), float(y), *(float(value) for value in fans[best])), float(areas[best])


def _fans(points: np.ndarray, apexes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each apex near, far and half angle of the fan around the points, and its area."""
    right = points[None, :, 0] - apexes[:, :1]
    down = points[None, :, 1] - apexes[:, 1:]
    radius = np.sort(np.sqrt(right * right + down * down), axis=1)
    angle = np.sort(np.abs(np.arctan2(right, down)), axis=1)
    near, far = _percentile(radius, OUTLIERS / 2), _percentile(radius, 100 - OUTLIERS / 2)
    half = _percentile(angle, 100 - OUTLIERS)
    area = np.where(half < WIDEST, half * (far**2 - near**2), np.inf)
    return np.stack([near, far, half], axis=1), area


def _percentile(ordered: np.ndarray, percent: float) -> np.ndarray:
    """As np.percentile of each row, several times as fast where rows are sorted."""
    place = percent / 100 * (ordered.shape[1] - 1)
    low = int(place)
    high = min(low + 1, ordered.shape[1] - 1)
    return ordered[:, low] + (ordered[:, high] - ordered[:, low]) * np.float32(place - low)
