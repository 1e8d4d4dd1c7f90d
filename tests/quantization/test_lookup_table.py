"""Tables of even steps, and the caller's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mltoolkit.errors import QuantizationError
from mltoolkit.quantization.lookup_table import custom_lut, linear_lut

VALUES = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
WHERE = "layer 'conv', weights"


@pytest.mark.parametrize("nbits", range(1, 9))
def test_even_steps_from_smallest_to_largest(nbits: int) -> None:
    table, codes = linear_lut(VALUES, nbits)
    assert table.shape == (1 << nbits,) and codes.shape == (12,)
    np.testing.assert_allclose(np.diff(table), np.diff(table)[0], rtol=1e-3)  # float32 entries
    assert table[0] == VALUES.min() and abs(table[-1] - VALUES.max()) < 1e-6
    best = np.abs(VALUES.reshape(-1, 1) - table).min(axis=1)
    found = np.abs(VALUES.reshape(-1) - table[codes])
    np.testing.assert_allclose(found, best, atol=1e-6)  # half-way values may go to either side


def test_a_callers_table_is_used() -> None:
    seen: list[Any] = []

    def function(nbits: int, weights: np.ndarray) -> tuple[Any, Any]:
        seen.append((nbits, weights.shape))
        weights[:] = 0  # a copy: the caller may do as it likes
        return [-1, 0, 1, 2], [0, 1, 2, 3] * 3

    before = VALUES.copy()
    table, codes = custom_lut(function, 2, VALUES, where=WHERE)
    assert seen == [(2, (3, 4))]
    assert table.tolist() == [-1, 0, 1, 2] and codes.tolist() == [0, 1, 2, 3] * 3
    assert table.dtype == np.float32 and codes.dtype == np.uint8
    np.testing.assert_array_equal(VALUES, before)


CODES = [0] * 12


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "NoneType"),
        ([1, 2, 3], "(table, codes)"),
        (([1, 2, 3], CODES), "3 values"),
        (([1, 2, 3, np.nan], CODES), "NaN"),
        (([1, 2, 3, 1e39], CODES), "float32"),
        ((["a", "b", "c", "d"], CODES), "<U1"),
        (([1, 2, 3, 4], [0] * 11), "11"),
        (([1, 2, 3, 4], [4] + [0] * 11), "4"),
        (([1, 2, 3, 4], [-1] + [0] * 11), "-1"),
        (([1, 2, 3, 4], [0.5] * 12), "whole"),
    ],
)
def test_wrong_answers_are_named(returned: Any, says: str) -> None:
    with pytest.raises(QuantizationError) as caught:
        custom_lut(lambda nbits, weights: returned, 2, VALUES, where=WHERE)
    assert says in str(caught.value) and WHERE in str(caught.value), str(caught.value)


def test_the_callers_own_error_is_the_cause() -> None:
    def function(nbits: int, weights: np.ndarray) -> Any:
        raise ValueError("no table today")

    with pytest.raises(QuantizationError, match="no table today") as caught:
        custom_lut(function, 2, VALUES, where=WHERE)
    assert isinstance(caught.value.__cause__, ValueError)
