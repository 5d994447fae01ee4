"""An RGB picture as PNG (W3C PNG, third edition), every line filtered by "up".

Pillow tries five filters on each line, which takes twice as long as all the rest of writing one.
"""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UP = 2  # filter: what is stored is the difference from the byte above
LEVEL = 1  # of zlib: 2 and up take longer and save little
HEADER = bytes([8, 2, 0, 0, 0])  # bits a channel, RGB, deflate, adaptive filters, not interlaced


def write_png(path: Path, image: Image.Image) -> None:
    """Write an RGB image."""
    size = image.width.to_bytes(4) + image.height.to_bytes(4)
    pixels = zlib.compress(_filtered(np.asarray(image)), LEVEL)
    chunks = (_chunk(b"IHDR", size + HEADER), _chunk(b"IDAT", pixels), _chunk(b"IEND", b""))
    path.write_bytes(SIGNATURE + b"".join(chunks))


def _filtered(pixels: np.ndarray) -> np.ndarray:
    """One line of bytes a row of pixels, led by its filter."""
    rows = pixels.reshape(len(pixels), -1)
    lines = np.empty((len(rows), 1 + rows.shape[1]), dtype=np.uint8)
    lines[:, 0] = UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return lines


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
