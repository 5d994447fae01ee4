"""The network's file, what it is fed, and the vote."""

from collections.abc import Iterator
from math import prod

import numpy as np
import pytest
from echo.frame import grey, network_input
from echo.views import MODEL, VIEWS, Network, vote

FILTERS = (32, 64, 128, 256, 512)


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 2: None, 5: 4}[tag & 7] or varint()
        yield tag >> 3, message[at : at + size]
        at += size


def weights() -> dict[str, tuple[int, ...]]:
    """Name and shape of the model's constants (graph = 7, initializer = 5, name = 8, dims = 1)."""
    (graph,) = (value for number, value in fields(MODEL.read_bytes()) if number == 7)
    found = {}
    for tensor in (dict_of for number, dict_of in fields(graph) if number == 5):
        parts = list(fields(tensor))
        shape: list[int] = []
        for number, value in parts:
            if number == 1:
                shape += [value] if isinstance(value, int) else list(unpacked(value))
        found[next(value.decode() for number, value in parts if number == 8)] = tuple(shape)
    return found


def unpacked(data: bytes) -> Iterator[int]:
    """The numbers of a packed list, read as fields of a message of varints."""
    yield from (value for _, value in fields(b"".join(b"\x08" + each for each in varints(data))))


def varints(data: bytes) -> Iterator[bytes]:
    start = 0
    for index, byte in enumerate(data):
        if byte < 0x80:
            yield data[start : index + 1]
            start = index + 1


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


def test_the_model_has_the_papers_topology() -> None:
    shapes = {name.removesuffix("_quantized"): shape for name, shape in weights().items()}
    kernels = [shapes[f"kernel{index}"] for index in range(1, 6)]
    assert kernels == [(o, i, 3, 3) for i, o in zip((1, *FILTERS), FILTERS, strict=False)]
    assert [shapes[f"bias{index}"] for index in range(1, 6)] == [(o,) for o in FILTERS]
    assert sorted(shapes["dense"]) == [3, 10 * 7 * 512]
    learnt = [name for name in shapes if name.rstrip("12345") in {"kernel", "bias", "dense", "dense_bias"}]
    assert sum(prod(shapes[name]) for name in learnt) == 1_675_523


def test_the_model_is_small() -> None:
    assert MODEL.stat().st_size < 2_000_000


def test_a_batch_of_frames_is_worked_frame_by_frame(network: Network) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 90, 120), dtype=np.uint8)
    mask = np.ones((90, 120), dtype=bool)
    found = network.classify(frames, mask)
    alone = [network.probabilities(network_input(frame, mask)) for frame in frames]
    assert np.allclose(found.frames, alone, atol=1e-4)
    assert all(sum(row) == pytest.approx(1, abs=1e-3) for row in found.frames)


@pytest.mark.parametrize(
    ("rows", "winner", "votes"),
    [
        ([[0.9, 0.1, 0.0]], 0, (1, 0, 0)),
        ([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0, 1.0, 0.0]], 0, (2, 1, 0)),
        ([[0.5, 0.0, 0.5001], [0.6, 0.4, 0.0]], 0, (1, 0, 1)),
        ([[0.51, 0.49, 0.0], [0.0, 1.0, 0.0]], 1, (1, 1, 0)),
    ],
)
def test_most_frames_win_and_a_tie_goes_to_the_higher_mean(
    rows: list[list[float]], winner: int, votes: tuple[int, ...]
) -> None:
    result = vote(np.array(rows))
    assert (result.view, tuple(result.votes.values())) == (VIEWS[winner], votes)


def test_the_input_is_the_sector_fitted_to_its_full_height() -> None:
    picture = np.zeros((200, 300), dtype=np.uint8)
    picture[50:150, 100:200] = 80
    picture[:40] = 255
    mask = np.zeros(picture.shape, dtype=bool)
    mask[50:150, 100:200] = True
    fed = network_input(picture, mask)
    assert (fed.shape, fed.dtype) == ((240, 320), np.float32)
    assert np.allclose(fed[:, 45:275], 1)
    assert not fed[:, :35].any()
    assert not fed[:, 285:].any()


def test_the_input_does_not_depend_on_gain() -> None:
    picture = np.random.default_rng(1).integers(0, 100, (60, 80), dtype=np.uint8)
    mask = np.ones(picture.shape, dtype=bool)
    assert np.allclose(network_input(picture, mask), network_input(picture * 2, mask), atol=0.02)


def test_a_black_sector_gives_a_black_input() -> None:
    assert not network_input(np.zeros((60, 80), dtype=np.uint8), np.ones((60, 80), dtype=bool)).any()


def test_the_input_is_levelled_by_the_sectors_white_and_mean() -> None:
    picture = (200 * np.random.default_rng(2).random((240, 320)) ** 2).astype(np.uint8)
    mask = np.ones(picture.shape, dtype=bool)
    mask[:, :20] = mask[:, 300:] = False
    mask[0, 0] = mask[239, 319] = True  # the cut is the whole picture, so that nothing is resized
    level = np.minimum(picture / np.percentile(picture[mask], 99.5), 1)
    level **= np.log(0.25) / np.log(level[mask].mean())
    assert np.allclose(network_input(picture, mask), level * mask, atol=1e-5)


def test_grey_is_the_luminance() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    assert grey(colours).tolist() == [[76, 149, 28, 255]]
