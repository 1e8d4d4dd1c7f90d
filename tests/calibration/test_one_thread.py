"""Products in one thread each."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from mltoolkit.calibration.one_thread import one_thread_a_product


def _threads() -> list[int]:
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_the_limit_holds_until_the_last_has_left_and_is_taken_back() -> None:
    assert np.ones((2, 2)).sum() == 4  # NumPy's library is loaded
    before = _threads()
    first, second = one_thread_a_product(), one_thread_a_product()
    first.__enter__()
    second.__enter__()
    assert set(_threads()) == {1}
    # Not nested: the first leaves before the second, as calibrations side by side do.
    first.__exit__(None, None, None)
    assert set(_threads()) == {1}
    second.__exit__(None, None, None)
    assert _threads() == before


def test_an_error_takes_the_limit_back() -> None:
    before = _threads()
    with pytest.raises(ValueError, match="inside"), one_thread_a_product():
        raise ValueError("inside")
    assert _threads() == before
