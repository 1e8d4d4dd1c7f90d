from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError

VOCABULARY, LENGTH = 10, 6


def _layer(weights: np.ndarray, bias: np.ndarray | None = None) -> Any:
    layer, params = new_layer("embeddingND")
    params.embeddingSize, params.vocabSize = weights.shape
    set_weight(params.weights, weights)
    if bias is not None:
        params.hasBias = True
        set_weight(params.bias, bias)
    return layer


@pytest.mark.parametrize("shape", [(5, 1), (2, 3, 1), (2, 3, 1, 5, 1)])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_rows(shape: tuple[int, ...], has_bias: bool, known: bool, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(LENGTH, VOCABULARY)).astype(np.float32)
    bias = rng.normal(size=LENGTH).astype(np.float32)
    x = rng.integers(VOCABULARY, size=shape)
    shapes: Any = {} if known else {"x": (*("n",) * (len(shape) - 1), None)}
    layer = _layer(weights, bias if has_bias else None)
    expected = weights.T[x[..., 0]] + (bias if has_bias else np.float32(0))
    assert_close(run_layer(layer, {"x": x}, rank5=False, shapes=shapes)["y"], expected, 0)


@pytest.mark.parametrize("shape", [(5,), (5, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidModelError, match="indices of shape"):
        convert_layer(_layer(np.ones((LENGTH, VOCABULARY))), {"x": shape}, rank5=False)


def test_absurd_sizes_are_refused() -> None:
    layer = _layer(np.ones((LENGTH, VOCABULARY)))
    layer.embeddingND.vocabSize = 1 << 50
    with pytest.raises(InvalidModelError, match="vocabSize"):
        convert_layer(layer, {"x": (5, 1)}, rank5=False)
    layer.embeddingND.vocabSize = VOCABULARY + 1
    with pytest.raises(InvalidModelError, match="60 values where the layer needs 66"):
        convert_layer(layer, {"x": (5, 1)}, rank5=False)
