from __future__ import annotations

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SHAPES = [(4, 4), (3, 6), (2, 6, 3), (2, 1, 2, 5, 4)]
FAR = [-(1 << 63), -7, -1, 0, 1, 7, (1 << 63) - 1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", FAR)
@pytest.mark.parametrize("kind", ["upperTriangular", "lowerTriangular"])
def test_triangles(kind: str, k: int, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    layer, params = new_layer(kind)
    params.k = k
    x = rng.normal(size=shape).astype(np.float32)
    near = max(-100, min(100, k))
    expected = np.triu(x, near) if kind == "upperTriangular" else np.tril(x, near)
    y = run_layer(layer, {"x": x}, rank5=False, shapes={"x": (None,) * len(shape)})["y"]
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lower", FAR)
@pytest.mark.parametrize("upper", FAR)
def test_bands(lower: int, upper: int, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    layer, params = new_layer("matrixBandPart")
    params.numLower, params.numUpper = lower, upper
    x = rng.normal(size=shape).astype(np.float32)
    m, n = (np.arange(size, dtype=object) for size in shape[-2:])
    below = m[:, None] - n
    band = np.array([[(lower < 0 or d <= lower) and (upper < 0 or -d <= upper) for d in row] for row in below])
    np.testing.assert_array_equal(run_layer(layer, {"x": x}, rank5=False)["y"], x * band)


@pytest.mark.parametrize("kind", ["upperTriangular", "lowerTriangular", "matrixBandPart"])
def test_vectors_are_refused(kind: str) -> None:
    layer, _ = new_layer(kind)
    with pytest.raises(InvalidModelError, match=r"takes matrices but gets a blob of shape \(3,\)"):
        convert_layer(layer, {"x": (3,)}, rank5=False)
