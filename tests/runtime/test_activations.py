"""Arrays kept between sections: in memory up to a limit, else in a temporary file that goes away."""

from __future__ import annotations

import gc
import logging
import tempfile
import weakref

import numpy as np
import pytest

from mltoolkit.runtime import activations
from mltoolkit.runtime.activations import ActivationStore

ARRAYS = {
    "floats": np.arange(12, dtype=np.float32).reshape(3, 4),
    "scalar": np.array(7.5, dtype=np.float32),
    "flags": np.array([[True, False, True]]),
    "numbers": np.array([-1, 2**40]),
    "nothing": np.zeros((0, 3), dtype=np.float32),
    "strided": np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2],
    "halves": np.array([0.5, np.nan, np.inf], dtype=np.float16),
}
SIZE = sum(array.nbytes for array in ARRAYS.values())


@pytest.mark.parametrize("memory", [0, 50, 10_000])
def test_arrays_come_back_as_they_were(memory: int) -> None:
    store = ActivationStore(2, memory)
    for sample in range(2):
        store.replace(sample, ARRAYS, ())
    for sample in range(2):
        for name, array in ARRAYS.items():
            found = store.get(sample, name)
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found, array)
    assert store.held <= memory
    assert memory < 10_000 or store.held == 2 * SIZE


def test_what_is_not_kept_makes_room() -> None:
    store = ActivationStore(1, 100)
    one, two, three = (np.full(20, value, dtype=np.float32) for value in (1, 2, 3))
    store.replace(0, {"one": one}, ())
    assert store.held == 80
    store.replace(0, {"two": two}, ["one"])
    assert store.held == 80
    assert store.get(0, "one") is one
    store.replace(0, {"three": three}, ["two"])
    assert not store.has(0, "one")
    assert store.held == 80
    assert store.get(0, "three") is three
    np.testing.assert_array_equal(store.get(0, "two"), two)


def test_a_file_goes_away_with_the_last_array_in_it() -> None:
    store = ActivationStore(1, 0)
    store.replace(0, {"one": np.ones(3)}, ())
    file = weakref.ref(store._file)
    store.new_file()
    store.replace(0, {"two": np.ones(3)}, ["one"])
    gc.collect()
    assert file() is not None
    np.testing.assert_array_equal(store.get(0, "one"), np.ones(3))
    store.replace(0, {}, ["two"])
    gc.collect()
    assert file() is None


def test_without_a_place_for_the_file_arrays_stay_in_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    store = ActivationStore(1, 10)
    with caplog.at_level(logging.WARNING, logger=activations.__name__):
        store.replace(0, ARRAYS, ())
    assert "no space left" in caplog.text
    assert store.held == SIZE
    np.testing.assert_array_equal(store.get(0, "floats"), ARRAYS["floats"])
