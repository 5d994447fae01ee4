"""The animation on wish: every shown frame, masked, with the view under it."""

from pathlib import Path

from PIL import Image, ImageDraw

from echo.clip import Clip
from echo.picture import BACKGROUND, COLOURS, QUIET, TEXT, WARM, cut_around, font, masked
from echo.result import NOTICE, Finding
from echo.views import TITLES

SIDE = 420  # pixels at most, either way
STRIP = 44
MOST_FRAMES = 60  # more are thinned out
DEFAULT_FRAME_SECONDS = 1 / 15


def write_animation(path: Path, clip: Clip, finding: Finding) -> None:
    """A looping WebP of a clip's frames, which may be others than those that the finding rests on."""
    pause = (clip.frame_seconds or DEFAULT_FRAME_SECONDS) * clip.total_frames / len(clip.frames)
    cut = cut_around(finding.sector.mask, SIDE, SIDE)
    empty = Image.new("RGB", (SIDE, cut.size[1] + STRIP), BACKGROUND)
    _strip(empty, finding)
    pictures = []
    for frame in clip.frames:
        picture = empty.copy()
        picture.paste(masked(frame, finding.sector.mask, cut), ((SIDE - cut.size[0]) // 2, 0))
        pictures.append(picture)
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 * pause),
        loop=0,
        method=0,
        quality=70,
    )


def _strip(image: Image.Image, finding: Finding) -> None:
    pen = ImageDraw.Draw(image)
    vote = finding.vote
    title, colour = "Not a cardiac view" if vote is None else "View uncertain", TEXT
    if finding.is_sure:
        title, colour = TITLES[vote.view], COLOURS[vote.view]
    pen.text((10, image.height - STRIP + 4), title, fill=colour, font=font(16))
    pen.text((10, image.height - 20), NOTICE, fill=QUIET, font=font(12))
    if finding.doppler.found:
        pen.text(
            (SIDE - 10, image.height - STRIP + 4), "colour Doppler", fill=WARM, font=font(16), anchor="ra"
        )
