"""What counts as agreement of two outputs."""

from __future__ import annotations

import numpy as np
import pytest

from mltoolkit.conversion.array_check import SILENCE, check_arrays
from mltoolkit.conversion.report import OutputCheck


def check(reference: object, other: object, tolerance_db: float = 60.0) -> OutputCheck:
    return check_arrays(
        "y", np.asarray(reference), np.asarray(other), stages="source = hub", inputs="seeded", tolerance_db=tolerance_db
    )


def test_floats_are_measured_in_decibels() -> None:
    found = check([3.0, 4.0], [3.0, 4.5])
    assert found.decibels == pytest.approx(20.0)
    assert (found.passed, found.measure, found.largest_difference) == (False, "SQNR", 0.5)
    assert check([3.0, 4.0], [3.0, 4.5], tolerance_db=20.0 - 1e-9).passed
    assert check([3.0, 4.0], [3.0, 4.0]).decibels == np.inf


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_whole_numbers_and_flags_must_be_equal(dtype: type) -> None:
    reference = np.array([0, 1, 1, 0]).astype(dtype)
    assert check(reference, reference.astype(np.float32)).passed
    found = check(reference, np.array([0.0, 1.0, 0.0, 0.0]))
    assert (found.passed, found.measure, found.decibels, found.tolerance_db) == (False, "exact", None, None)
    assert found.reason == "1 of 4 values differ"


def test_shapes_must_be_equal_but_for_a_scalar() -> None:
    assert check(np.zeros((2, 3)), np.zeros((3, 2))).reason == "shape (3, 2) in place of (2, 3)"
    assert check(np.zeros((1, 3)), np.zeros(3)).passed is False
    assert check(np.float32(2.0), np.array([2.0])).passed


def test_values_that_are_not_finite_must_stand_in_the_same_places() -> None:
    same = [1.0, np.nan, np.inf, -np.inf]
    assert check(same, same).passed
    for wrong in ([1.0, np.nan, np.inf, np.inf], [1.0, np.nan, np.nan, -np.inf], [1.0, 0.0, np.inf, -np.inf]):
        found = check(same, wrong)
        assert (found.passed, found.decibels) == (False, -np.inf)
        assert "1 of 4 values are NaN or infinite" in found.reason


def test_silence_allows_rounding_only() -> None:
    zeros = np.zeros(4)
    assert check(zeros, zeros).decibels == np.inf
    assert check(zeros, zeros + SILENCE).passed
    loud = check(zeros, zeros + 2 * SILENCE)
    assert loud.passed is False
    assert "all zeros" in loud.reason
    assert check(np.zeros((0, 3)), np.zeros((0, 3))).passed


def test_the_row_is_plain_data() -> None:
    assert check([1.0], [1.0]).to_dict() == {
        "output": "y",
        "stages": "source = hub",
        "inputs": "seeded",
        "measure": "SQNR",
        "decibels": None,
        "tolerance_db": 60.0,
        "largest_difference": 0.0,
        "passed": True,
        "reason": "",
        "identical": True,
    }
