"""Writes clips derived from the one real clip that pydicom ships, and copies of its real ultrasound files.

    python functions/echo/derive.py --count 100 OUT_DIR

Each derived clip differs in start frame, mirroring, gain and crop; index.json says what each file is.
The same count gives the same bytes. Nothing is fetched: the files lie in the installed package.
"""

import argparse
import io
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
SOURCE = "examples_ybr_color.dcm"
# ExplVR_BigEnd.dcm, the fifth ultrasound file there, is left out: 80 x 60 pixels cut from a colour map.
REAL = {
    SOURCE: ("real-four-chamber.dcm", "the real clip: 30 frames, apical four-chamber view"),
    "examples_rgb_color.dcm": (
        "real-power-doppler.dcm",
        "still, linear probe, power Doppler of a lymph node",
    ),
    "examples_jpeg2k.dcm": ("real-power-doppler-jpeg2000.dcm", "the same still, larger, JPEG 2000"),
    "examples_palette.dcm": ("real-obstetric.dcm", "still, convex probe, obstetric, palette colour"),
}
FRAMES = 12  # a derived clip: 0.4 s
SEED = 2020
LARGEST_CROP = 14  # pixels cut off a side at most; the fan itself stays whole
QUALITY = 90  # of JPEG: a second loss after the source's own, and declared in the file
UID_ROOT = "2.25."


@dataclass(frozen=True, slots=True)
class Change:
    """How a derived clip differs from the real one; the crop is in pixels from left, top, right, bottom."""

    start: int
    mirrored: bool
    gain: float
    crop: tuple[int, int, int, int]


def changes(count: int, total: int) -> list[Change]:
    """`count` changes, all different, always the same ones."""
    rng = np.random.default_rng(SEED)
    found: dict[Change, None] = {}
    while len(found) < count:
        left, top, right, bottom = (int(side) for side in rng.integers(0, LARGEST_CROP + 1, 4))
        change = Change(
            start=int(rng.integers(0, total - FRAMES + 1)),
            mirrored=bool(rng.integers(2)),
            gain=round(float(rng.uniform(0.75, 1.45)), 2),
            crop=(left, top, right, bottom),
        )
        found[change] = None
    return list(found)


def changed(frames: np.ndarray, change: Change) -> np.ndarray:
    """The derived frames (uint8 RGB)."""
    left, top, right, bottom = change.crop
    height, width = frames.shape[1:3]
    part = frames[change.start : change.start + FRAMES, top : height - bottom, left : width - right]
    louder = np.clip(np.arange(256) * change.gain, 0, 255).astype(np.uint8)[part]
    return louder[:, :, ::-1] if change.mirrored else louder


def written(frames: np.ndarray, change: Change, number: int, source: Dataset) -> Dataset:
    """A multi-frame ultrasound file in JPEG baseline, with no tag of the source that names anything."""
    encoded = [_jpeg(frame) for frame in frames]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(
        prefix=UID_ROOT, entropy_srcs=["clip", str(number), str(change)]
    )
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(prefix=UID_ROOT, entropy_srcs=["study"])
    dataset.SeriesInstanceUID = generate_uid(prefix=UID_ROOT, entropy_srcs=["series"])
    dataset.Modality = "US"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.DerivationDescription = f"derived from pydicom's {SOURCE}: {change}"[:1024]
    dataset.PatientName, dataset.PatientID, dataset.InstanceNumber = "DEMONSTRATION", f"D{number:04d}", number
    dataset.FrameTime = source.FrameTime
    dataset.FrameIncrementPointer = source.FrameIncrementPointer
    _describe_pixels(dataset, frames, sum(len(each) for each in encoded))
    dataset.PixelData = encapsulate(encoded)
    return dataset


def _describe_pixels(dataset: Dataset, frames: np.ndarray, encoded_bytes: int) -> None:
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.LossyImageCompressionRatio = f"{frames.nbytes / encoded_bytes:.1f}"


def _jpeg(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:2")
    return buffer.getvalue()


def derive(count: int, folder: Path) -> list[dict[str, object]]:
    """Write the derived clips, the real files and index.json into a folder; returns the index's entries."""
    folder.mkdir(parents=True, exist_ok=True)
    source = pydicom.dcmread(SHIPPED / SOURCE, stop_before_pixels=True)
    frames = pixel_array(SHIPPED / SOURCE)
    entries: list[dict[str, object]] = []
    for number, change in enumerate(changes(count, len(frames)), start=1):
        name = f"derived-{number:04d}.dcm"
        dataset = written(changed(frames, change), change, number, source)
        dataset.save_as(folder / name, enforce_file_format=True)
        entries.append({"name": name, "kind": "derived", "from": SOURCE, "frames": FRAMES, **asdict(change)})
    entries += copy_real(folder)
    (folder / "index.json").write_text(json.dumps({"files": entries}, indent=1) + "\n", encoding="utf-8")
    return entries


def copy_real(folder: Path) -> list[dict[str, object]]:
    """Copies of the real ultrasound files that this version of pydicom ships."""
    entries: list[dict[str, object]] = []
    for shipped, (name, what) in REAL.items():
        if (SHIPPED / shipped).is_file():
            shutil.copyfile(SHIPPED / shipped, folder / name)
            entries.append({"name": name, "kind": "real", "from": shipped, "what": what})
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="OUT_DIR")
    parser.add_argument("--count", type=int, default=100, help="derived clips (default 100)")
    options = parser.parse_args()
    entries = derive(options.count, options.folder)
    derived = sum(entry["kind"] == "derived" for entry in entries)
    print(f"{derived} derived and {len(entries) - derived} real files in {options.folder}")  # noqa: T201  (a command)


if __name__ == "__main__":
    main()
