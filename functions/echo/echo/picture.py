"""The annotated picture: the masked frame, the sector's outline and what was found, drawn with Pillow."""

from dataclasses import dataclass
from functools import cache, lru_cache, partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from echo.result import NOTICE, Finding
from echo.views import TITLES, VIEWS

WIDTH, HEIGHT = 1120, 640
STAGE = (24, 24, 760, 576)  # where the frame goes: left, top, right, bottom
PANEL = 792  # left edge of the text beside it
PANEL_RIGHT = WIDTH - 28
BACKGROUND, STAGE_COLOUR, TRACK = (11, 15, 20), (0, 0, 0), (35, 43, 54)
TEXT, QUIET = (232, 238, 244), (139, 152, 167)
OUTLINE, WARM, COOL = (64, 196, 180), (255, 138, 61), (92, 110, 130)
COLOURS = {"four-chamber": (88, 166, 255), "short-axis": (188, 140, 255), "long-axis": (86, 211, 100)}
MARGIN = 0.03  # of the sector's larger side, left around it
SCALE_BAR_MM = 20.0
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a screen that is shown, and how much it is enlarged."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height when shown."""
        return round((self.right - self.left) * self.scale), round((self.bottom - self.top) * self.scale)


def cut_around(mask: np.ndarray, width: int, height: int) -> Cut:
    """The sector with a small margin, as large as fits width x height."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    margin = round(MARGIN * max(np.ptp(rows), np.ptp(columns))) + 2
    left, top = max(0, columns[0] - margin), max(0, rows[0] - margin)
    right = min(mask.shape[1], columns[-1] + 1 + margin)
    bottom = min(mask.shape[0], rows[-1] + 1 + margin)
    scale = min(width / (right - left), height / (bottom - top))
    return Cut(int(left), int(top), int(right), int(bottom), scale)


def masked(frame: np.ndarray, mask: np.ndarray, cut: Cut) -> Image.Image:
    """One frame, black outside the sector, cut and enlarged."""
    shown = (frame * mask[..., None])[cut.top : cut.bottom, cut.left : cut.right]
    return Image.fromarray(shown).resize(cut.size, Image.Resampling.BICUBIC)


def annotated(finding: Finding) -> Image.Image:
    """The picture of one result, with a frame from the middle of the clip."""
    image = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    pen = ImageDraw.Draw(image)
    _stage(image, pen, finding)
    y = _verdict(pen, finding)
    y = _bars(pen, finding, y)
    y = _badge(pen, finding, y)
    _facts(pen, finding, y)
    _write(pen, (STAGE[0], HEIGHT - 36), NOTICE.capitalize() + ".", QUIET, 15)
    trained = "Trained on synthetic phantoms only"
    _write(pen, (PANEL_RIGHT, HEIGHT - 36), trained, QUIET, 15, anchor="ra")
    return image


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The typeface that comes with Pillow."""
    return ImageFont.load_default(size)


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, fill: Colour, size: int, *, anchor: str = "la"
) -> None:
    """One line of text, as ImageDraw.text would."""
    mask, left, top = _label(text, size, anchor)
    pen.bitmap((at[0] + left, at[1] + top), mask, fill=fill)


@lru_cache(maxsize=256)
def _label(text: str, size: int, anchor: str) -> tuple[Image.Image, int, int]:
    """A line of text as a mask and where it begins from its anchor; most lines are on every picture."""
    left, top, right, bottom = (round(side) for side in font(size).getbbox(text, anchor=anchor))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font(size), anchor=anchor)
    return mask, left, top


