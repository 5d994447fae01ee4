"""The drawings that the network learnt from, and how well it tells new ones apart."""

import numpy as np
import pytest
from echo.frame import network_input
from echo.views import VIEWS, Network
from training.phantoms import draw, draw_clip, jittered


@pytest.mark.parametrize("view", VIEWS)
def test_the_same_seed_draws_the_same_phantom(view: str) -> None:
    first, second = (draw(view, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.picture, second.picture)
    assert (first.fan, first.view) == (second.fan, view)


def test_another_seed_draws_another_phantom() -> None:
    assert (
        draw("short-axis", np.random.default_rng(5)).fan != draw("short-axis", np.random.default_rng(6)).fan
    )


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_drawn_outside_the_fan(seed: int) -> None:
    phantom = draw("long-axis", np.random.default_rng(seed))
    assert phantom.picture[phantom.fan.mask(240, 320)].max() > 100
    assert not phantom.picture[~phantom.fan.mask(240, 320)].any()


@pytest.mark.parametrize("seed", range(10))
def test_a_fan_fits_its_picture(seed: int) -> None:
    fan = draw("short-axis", np.random.default_rng(seed)).fan
    assert all(-1 <= x <= 321 and -1 <= y <= 241 for x, y in fan.outline())


def test_a_clip_is_one_heart_that_moves() -> None:
    clip = draw_clip("four-chamber", 3, frames=4)
    assert len({phantom.fan for phantom in clip}) == 1
    pictures = np.stack([phantom.picture for phantom in clip]).astype(float)
    assert pictures.std(axis=0)[clip[0].fan.mask(240, 320)].mean() > 3
    similar = np.corrcoef(pictures[0].ravel(), pictures[2].ravel())[0, 1]
    assert similar > 0.5


@pytest.mark.parametrize("view", VIEWS)
def test_new_phantoms_are_mostly_recognised(view: str) -> None:
    network, rng = Network(), np.random.default_rng(90_210)
    right = 0
    for _ in range(20):
        phantom = draw(view, rng)
        fed = network_input(phantom.picture, jittered(phantom.fan, rng).mask(240, 320))
        right += VIEWS[network.probabilities(fed).argmax()] == view
    assert right >= 17
