"""What the trained network is worth, measured, and the model card that says so."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from echo.classifier import read_clip
from echo.frame import grey
from echo.sector import find_sector
from echo.views import VIEWS, Network, Vote

REAL_CLIP = "examples_ybr_color.dcm"

TEXT = """# Model card: views.onnx

**A demonstration, not a medical device.** Trained on drawings, never on patients; do not use it for care.

- Task: which of {views} a frame shows. It always names one of the three, whatever the picture.
- Topology: input 320 x 240 x 1 (width x height; greys of the sector alone, levelled), five blocks of 3x3
  convolution, ReLU and 2x2 max-pool with 32, 64, 128, 256 and 512 filters, then one dense layer of 3:
  1,675,523 parameters, as in OSCAR's radiomics example.
- File: {size:,} bytes, ONNX, eight-bit activations and seven-bit weights (static quantisation).
  sha256 `{digest}`
- Data: phantoms drawn by `training/phantoms.py`, anew for each step: {small} steps of {batch} at half the
  size, {full} at full size. Seeds are fixed; no real picture was trained on.

## Measured
| on | frames | right |
|---|---|---|
| held-out phantoms, single precision | {count} | {plain:.1%} |
| held-out phantoms, as shipped (quantised) | {count} | {shipped:.1%} |

{table}

The one real clip at hand, pydicom's `{real}` (an apical four-chamber view): the vote says
**{view}**, {agreed} of {total} frames, mean probabilities {mean}: {verdict}.
One clip proves nothing. One rule of the drawing (that the right heart is often hardly seen) was added
after looking at that clip, and the bound of 0.5 below was set when its result was known: it is no
independent test.

## Limits
- Phantoms are simpler than patients: accuracy on them says how well drawings are told apart.
- Views other than the three, other organs and pictures of poor quality get one of the three names, too;
  a mean probability under 0.5 is reported as uncertain.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Held-out results of the shipped file: rows are drawn views, columns found ones."""

    confusion: np.ndarray
    real: Vote

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.confusion.sum())


def measure(model: Path, frames: np.ndarray, views: np.ndarray, clip: Path) -> Measured:
    """Run the shipped file as the function does."""
    network = Network(model)
    confusion = np.zeros((len(VIEWS), len(VIEWS)), dtype=int)
    for frame, view in zip(frames, views, strict=True):
        confusion[view, network.probabilities(frame).argmax()] += 1
    shades = grey(read_clip(clip, 8).frames)
    sector = find_sector(shades)
    if sector is None:
        raise RuntimeError(f"{clip.name}: no sector found")
    return Measured(confusion, network.classify(shades, sector.mask))


def card(model: Path, measured: Measured, *, plain: float, steps: tuple[int, int], batch: int) -> str:
    """The text of MODEL.md."""
    vote = measured.real
    head = "| drawn \\ found | " + " | ".join(VIEWS) + " |\n|---|" + "---|" * len(VIEWS)
    rows = [
        f"| {view} | " + " | ".join(str(n) for n in row) + " |"
        for view, row in zip(VIEWS, measured.confusion, strict=True)
    ]
    return TEXT.format(
        views=", ".join(VIEWS),
        size=model.stat().st_size,
        digest=Network(model).digest,
        small=steps[0],
        full=steps[1],
        batch=batch,
        count=measured.confusion.sum(),
        plain=plain,
        shipped=measured.accuracy,
        table="\n".join([head, *rows]),
        real=REAL_CLIP,
        view=vote.view,
        agreed=vote.votes[vote.view],
        total=len(vote.frames),
        mean=", ".join(f"{view} {p:.2f}" for view, p in zip(VIEWS, vote.mean, strict=True)),
        verdict="right" if vote.view == "four-chamber" else "wrong",
    )
