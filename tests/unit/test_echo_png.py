"""The PNG holds the picture that was given, pixel for pixel."""

from pathlib import Path

import numpy as np
import pytest
from echo.png import write_png
from PIL import Image


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (61, 83)])
def test_a_picture_is_read_back_as_it_was(size: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (*size, 3), dtype=np.uint8)
    write_png(tmp_path / "x.png", Image.fromarray(pixels))
    with Image.open(tmp_path / "x.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert (np.asarray(picture) == pixels).all()
