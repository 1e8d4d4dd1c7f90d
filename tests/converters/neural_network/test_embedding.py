from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, check_refused, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.weights import LinearCodes, write_codes


def embedding_layer(rng: np.random.Generator, *, bias: bool = True) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    layer, params = new_layer("embedding")
    params.inputDim, params.outputChannels = 11, 4
    w = rng.standard_normal((4, 11)).astype(np.float32)
    b = rng.standard_normal(4).astype(np.float32)
    set_weight(params.weights, w)
    if bias:
        params.hasBias = True
        set_weight(params.bias, b)
    return layer, params, w, b


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(7,), (2, 3)])
def test_rows_of_the_table(leading: tuple[int, ...], bias: bool) -> None:
    rng = np.random.default_rng(1)
    layer, _, w, b = embedding_layer(rng, bias=bias)
    indices = rng.integers(0, 11, leading)
    indices.flat[0], indices.flat[1] = 0, 10
    expected = w.T[indices] + (b if bias else 0)
    x = indices.reshape(*leading, 1, 1, 1).astype(np.float32)
    result = run_layer(layer, {"x": x}, rank5=len(leading) == 1)["y"]
    # The same float32 additions.
    assert_close(result, expected.reshape(*leading, 4, 1, 1), 0)


def test_quantized_table() -> None:
    rng = np.random.default_rng(2)
    layer, params, w, b = embedding_layer(rng)
    codes = rng.integers(0, 128, w.size).astype(np.uint8)
    scale, shift = rng.standard_normal((2, 4)).astype(np.float32)
    write_codes(params.weights, LinearCodes(codes, 7, scale, shift))
    table = codes.reshape(4, 11) * scale[:, None] + shift[:, None]
    expected = table.T + b
    x = np.arange(11, dtype=np.float32).reshape(11, 1, 1, 1)
    assert_close(run_layer(layer, {"x": x})["y"].reshape(11, 4), expected, 1e-6)


BROKEN: dict[str, tuple[Any, str]] = {
    "no rows": (lambda p: setattr(p, "inputDim", 0), "inputDim is 0"),
    "no outputs": (lambda p: setattr(p, "outputChannels", 0), "outputChannels is 0"),
    "more rows": (lambda p: setattr(p, "inputDim", 12), "44 values where the layer needs 48"),
    "huge rows": (lambda p: setattr(p, "inputDim", 2**63), "44 values"),
    "no bias": (lambda p: p.ClearField("bias"), r"0 values.*\(embedding\), bias"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_layers_are_refused(case: str) -> None:
    layer, params, _, _ = embedding_layer(np.random.default_rng(3))
    breaks, message = BROKEN[case]
    breaks(params)
    check_refused(layer, {"x": (7, 1, 1, 1)}, match=message)


@pytest.mark.parametrize("shape", [(1, 7, 1, 1), (7, 1, 2, 1), (7, 1, 1), (7,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    layer, _, _, _ = embedding_layer(np.random.default_rng(4))
    with pytest.raises(InvalidModelError, match="indices of shape"):
        convert_layer(layer, {"x": shape}, rank5=len(shape) == 4)
