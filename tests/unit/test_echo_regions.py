"""Shapes in masks, against slow and plain versions of the same."""

import numpy as np
from echo.regions import hull, largest_near, largest_part, rim, share
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits).reshape(height, width)


def parts_of(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Connected parts by flooding."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    parts = []
    while left:
        part, edge = set(), {left.pop()}
        while edge:
            part |= edge
            near = {(y + dy, x + dx) for y, x in edge for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))}
            edge = near & left
            left -= edge
        parts.append(part)
    return parts


@given(masks())
def test_the_largest_part_is_a_connected_part_and_none_is_larger(mask: np.ndarray) -> None:
    found = {(int(y), int(x)) for y, x in np.argwhere(largest_part(mask))}
    parts = parts_of(mask)
    assert (found in parts and len(found) == max(map(len, parts))) if parts else not found


@given(masks(), st.sampled_from([3, 5]))
def test_the_share_is_that_of_the_square_around_each_pixel(mask: np.ndarray, size: int) -> None:
    reach = size // 2
    padded = np.pad(mask, reach)
    rows, columns = map(range, mask.shape)
    expected = [[padded[y : y + size, x : x + size].mean() for x in columns] for y in rows]
    assert np.allclose(share(mask, size), expected, atol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=30))
def test_the_hull_is_convex_and_leaves_no_point_outside(points: list[tuple[int, int]]) -> None:
    corners = hull(np.array(points, dtype=np.float32))
    if len(corners) < 3:
        return
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        assert all((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0 for x, y in points)


def test_the_rim_has_the_outermost_pixels_of_rows_and_columns() -> None:
    mask = np.zeros((5, 6), dtype=bool)
    mask[1:4, 2:5] = True
    found = {(int(x), int(y)) for x, y in rim(mask)}
    assert found == {(x, y) for x in (2, 3, 4) for y in (1, 2, 3)} - {(3, 2)}


@given(masks(), st.integers(1, 9))
def test_the_largest_value_near_a_pixel_is_that_of_its_square(mask: np.ndarray, reach: int) -> None:
    values = np.arange(mask.size).reshape(mask.shape) * mask
    rows, columns = map(range, mask.shape)
    expected = [
        [values[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].max() for x in columns]
        for y in rows
    ]
    assert largest_near(values, reach).tolist() == expected
