"""Linear codes against coremltools' own function, and beyond what that can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.linear import dequantize_linear, quantize_linear, quantize_linear_symmetric

QUANTIZERS = {"linear": quantize_linear, "symmetric": quantize_linear_symmetric}
Quantizer = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def reference() -> Any:
    """The function with which coremltools 9 quantizes linearly."""
    from coremltools.models.neural_network import quantization_utils

    return quantization_utils._quantize_channelwise_linear


def weights(seed: int, channels: int, n: int, scale: float = 1.0) -> np.ndarray:
    r = np.random.default_rng(seed)
    return (scale * r.standard_normal((channels, n)) + r.normal(size=(channels, 1)) * scale).astype(np.float32)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    nbits=st.integers(1, 8),
    channels=st.integers(1, 20),
    n=st.integers(2, 300),
    scale=st.sampled_from([1e-2, 1.0, 1e3, 1e30]),
    symmetric=st.booleans(),
)
def test_equal_to_coremltools(
    reference: Any, seed: int, nbits: int, channels: int, n: int, scale: float, symmetric: bool
) -> None:
    nbits = max(nbits, 2) if symmetric else nbits
    rows = weights(seed, channels, n, scale)
    quantizer = quantize_linear_symmetric if symmetric else quantize_linear
    codes, slope, bias = quantizer(rows, nbits)
    their_codes, their_slope, their_bias = reference(rows.astype(np.float64), nbits, 0, symmetric)
    # Same formula; a quotient and a product with the reciprocal may differ in the last bit, hence at a tie.
    assert np.abs(codes - their_codes).max() <= (1 if symmetric else 0)
    assert np.count_nonzero(codes != their_codes) <= 1e-3 * codes.size
    np.testing.assert_array_equal(slope, their_slope.astype(np.float32))
    np.testing.assert_array_equal(bias, their_bias.astype(np.float32))


@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("nbits", range(2, 9))
@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-4, 1.0, 1e30, 1e37])
def test_every_value_is_within_half_a_step(name: str, nbits: int, scale: float) -> None:
    rows = weights(nbits, 5, 200, scale)
    codes, slope, bias = QUANTIZERS[name](rows, nbits)
    error = np.abs(dequantize_linear(codes, slope, bias).astype(np.float64) - rows)
    # Scale, bias and result are rounded to float32, of a magnitude up to 2 ** nbits steps.
    bound = slope[:, None].astype(np.float64) * (0.5 + (1 << nbits) * 2.0**-22)
    bound = bound + np.abs(bias[:, None]) * 2.0**-22
    assert (error <= bound).all(), (error / slope[:, None]).max()


@pytest.mark.parametrize("value", [0.0, -3.25, 1e-45, 1e-30, 3e38])
@pytest.mark.parametrize("nbits", [1, 4, 8])
def test_a_constant_row_is_exact(value: float, nbits: int) -> None:
    rows = np.full((2, 7), value, dtype=np.float32)
    codes, slope, bias = quantize_linear(rows, nbits)
    assert slope.tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(dequantize_linear(codes, slope, bias), rows)


@pytest.mark.parametrize("steps", [1, 3, 200])
def test_subnormal_ranges_keep_their_values_apart(steps: int) -> None:
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    rows = (np.arange(steps + 1, dtype=np.float64) * smallest).astype(np.float32)[None]
    codes, slope, bias = quantize_linear(rows, 8)
    np.testing.assert_array_equal(dequantize_linear(codes, slope, bias), rows)


@pytest.mark.parametrize("nbits", range(2, 9))
def test_symmetric_codes_keep_zero(nbits: int) -> None:
    rows = np.append(weights(nbits, 1, 50), 0.0).astype(np.float32)[None]
    codes, slope, bias = quantize_linear_symmetric(rows, nbits)
    assert codes[0, -1] == 1 << (nbits - 1)
    assert dequantize_linear(codes, slope, bias)[0, -1] == 0.0


def test_symmetric_zeros_are_exact() -> None:
    rows = np.zeros((3, 4), dtype=np.float32)
    np.testing.assert_array_equal(dequantize_linear(*quantize_linear_symmetric(rows, 8)), rows)


@pytest.mark.parametrize("shape", [(1, 200_000), (3, 50_000), (70_000, 3), (1, 1)])
def test_blocks_do_not_show(shape: tuple[int, int]) -> None:
    rows = weights(8, *shape)
    codes, slope, bias = quantize_linear(rows, 8)
    for row in (0, shape[0] // 2, shape[0] - 1):
        alone = quantize_linear(rows[row : row + 1], 8)
        np.testing.assert_array_equal(codes[row], alone[0][0])
        assert (slope[row], bias[row]) == (alone[1][0], alone[2][0])


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_no_values(shape: tuple[int, int]) -> None:
    codes, slope, bias = quantize_linear(np.zeros(shape, dtype=np.float32), 4)
    assert codes.shape == shape
    assert slope.shape == bias.shape == (shape[0],)
    assert dequantize_linear(codes, slope, bias).shape == shape


@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name: str, bad: float) -> None:
    with pytest.raises(QuantizationError, match="1 of 4 values"):
        QUANTIZERS[name](np.array([[0, 1], [bad, 2]], dtype=np.float32), 4)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_ranges_beyond_float32_are_refused(name: str) -> None:
    with pytest.raises(QuantizationError, match="beyond float32"):
        QUANTIZERS[name](np.array([[-3e38, 3e38]], dtype=np.float32), 2)


@pytest.mark.parametrize("nbits", [0, 9, 4.5, "8", None, True])
def test_wrong_bits_are_refused(nbits: Any) -> None:
    with pytest.raises(ArgumentError, match="bits"):
        quantize_linear(np.zeros((1, 2), dtype=np.float32), nbits)


def test_symmetric_codes_of_one_bit_are_refused() -> None:
    with pytest.raises(ArgumentError, match="2 to 8"):
        quantize_linear_symmetric(np.zeros((1, 2), dtype=np.float32), 1)


def test_weights_that_are_not_rows_are_refused() -> None:
    with pytest.raises(ArgumentError, match="channels"):
        quantize_linear(np.zeros(4, dtype=np.float32), 8)
