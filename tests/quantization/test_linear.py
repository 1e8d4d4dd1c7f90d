"""Linear quantization: the formulae, every scale, and the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.linear import dequantize_linear, quantize_linear, quantize_linear_symmetric

ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 40)),
    elements=st.floats(-(2.0**60), 2.0**60, width=32),
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(ROWS, st.integers(1, 8))
def test_errors_stay_within_half_a_step(rows: np.ndarray, nbits: int) -> None:
    codes, scale, bias = quantize_linear(rows, nbits)
    error = np.abs(codes.astype(np.float64) * scale[:, None] + bias[:, None] - rows)
    # Half a step, and the float32 rounding of scale and bias over the whole range.
    slack = 1e-6 * (np.abs(rows).max(axis=1) + scale.astype(np.float64) * 2**nbits) + 1e-44
    assert (error <= 0.5 * scale[:, None].astype(np.float64) + slack[:, None]).all(), error.max()
    assert int(codes.max()) < 1 << nbits


@settings(derandomize=True, max_examples=200, deadline=None)
@given(ROWS, st.integers(2, 8))
def test_symmetric_codes_keep_zero_and_sign(rows: np.ndarray, nbits: int) -> None:
    codes, scale, bias = quantize_linear_symmetric(rows, nbits)
    np.testing.assert_array_equal(bias, -(2.0 ** (nbits - 1)) * scale)
    nonzero = scale > 0
    zeros = (rows == 0) & nonzero[:, None]
    assert (codes[zeros] == 1 << (nbits - 1)).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e-4, 1.0, 1e10, 1e30])
@pytest.mark.parametrize("nbits", [2, 8])
def test_quality_does_not_depend_on_the_scale(scale: float, nbits: int) -> None:
    rows = np.random.default_rng(0).standard_normal((3, 500))
    plain = quantize_linear(rows.astype(np.float32), nbits)[0]
    scaled = quantize_linear((rows * scale).astype(np.float32), nbits)[0]
    # Values that lie half-way between two codes may round to either.
    assert np.mean(plain != scaled) < 0.01


@pytest.mark.parametrize("value", [0.0, 1e-40, -3.7, 1e38])
def test_constant_rows_are_exact(value: float) -> None:
    rows = np.full((2, 7), value, dtype=np.float32)
    np.testing.assert_array_equal(dequantize_linear(*quantize_linear(rows, 4)), rows)


def test_the_whole_range_of_float32() -> None:
    limit = np.finfo(np.float32).max
    rows = np.array([[-limit, 0, limit]], dtype=np.float32)
    for nbits in (2, 8):
        codes, scale, bias = quantize_linear(rows, nbits)
        assert np.isfinite(scale).all() and np.isfinite(bias).all()
        assert codes[0, 0] == 0 and codes[0, 2] == (1 << nbits) - 1
    # With 1 bit the scale would be the whole range, twice what float32 holds.
    with pytest.raises(QuantizationError, match="float32"):
        quantize_linear(rows, 1)


def test_empty_rows() -> None:
    codes, scale, bias = quantize_linear(np.zeros((2, 0), np.float32), 8)
    assert codes.shape == (2, 0) and scale.tolist() == bias.tolist() == [0, 0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    with pytest.raises(QuantizationError):
        quantize_linear(np.array([[1.0, wrong]]), 8)


@pytest.mark.parametrize("nbits", [0, 9, 4.5, True, "8"])
def test_wrong_bits_are_refused(nbits: object) -> None:
    with pytest.raises(ArgumentError):
        quantize_linear(np.zeros((1, 2)), nbits)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError):
        quantize_linear_symmetric(np.zeros((1, 2)), 1)