def _stage(image: Image.Image, pen: ImageDraw.ImageDraw, finding: Finding) -> None:
    left, top, right, bottom = STAGE
    pen.rounded_rectangle((left, top, right, bottom), 10, fill=STAGE_COLOUR)
    cut = cut_around(finding.sector.mask, right - left - 24, bottom - top - 24)
    x = left + (right - left - cut.size[0]) // 2
    y = top + (bottom - top - cut.size[1]) // 2
    image.paste(masked(finding.clip.frames[len(finding.clip.frames) // 2], finding.sector.mask, cut), (x, y))
    shown = partial(_shown, cut=cut, x=x, y=y)
    corners = [shown(point) for point in finding.sector.shape.outline()]
    pen.line([*corners, corners[0]], fill=OUTLINE, width=2, joint="curve")
    if finding.clip.spacing_mm:
        length = SCALE_BAR_MM / finding.clip.spacing_mm[0] * cut.scale
        pen.line((left + 16, bottom - 16, left + 16 + length, bottom - 16), fill=TEXT, width=3)
        _write(pen, (left + 16, bottom - 40), f"{SCALE_BAR_MM:.0f} mm", TEXT, 15)


def _shown(point: tuple[float, float], *, cut: Cut, x: int, y: int) -> tuple[float, float]:
    return x + (point[0] + 0.5 - cut.left) * cut.scale, y + (point[1] + 0.5 - cut.top) * cut.scale


def _verdict(pen: ImageDraw.ImageDraw, finding: Finding) -> int:
    """View and agreement; returns where the next part begins."""
    vote = finding.vote
    _write(pen, (PANEL, 28), "VIEW", QUIET, 14)
    if vote is None:
        _write(pen, (PANEL, 48), "Not a cardiac view", TEXT, 26)
        _write(pen, (PANEL, 84), "a linear or convex probe: view not judged", QUIET, 16)
        return 132
    title = TITLES[vote.view] if finding.is_sure else "View uncertain"
    _write(pen, (PANEL, 48), title, COLOURS[vote.view] if finding.is_sure else TEXT, 26)
    agreed = f"{vote.votes[vote.view]} of {len(vote.frames)} frames"
    what = f"{agreed} agree" if finding.is_sure else f"{TITLES[vote.view].lower()} in {agreed}"
    _write(pen, (PANEL, 84), what, QUIET, 16)
    return 132


def _bars(pen: ImageDraw.ImageDraw, finding: Finding, y: int) -> int:
    """Mean probability of each view, and one square a frame in the colour of its vote."""
    if finding.vote is None:
        return y
    _write(pen, (PANEL, y), "MEAN PROBABILITY", QUIET, 14)
    y += 26
    for view, mean in zip(VIEWS, finding.vote.mean, strict=True):
        _write(pen, (PANEL, y), TITLES[view], TEXT, 16)
        _write(pen, (PANEL_RIGHT, y), f"{mean:.2f}", TEXT, 16, anchor="ra")
        track = (PANEL, y + 24, PANEL_RIGHT, y + 32)
        pen.rounded_rectangle(track, 4, fill=TRACK)
        if mean * (PANEL_RIGHT - PANEL) >= 8:  # a bar shorter than its round ends can't be drawn
            end = PANEL + mean * (PANEL_RIGHT - PANEL)
            pen.rounded_rectangle((PANEL, y + 24, end, y + 32), 4, fill=COLOURS[view])
        y += 46
    return _votes(pen, finding, y + 6)


def _votes(pen: ImageDraw.ImageDraw, finding: Finding, y: int) -> int:
    rows = np.array(finding.vote.frames)
    _write(pen, (PANEL, y), "FRAME BY FRAME", QUIET, 14)
    y += 24
    step = min(37.0, (PANEL_RIGHT - PANEL) / len(rows))
    for index, best in enumerate(rows.argmax(axis=1)):
        left = PANEL + index * step
        gap = 5 if step > 10 else 0
        pen.rectangle((left, y, left + max(step - gap, 1), y + 18), fill=COLOURS[VIEWS[best]])
    return y + 42


def _badge(pen: ImageDraw.ImageDraw, finding: Finding, y: int) -> int:
    found = finding.doppler.found
    text = "COLOUR DOPPLER" if found else "B-MODE, NO COLOUR DOPPLER"
    width = pen.textlength(text, font=font(15)) + 28
    pen.rounded_rectangle((PANEL, y, PANEL + width, y + 30), 15, fill=WARM if found else COOL)
    _write(pen, (PANEL + 14, y + 15), text, BACKGROUND if found else TEXT, 15, anchor="lm")
    percent = f"{100 * finding.doppler.fraction:.2f} % of the sector is coloured"
    note = f"{percent}, in one tint" if finding.doppler.tinted else percent
    _write(pen, (PANEL, y + 38), note, QUIET, 15)
    return y + 72


def _facts(pen: ImageDraw.ImageDraw, finding: Finding, y: int) -> None:
    clip = finding.clip
    still = clip.total_frames == 1
    frames = "still picture" if still else f"{len(clip.frames)} of {clip.total_frames} frames used"
    if clip.frame_seconds:
        frames += f", {1 / clip.frame_seconds:.0f} a second"
    spacing = f"{clip.spacing_mm[0]:g} mm a pixel" if clip.spacing_mm else "no pixel spacing"
    for line in (frames, f"{clip.width} x {clip.height} pixels, {spacing}"):
        _write(pen, (PANEL, y), line, QUIET, 15)
        y += 22
