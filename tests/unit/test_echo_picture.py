"""Text that is kept as a mask looks as Pillow draws it."""

import numpy as np
import pytest
from echo.picture import TEXT, _write, font
from PIL import Image, ImageDraw


@pytest.mark.parametrize("anchor", ["la", "ra", "lm"])
@pytest.mark.parametrize("size", [14, 15, 26])
def test_a_line_of_text_is_drawn_as_pillow_does(anchor: str, size: int) -> None:
    plain, kept = Image.new("RGB", (400, 80), (9, 30, 60)), Image.new("RGB", (400, 80), (9, 30, 60))
    ImageDraw.Draw(plain).text((200, 40), "Apical, jÄg 0.57", fill=TEXT, font=font(size), anchor=anchor)
    _write(ImageDraw.Draw(kept), (200, 40), "Apical, jÄg 0.57", TEXT, size, anchor=anchor)
    assert (np.asarray(plain) == np.asarray(kept)).all()
    assert (np.asarray(plain) != (9, 30, 60)).any(), "the test must draw something"
