"""The signal to noise ratio against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.sqnr import sqnr_db


@pytest.mark.parametrize("n", [1, 1_000, 200_001])
@pytest.mark.parametrize("scale", [1e-35, 1.0, 1e35])
def test_is_the_ratio_of_powers(n: int, scale: float) -> None:
    r = np.random.default_rng(n)
    before = (r.standard_normal(n) * scale).astype(np.float32)
    after = (before * np.float32(1.01)).astype(np.float32)
    wide = before.astype(np.float64)
    expected = 10 * math.log10(np.sum(wide**2) / np.sum((wide - after) ** 2))
    assert sqnr_db(before, after) == pytest.approx(expected, abs=1e-9)


def test_limits() -> None:
    zeros, ones = np.zeros((2, 3), dtype=np.float32), np.ones((2, 3), dtype=np.float32)
    assert sqnr_db(ones, ones) == math.inf
    assert sqnr_db(zeros, zeros) == math.inf
    assert sqnr_db(zeros[:0], zeros[:0]) == math.inf
    assert sqnr_db(zeros, ones) == -math.inf


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ArgumentError, match="shapes"):
        sqnr_db(np.zeros(3), np.zeros(4))
