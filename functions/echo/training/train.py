"""Trains the view classifier on phantoms and writes echo/views.onnx and MODEL.md; 25 minutes of one core.

    cd functions/echo && python -m training.train [--small 500] [--full 300]

First at half the size, where a step costs a quarter; then the kernels go on at full size with a dense
layer spread from the small one. Phantoms are drawn anew for each step, so none is seen twice; the
held-out ones come from seeds that training never draws. Nothing real takes part.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from derive import SHIPPED
from echo.frame import INPUT_HEIGHT, INPUT_WIDTH, network_input
from echo.views import MODEL, VIEWS

from training.card import REAL_CLIP, card, measure
from training.export import export
from training.network import FILTERS, Weights, initial, logits, loss, pooled
from training.phantoms import draw_any, jittered

CARD = Path(__file__).parent.parent / "MODEL.md"
BATCH = 16
KEPT = 0.6  # of the features, while training
TRAINING_SEED, HELD_OUT_SEED, CALIBRATION_SEED = 20_200_401, 77, 78
HELD_OUT, CALIBRATION = 960, 64


def batches(
    seed: int, *, width: int, height: int, size: int = BATCH
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames as the network sees them, and the views' numbers; without end."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = [draw_any(rng, width=width, height=height) for _ in range(size)]
        masks = [jittered(p.fan, rng).mask(height, width) for p in drawn]
        frames = [
            network_input(p.picture, m, width=width, height=height) for p, m in zip(drawn, masks, strict=True)
        ]
        yield np.stack(frames), np.array([VIEWS.index(p.view) for p in drawn])


def trained(
    weights: Weights, steps: int, rate: float, *, width: int, height: int, rng: np.random.Generator
) -> Weights:
    """The weights after `steps` of AdamW with a warm-up and a cosine to nothing."""
    schedule = optax.warmup_cosine_decay_schedule(rate / 20, rate, max(steps // 20, 1), steps, rate / 100)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-3))
    state = optimiser.init(weights)

    @jax.jit
    def step(weights, state, frames, views, keep):  # noqa: ANN001, ANN202  (JAX values)
        value, slopes = jax.value_and_grad(loss)(weights, frames, views, keep)
        changes, state = optimiser.update(slopes, state, weights)
        return optax.apply_updates(weights, changes), state, value

    started, recent = time.monotonic(), []
    source = batches(TRAINING_SEED + width, width=width, height=height)
    for index in range(steps):
        frames, views = next(source)
        keep = (rng.random((BATCH, weights.dense.shape[0])) < KEPT) / np.float32(KEPT)
        weights, state, value = step(weights, state, frames, views, keep.astype(np.float32))
        recent.append(float(value))
        if index % 25 == 24:
            passed = f"{width}x{height} {index + 1}/{steps}, {time.monotonic() - started:.0f} s"
            print(f"{passed}: loss {np.mean(recent[-25:]):.3f}", flush=True)  # noqa: T201  (progress)
    return weights


def spread(weights: Weights, *, small: tuple[int, int], full: tuple[int, int]) -> Weights:
    """The same kernels, with each dense weight shared out among the places of the larger map."""
    rows, columns = pooled(small[1]), pooled(small[0])
    dense = np.asarray(weights.dense).reshape(rows, columns, FILTERS[-1], -1)
    new_rows, new_columns = pooled(full[1]), pooled(full[0])
    i = np.arange(new_rows) * rows // new_rows
    j = np.arange(new_columns) * columns // new_columns
    larger = dense[i][:, j] * (rows * columns / (new_rows * new_columns))
    return weights._replace(dense=jnp.asarray(larger.reshape(-1, dense.shape[-1])))


def held_out(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Phantoms at full size that training never draws."""
    source = batches(HELD_OUT_SEED, width=INPUT_WIDTH, height=INPUT_HEIGHT)
    frames, views = zip(*(next(source) for _ in range(count // BATCH)), strict=True)
    return np.concatenate(frames), np.concatenate(views)


def accuracy(weights: Weights, frames: np.ndarray, views: np.ndarray) -> float:
    """Share of the phantoms that are recognised, in single precision."""
    run = jax.jit(logits)
    found = [
        np.asarray(run(weights, part)).argmax(axis=1) for part in np.array_split(frames, len(frames) // BATCH)
    ]
    return float((np.concatenate(found) == views).mean())


def fitted(small_steps: int, full_steps: int) -> Weights:
    """Both stages of the training."""
    rng = np.random.default_rng(TRAINING_SEED)
    full, small = (INPUT_WIDTH, INPUT_HEIGHT), (INPUT_WIDTH // 2, INPUT_HEIGHT // 2)
    weights = initial(rng, width=small[0], height=small[1])
    weights = trained(weights, small_steps, 6e-4, width=small[0], height=small[1], rng=rng)
    weights = spread(weights, small=small, full=full)
    return trained(weights, full_steps, 2.5e-4, width=full[0], height=full[1], rng=rng)


def publish(weights: Weights, steps: tuple[int, int]) -> None:
    """Quantise, measure, write the network and its card."""
    calibration, _ = next(batches(CALIBRATION_SEED, width=INPUT_WIDTH, height=INPUT_HEIGHT, size=CALIBRATION))
    export(weights, calibration, MODEL)
    frames, views = held_out(HELD_OUT)
    measured = measure(MODEL, frames, views, SHIPPED / REAL_CLIP)
    text = card(MODEL, measured, plain=accuracy(weights, frames, views), steps=steps, batch=BATCH)
    CARD.write_text(text, encoding="utf-8")
    print(text)  # noqa: T201  (the result of a command)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", type=int, default=500, help="steps at half the size")
    parser.add_argument("--full", type=int, default=300, help="steps at full size")
    options = parser.parse_args()
    publish(fitted(options.small, options.full), (options.small, options.full))


if __name__ == "__main__":
    main()
