"""DICOM to a clip. Only the tags named here are read, so that no other can reach an output.

What pydicom says about a damaged file may quote the file, a patient's name included. So its log and its
warnings are silenced here, and neither its words about values nor its tracebacks are passed on.
"""

import logging
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_voi_lut, iter_pixels

from echo.clip import Clip, check_size, spread
from echo.errors import InputError

TAGS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PhotometricInterpretation", "PlanarConfiguration", "FrameTime",
    "WindowCenter", "WindowWidth", "SequenceOfUltrasoundRegions", "TransferSyntaxUID",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
)  # fmt: skip
CENTIMETRES = 3  # value of Physical Units X/Y Direction, PS3.3 C.8.5.5.1.15
QUOTING = re.compile(r"value|'.*'|\".*\"")  # in a message: it may quote the file
TISSUE = 1  # value of Region Data Type, PS3.3 C.8.5.5.1.12
# What pydicom and its decoders raise for a file that is cut short, damaged or of an unknown kind.
BROKEN = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RuntimeError,
    TypeError, ValueError, struct.error, BytesLengthException,
)  # fmt: skip


def read_dicom(path: Path, wanted: int | None) -> Clip:
    """`wanted` frames (None: all) of a DICOM file. Raises InputError."""
    with _blaming(path, "broken DICOM file"):
        dataset = _described(path)
        total = max(1, int(dataset.get("NumberOfFrames") or 1))
        frame_time = float(dataset.get("FrameTime") or 0)
        height, width = int(dataset.Rows), int(dataset.Columns)
        spacing, warnings = pixel_spacing(dataset, width, height)
    indices = spread(total, wanted)
    check_size(path.name, len(indices), width, height)
    with _blaming(path, "pixel data can't be decoded"):
        frames = _decoded(path, dataset, indices)
    return Clip(
        frames=frames,
        indices=indices,
        total_frames=total,
        frame_seconds=frame_time / 1000 if frame_time > 0 else None,
        spacing_mm=spacing,
        warnings=warnings,
    )


@contextmanager
def _blaming(path: Path, what: str) -> Iterator[None]:
    """Turns whatever pydicom raises for a bad file into an InputError, and keeps pydicom quiet."""
    log = logging.getLogger("pydicom")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BROKEN as error:
        raise InputError(f"{path.name}: {what}: {_unquoting(error)}") from None  # a cause would be printed
    finally:
        log.setLevel(level)


def _unquoting(error: Exception) -> str:
    """The first line of an error's message, or only its kind where the message may quote the file."""
    line = str(error).partition("\n")[0].strip()
    return type(error).__name__ if not line or QUOTING.search(line) else line


def _described(path: Path) -> Dataset:
    size = path.stat().st_size
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
    except InvalidDicomError:
        raise InputError(f"{path.name}: no DICOM file (no DICM prefix; {size} bytes)") from None
    if not dataset.get("Rows") or not dataset.get("Columns"):
        raise InputError(f"{path.name}: no pixel data ({size} bytes): not a picture or a clip")
    return dataset


def _decoded(path: Path, dataset: Dataset, indices: tuple[int, ...]) -> np.ndarray:
    """uint8 RGB frames, whatever the file's colour space, depth and compression."""
    convert = _converter(dataset)
    return np.stack([convert(picture) for picture in iter_pixels(path, indices=list(indices))])


def _converter(dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
    interpretation = str(dataset.get("PhotometricInterpretation", ""))
    if interpretation == "PALETTE COLOR":
        depth = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        return lambda picture: (apply_color_lut(picture, dataset) >> (depth - 8)).astype(np.uint8)
    if interpretation.startswith("MONOCHROME"):
        windowed = "WindowCenter" in dataset
        inverted = interpretation == "MONOCHROME1"
        white = (1 << int(dataset.BitsStored)) - 1

        def shades(picture: np.ndarray) -> np.ndarray:
            values = apply_voi_lut(picture, dataset) if windowed else picture
            level = np.clip(values.astype(np.float32) / white, 0, 1)
            return np.repeat(
                ((1 - level if inverted else level) * 255).astype(np.uint8)[..., None], 3, axis=-1
            )

        return shades
    shift = max(0, int(dataset.BitsStored) - 8)
    return lambda picture: (picture >> shift).astype(np.uint8)


def pixel_spacing(
    dataset: Dataset, width: int, height: int
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(width, height) of a pixel in mm from the first tissue region, where the regions fit the frame.

    Machines that shrink a clip for export often leave the regions of the full screen in it; such a
    spacing would be wrong, so it is refused with a warning.
    """
    regions = list(dataset.get("SequenceOfUltrasoundRegions") or ())
    if not regions:
        return None, ("no pixel spacing: the file has no ultrasound regions",)
    for region in regions:
        if not _is_tissue(region):
            continue
        right, bottom = int(region.RegionLocationMaxX1), int(region.RegionLocationMaxY1)
        if right > width or bottom > height:
            sizes = f"the file's region reaches {right} x {bottom}, its frames {width} x {height}"
            return None, (f"no pixel spacing: {sizes}",)
        delta = abs(float(region.PhysicalDeltaX)) * 10, abs(float(region.PhysicalDeltaY)) * 10
        return (round(delta[0], 4), round(delta[1], 4)), ()
    return None, ("no pixel spacing: no ultrasound region is a tissue picture in centimetres",)


def _is_tissue(region: Dataset) -> bool:
    units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
    complete = all(
        region.get(name) is not None
        for name in ("RegionLocationMaxX1", "RegionLocationMaxY1", "PhysicalDeltaX", "PhysicalDeltaY")
    )
    return complete and region.get("RegionDataType") == TISSUE and units == (CENTIMETRES, CENTIMETRES)
