"""Sums of signal and noise agree with the ratio of whole arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mltoolkit.comparison import noise, snr_db

values = st.floats(width=32, min_value=-1e6, max_value=1e6) | st.sampled_from([math.inf, -math.inf, math.nan])
pairs = st.integers(1, 20).flatmap(
    lambda size: st.tuples(*[arrays.arrays(np.float32, size, elements=values) for _ in range(2)])
)


@given(st.lists(pairs, min_size=1, max_size=4))
def test_sums_over_arrays(samples: list[tuple[np.ndarray, np.ndarray]]) -> None:
    total = noise.NoiseSum()
    for index, (a, b) in enumerate(samples):
        total.add(index, noise.signal_and_noise(a, b))
    whole = snr_db(np.concatenate([a for a, _ in samples]), np.concatenate([b for _, b in samples]))
    # The same sums in another order.
    assert total.snr_db == pytest.approx(whole, abs=1e-6)
    single = [snr_db(a, b) for a, b in samples]
    assert total.lowest_db == pytest.approx(min(single), abs=1e-6)
    assert single[total.worst] == pytest.approx(min(single), abs=1e-6)


def test_large_arrays_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    a = rng.normal(size=(10, 103)).astype(np.float32)
    b = a + rng.normal(0, 0.01, a.shape).astype(np.float32)
    whole = noise.signal_and_noise(a, b)
    monkeypatch.setattr(noise, "_PART", 100)
    assert noise.signal_and_noise(a, b) == pytest.approx(whole, rel=1e-12)
    b[3, 3] = math.inf
    assert noise.signal_and_noise(a, b)[2] is True
