"""Tables of even steps against coremltools, and the check of a caller's own table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.assignment import assign_to_table
from mltoolkit.quantization.lookup_table import custom_lut, linear_lut

WEIGHTS = np.random.default_rng(0).standard_normal((4, 25)).astype(np.float32)


@pytest.mark.parametrize("nbits", range(1, 9))
def test_linear_lut_is_that_of_coremltools(nbits: int) -> None:
    from coremltools.models.neural_network import quantization_utils

    table, codes = linear_lut(WEIGHTS, nbits)
    theirs, their_codes = quantization_utils._get_linear_lookup_table_and_weight(nbits, WEIGHTS.astype(float))
    np.testing.assert_array_equal(table, theirs.astype(np.float32))
    np.testing.assert_array_equal(codes, their_codes.ravel())


@pytest.mark.parametrize("scale", [1e-30, 1e-4, 1.0, 1e30])
@pytest.mark.parametrize("nbits", [2, 5, 8])
def test_linear_lut_codes_are_the_nearest_entries(nbits: int, scale: float) -> None:
    weights = (WEIGHTS.astype(np.float64) * scale).astype(np.float32)
    table, codes = linear_lut(weights, nbits)
    nearest = table[assign_to_table(weights, table)]
    # Entries are rounded to float32, which decides differently only between entries equally far away.
    assert np.abs(table[codes] - weights.ravel()).max() <= np.abs(nearest - weights.ravel()).max() * (1 + 1e-5)


def test_linear_lut_of_equal_and_of_no_weights() -> None:
    table, codes = linear_lut(np.full(5, -2.5, dtype=np.float32), 3)
    assert table[codes].tolist() == [-2.5] * 5
    table, codes = linear_lut(np.zeros(0, dtype=np.float32), 3)
    assert (table.shape, codes.shape) == ((8,), (0,))


@pytest.mark.parametrize(
    ("table", "dtype"),
    [
        ([0.0, 1.0, 2.0, 3.0], np.uint8),
        (np.arange(4), np.int64),
        (np.ones((4, 1), dtype=np.float64), np.int32),
    ],
)
def test_a_right_answer_is_taken_over(table: Any, dtype: type) -> None:
    answer = np.arange(WEIGHTS.size, dtype=dtype).reshape(WEIGHTS.shape) % 4
    floats, codes = custom_lut(lambda nbits, weights: (table, answer), 2, WEIGHTS)
    assert floats.dtype == np.float32
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(floats, np.asarray(table, dtype=np.float32).ravel())
    np.testing.assert_array_equal(codes, answer.ravel())


def test_the_function_gets_bits_and_a_copy_of_the_weights() -> None:
    weights = WEIGHTS.copy()

    def spoil(nbits: int, given: np.ndarray) -> tuple[list[float], np.ndarray]:
        assert nbits == 1
        np.testing.assert_array_equal(given, WEIGHTS)
        given[:] = 0.0
        return [0.0, 1.0], np.zeros(given.size, dtype=int)

    custom_lut(spoil, 1, weights)
    np.testing.assert_array_equal(weights, WEIGHTS)


CODES = np.zeros(100, dtype=np.uint8)
TABLE = [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "a NoneType, expected a pair"),
        ((TABLE, CODES, 0), "a tuple of 3, expected a pair"),
        ((TABLE[:3], CODES), "a table of 3 values, expected 4 finite"),
        (([0.0, 1.0, 2.0, np.nan], CODES), "1 values that are NaN"),
        (([0.0, 1.0, 2.0, 1e39], CODES), "beyond float32"),
        ((["a"] * 4, CODES), "a table of <U1, expected 4"),
        (([[0.0], [1.0, 2.0]], CODES), "table that are no array"),
        ((TABLE, CODES[:99]), "99 codes, expected 100 whole numbers from 0 to 3"),
        ((TABLE, CODES + 0.5), "codes of float64"),
        ((TABLE, CODES.astype(bool)), "codes of bool"),
        ((TABLE, CODES + np.uint8(4)), "codes from 4 to 4"),
        ((TABLE, CODES.astype(int) - 1), "codes from -1 to -1"),
    ],
)
def test_a_wrong_answer_is_named_with_what_was_expected(answer: Any, message: str) -> None:
    with pytest.raises(QuantizationError) as raised:
        custom_lut(lambda nbits, weights: answer, 2, WEIGHTS, where="layer 'c', weights")
    assert message in str(raised.value)
    assert "layer 'c', weights" in str(raised.value)


def test_codes_may_be_rounded_floats() -> None:
    table, codes = custom_lut(lambda nbits, weights: (TABLE, CODES.astype(float)), 2, WEIGHTS)
    assert table.tolist() == TABLE and codes.dtype == np.uint8 and (codes == CODES).all()


def test_the_functions_own_error_is_kept_as_the_cause() -> None:
    error = KeyError("oh")

    def fail(nbits: int, weights: np.ndarray) -> Any:
        raise error

    with pytest.raises(QuantizationError, match="KeyError") as raised:
        custom_lut(fail, 4, WEIGHTS)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("nbits", [0, 9, 2.0])
def test_wrong_bits_are_refused(nbits: Any) -> None:
    with pytest.raises(ArgumentError, match="bits"):
        custom_lut(lambda bits, weights: (TABLE, CODES), nbits, WEIGHTS)
