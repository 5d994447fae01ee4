"""Shapes in a mask: its solid parts, the largest connected one, the hull around it."""

import numpy as np

Run = tuple[int, int, int]  # row, first column, one after the last


def share(mask: np.ndarray, size: int) -> np.ndarray:
    """For each pixel the share (0..1) of true pixels in the `size` x `size` square around it (size odd)."""
    reach = size // 2
    padded = np.pad(mask, reach + 1).astype(np.int32)[:-1, :-1]
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    total = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return total / np.float32(size * size)


def largest_near(values: np.ndarray, reach: int) -> np.ndarray:
    """For each pixel the largest value of the square that reaches `reach` pixels to each side."""
    for axis in (0, 1):
        pads = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        values, size = np.pad(values, pads, mode="edge"), 1
        while size < 2 * reach + 1:  # windows of `size` joined to longer ones
            step = min(size, 2 * reach + 1 - size)
            end = values.shape[axis]
            near = np.maximum(values.take(range(end - step), axis), values.take(range(step, end), axis))
            values, size = near, size + step
    return values


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected part of a mask; all false where the mask is."""
    runs = _runs(mask)
    parents = list(range(len(runs)))
    _join_rows(runs, parents)
    roots = [_root(parents, i) for i in range(len(runs))]
    sizes: dict[int, int] = {}
    for (_, first, end), root in zip(runs, roots, strict=True):
        sizes[root] = sizes.get(root, 0) + end - first
    part = np.zeros_like(mask)
    if not sizes:
        return part
    best = max(sizes, key=lambda root: sizes[root])
    for (row, first, end), root in zip(runs, roots, strict=True):
        if root == best:
            part[row, first:end] = True
    return part


def _runs(mask: np.ndarray) -> list[Run]:
    """Stretches of true pixels, row by row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, firsts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return list(zip(rows.tolist(), firsts.tolist(), ends.tolist(), strict=True))


def _join_rows(runs: list[Run], parents: list[int]) -> None:
    """Join each run with those that it touches in the row above."""
    above = 0
    for index, (row, first, end) in enumerate(runs):
        while above < index and (
            runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] <= first)
        ):
            above += 1
        other = above
        while other < index and runs[other][0] == row - 1 and runs[other][1] < end:
            parents[_root(parents, index)] = _root(parents, other)
            other += 1


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def rim(mask: np.ndarray) -> np.ndarray:
    """(x, y) of the first and last true pixel of each row and each column, as float32."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    left, right = mask[rows].argmax(axis=1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    top = mask[:, columns].argmax(axis=0)
    bottom = mask.shape[0] - 1 - mask[::-1, columns].argmax(axis=0)
    x = np.concatenate([left, right, columns, columns])
    y = np.concatenate([rows, rows, top, bottom])
    return np.stack([x, y], axis=1).astype(np.float32)


def hull(points: np.ndarray) -> list[tuple[float, float]]:
    """The convex hull of (x, y) points, by Andrew's monotone chain."""
    ordered = sorted(set(map(tuple, points.tolist())))
    if len(ordered) < 3:
        return ordered
    return _chain(ordered)[:-1] + _chain(ordered[::-1])[:-1]


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    chain: list[tuple[float, float]] = []
    for x, y in points:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain
