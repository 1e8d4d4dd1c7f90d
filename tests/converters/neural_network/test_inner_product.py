from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, check_refused, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.weights import LinearCodes, TableCodes, write_codes

# Outputs of unit variance: float32 sums of 24 products, against float64.
TOLERANCE = 1e-5


def inner_product_layer(
    rng: np.random.Generator, inputs: int = 24, outputs: int = 5, bias: bool = True
) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    layer, params = new_layer("innerProduct")
    params.inputChannels, params.outputChannels = inputs, outputs
    w = (rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)).astype(np.float32)
    b = rng.standard_normal(outputs).astype(np.float32)
    set_weight(params.weights, w)
    if bias:
        params.hasBias = True
        set_weight(params.bias, b)
    return layer, params, w, b


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("blob", "result"),
    [
        ((24,), (5,)),
        ((3, 24), (3, 5)),
        ((2, 3, 24), (2, 3, 5)),
        ((3, 24, 1, 1), (3, 5, 1, 1)),
        ((3, 4, 3, 2), (3, 5, 1, 1)),
        ((2, 3, 4, 3, 2), (2, 3, 5, 1, 1)),
    ],
    ids=str,
)
def test_ranks(blob: tuple[int, ...], result: tuple[int, ...], bias: bool) -> None:
    rng = np.random.default_rng(1)
    layer, _, w, b = inner_product_layer(rng, bias=bias)
    x = rng.standard_normal(blob).astype(np.float32)
    expected = x.reshape(-1, 24).astype(np.float64) @ w.T + (b if bias else 0)
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected.reshape(result), TOLERANCE)


@pytest.mark.parametrize("nbits", [1, 3, 8])
def test_quantized_weights(nbits: int) -> None:
    rng = np.random.default_rng(2)
    layer, params, w, b = inner_product_layer(rng)
    x = rng.standard_normal((2, 24, 1, 1)).astype(np.float32)
    codes = rng.integers(0, 1 << nbits, w.size).astype(np.uint8)
    scale, shift = (rng.standard_normal((2, 5)) / (5 << nbits)).astype(np.float32)
    write_codes(params.weights, LinearCodes(codes, nbits, scale, shift))
    linear = codes.reshape(w.shape) * scale[:, None] + shift[:, None]
    expected = x.reshape(2, 24).astype(np.float64) @ linear.T + b
    assert_close(run_layer(layer, {"x": x})["y"].reshape(2, 5), expected, TOLERANCE)
    table = (rng.standard_normal(1 << nbits) / 5).astype(np.float32)
    write_codes(params.weights, TableCodes(codes, nbits, table))
    expected = x.reshape(2, 24).astype(np.float64) @ table[codes].reshape(w.shape).T + b
    assert_close(run_layer(layer, {"x": x})["y"].reshape(2, 5), expected, TOLERANCE)


BROKEN: dict[str, tuple[Any, str]] = {
    "no inputs": (lambda p: setattr(p, "inputChannels", 0), "inputChannels is 0"),
    "no outputs": (lambda p: setattr(p, "outputChannels", 0), "outputChannels is 0"),
    "other inputs": (lambda p: setattr(p, "inputChannels", 25), "25 input channels but gets 24 × 1 × 1"),
    "other outputs": (lambda p: setattr(p, "outputChannels", 6), "120 values where the layer needs 144"),
    "huge outputs": (lambda p: setattr(p, "outputChannels", 2**62), "120 values"),
    "no bias": (lambda p: p.ClearField("bias"), r"0 values.*\(innerProduct\), bias"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_layers_are_refused(case: str) -> None:
    layer, params, _, _ = inner_product_layer(np.random.default_rng(3))
    breaks, message = BROKEN[case]
    breaks(params)
    check_refused(layer, {"x": (1, 24, 1, 1)}, match=message)


def test_rank_6_is_refused() -> None:
    layer, _, _, _ = inner_product_layer(np.random.default_rng(4))
    with pytest.raises(InvalidModelError, match="rank 1 to 5, not 6"):
        convert_layer(layer, {"x": (1, 1, 1, 24, 1, 1)}, rank5=False)
