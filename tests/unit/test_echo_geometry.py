"""The shapes of ultrasound pictures."""

import numpy as np
import pytest
from echo.geometry import Box, Fan
from hypothesis import given
from hypothesis import strategies as st

fans = st.builds(
    Fan,
    apex_x=st.floats(20, 80),
    apex_y=st.floats(-20, 10),
    near=st.floats(0, 20),
    far=st.floats(30, 90),
    half_angle=st.floats(0.2, 1.2),
)


@given(fans)
def test_a_fans_mask_holds_exactly_the_points_within_its_radii_and_angle(fan: Fan) -> None:
    mask = fan.mask(60, 100)
    for y, x in ((10, 50), (30, 20), (55, 95), (5, 40), (40, 60)):
        radius = np.hypot(x - fan.apex_x, y - fan.apex_y)
        angle = abs(np.arctan2(x - fan.apex_x, y - fan.apex_y))
        if min(abs(radius - fan.near), abs(radius - fan.far), abs(angle - fan.half_angle)) > 1e-3:
            assert mask[y, x] == (fan.near < radius < fan.far and angle < fan.half_angle)


@given(fans, st.floats(1, 4))
def test_a_shrunk_fan_lies_within_the_fan(fan: Fan, pixels: float) -> None:
    assert not (fan.shrunk(pixels).mask(60, 100) & ~fan.mask(60, 100)).any()


def test_a_shrunk_fan_has_lost_its_rim_on_all_sides() -> None:
    mask, smaller = Fan(50, 0, 10, 50, 0.8).mask(60, 100), Fan(50, 0, 10, 50, 0.8).shrunk(3).mask(60, 100)
    for axis in (0, 1):
        for shift in (-2, 2):
            assert not (smaller & ~np.roll(mask, shift, axis)).any()


@pytest.mark.parametrize("shape", [Fan(50, -5, 8, 60, 0.7), Box(10, 20, 80, 50)])
def test_a_shape_scaled_by_two_covers_four_times_the_area(shape: Fan | Box) -> None:
    assert shape.scaled(2).mask(150, 250).sum() == pytest.approx(4 * shape.mask(75, 125).sum(), rel=0.05)


def test_the_outline_of_a_fan_touches_both_arcs() -> None:
    fan = Fan(50, 0, 10, 40, 0.5)
    radii = {round(float(np.hypot(x - 50, y)), 6) for x, y in fan.outline()}
    assert radii == {10.0, 40.0}


def test_a_box_holds_its_own_edges() -> None:
    mask = Box(2, 1, 4, 3).mask(6, 8)
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2, 3) for x in (2, 3, 4)]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            Fan(50, 0.04, 10, 40, 0.5),
            {"shape": "fan", "apex_x": 50, "apex_y": 0.0, "near": 10, "far": 40, "half_angle_degrees": 28.6},
        ),
        (Box(1, 2, 3, 4), {"shape": "box", "left": 1, "top": 2, "right": 3, "bottom": 4}),
    ],
)
def test_a_shape_describes_itself_in_plain_values(shape: Fan | Box, expected: dict[str, object]) -> None:
    assert shape.described() == expected
