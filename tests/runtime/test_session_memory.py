"""Where the weights of a running model lie."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from mltoolkit.formats.features import Interface
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.partition import GraphRunner

SIZE = 512  # a weight of 1 MB
X = np.linspace(-1, 1, SIZE, dtype=np.float32).reshape(1, SIZE)


def weight() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)


def added(weights: np.ndarray) -> ModelGraph:
    """y = x + weights, (512, 512): onnxruntime keeps no packed copy of a summand, as it does of a factor."""
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, SIZE))
    y = builder.op("Add", x, builder.constant(weights, "weights"), name="y")
    return ModelGraph(builder.finish([y]), Interface((), ()))


@pytest.fixture
def serialised(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The models that sessions are made of."""
    seen: list[bytes] = []
    make_session = ort.InferenceSession

    def recording(model: bytes, *arguments: Any, **options: Any) -> ort.InferenceSession:
        seen.append(model)
        return make_session(model, *arguments, **options)

    monkeypatch.setattr(ort, "InferenceSession", recording)
    yield seen


def test_weights_are_no_part_of_the_serialised_model(serialised: list[bytes]) -> None:
    weights = weight()
    result = GraphRunner(added(weights), threads=1).run({"x": X})["y"]
    (model,) = serialised
    assert len(model) < 1000, f"{len(model)} bytes for one node, {weights.nbytes} bytes of weights"
    np.testing.assert_array_equal(result, X + weights)


def test_small_constants_are_part_of_it(serialised: list[bytes]) -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, SIZE))
    y = builder.op("Reshape", x, builder.constant([SIZE // 2, 2]), name="y")
    GraphRunner(ModelGraph(builder.finish([y]), Interface((), ())), threads=1)
    (model,) = serialised
    # Shapes must be seen by onnxruntime's optimiser.
    assert np.array([SIZE // 2, 2], np.int64).tobytes() in model


def test_weights_are_handed_over_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over: list[ort.OrtValue] = []
    make_value = ort.OrtValue.ortvalue_from_numpy

    def recording(array: np.ndarray, *arguments: Any) -> ort.OrtValue:
        handed_over.append(make_value(array, *arguments))
        return handed_over[-1]

    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_numpy", staticmethod(recording))
    weights = weight()
    runners = [GraphRunner(added(weights), threads=threads) for threads in (1, 2)]
    assert len(runners) == len(handed_over) == 2
    assert {value.data_ptr() for value in handed_over} == {weights.ctypes.data}


def test_a_session_does_not_keep_the_arrays_and_does_not_need_them() -> None:
    weights = weight()
    expected, alive = X + weights, weakref.ref(weights)
    runner = GraphRunner(added(weights), threads=1)
    del weights
    gc.collect()
    assert alive() is None
    # Memory that was freed is overwritten here.
    rubbish = [np.full((SIZE, SIZE), np.nan, dtype=np.float32) for _ in range(8)]
    result = runner.run({"x": X})["y"]
    del rubbish
    np.testing.assert_array_equal(result, expected)
