"""From frames to a view: the network frame by frame, then a vote."""

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

from echo.frame import network_input

VIEWS = ("four-chamber", "short-axis", "long-axis")  # in the order of the network's outputs
TITLES = {
    "four-chamber": "Apical four-chamber",
    "short-axis": "Parasternal short axis",
    "long-axis": "Parasternal long axis",
}
MODEL = Path(__file__).with_name("views.onnx")


@dataclass(frozen=True, slots=True)
class Vote:
    """Which view won, by how many frames each, and each frame's probabilities (n x 3)."""

    view: str
    votes: dict[str, int]
    mean: tuple[float, ...]
    frames: tuple[tuple[float, ...], ...]

    @property
    def confidence(self) -> float:
        """The winner's mean probability."""
        return self.mean[VIEWS.index(self.view)]


class Network:
    """The loaded model; one thread, as a worker has one core."""

    def __init__(self, path: Path = MODEL) -> None:
        content = path.read_bytes()
        options = SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.digest = sha256(content).hexdigest()
        self._session = InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def probabilities(self, frame: np.ndarray) -> np.ndarray:
        """Three probabilities for one network input (float32, 240 x 320, 0..1)."""
        (logits,) = self._session.run(None, {"frame": frame[None, None]})
        exponents = np.exp(logits[0] - logits[0].max())
        return exponents / exponents.sum()

    def classify(self, grey: np.ndarray, mask: np.ndarray) -> Vote:
        """The vote on grey frames (uint8, n x height x width)."""
        return vote(np.stack([self.probabilities(network_input(frame, mask)) for frame in grey]))


def vote(probabilities: np.ndarray) -> Vote:
    """One vote a frame; a tie goes to the higher mean probability."""
    counts = Counter(int(each) for each in probabilities.argmax(axis=1))
    mean = probabilities.mean(axis=0)
    best = max(range(len(VIEWS)), key=lambda index: (counts[index], mean[index]))
    return Vote(
        view=VIEWS[best],
        votes={view: counts[index] for index, view in enumerate(VIEWS)},
        mean=tuple(round(float(p), 4) for p in mean),
        frames=tuple(tuple(round(float(p), 4) for p in row) for row in probabilities),
    )
