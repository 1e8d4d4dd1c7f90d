from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError

INPUTS, OUTPUTS, SCALE = 24, 7, np.float32(0.03)


def _layer(kind: str, codes: np.ndarray, bias: np.ndarray | None = None) -> Any:
    """A layer whose weights are ``codes`` [outputs, inputs]; both layer types store them so."""
    layer, params = new_layer(kind)
    if kind == "innerProduct":
        params.outputChannels, params.inputChannels = codes.shape
    else:
        params.weightMatrixSecondDimension, params.weightMatrixFirstDimension = codes.shape
    params.int8DynamicQuantize = True
    params.weights.int8RawValue = codes.tobytes()
    params.weights.quantization.numberOfBits = 8
    params.weights.quantization.linearQuantization.scale.append(SCALE)
    if bias is not None:
        params.hasBias = True
        set_weight(params.bias, bias)
    return layer


def _codes(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(-127, 128, (OUTPUTS, INPUTS)).astype(np.int8)


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("batchedMatmul", (24,)),
        ("batchedMatmul", (5, 24)),
        ("batchedMatmul", (2, 3, 24)),
        ("innerProduct", (24,)),
        ("innerProduct", (5, 24)),
        ("innerProduct", (2, 3, 24)),
        ("innerProduct", (5, 2, 3, 4)),
        ("innerProduct", (5, 6, 2, 3, 4)),
    ],
)
def test_the_product_of_codes(kind: str, shape: tuple[int, ...], has_bias: bool, rng: np.random.Generator) -> None:
    codes = _codes(rng)
    bias = rng.normal(size=OUTPUTS).astype(np.float32) if has_bias else None
    x = rng.normal(0, 3, shape).astype(np.float32)
    step = np.float32(np.abs(x).max()) / np.float32(127)
    quantized = np.rint(x / step).astype(np.int64)
    assert np.abs(quantized).max() == 127
    rows = quantized.reshape(*shape[:-3], -1) if len(shape) > 3 else quantized
    expected = (rows @ codes.T.astype(np.int64)) * (np.float64(step) * SCALE)
    if bias is not None:
        expected = expected + bias
    if len(shape) > 3:
        expected = expected[..., None, None]
    # The integer product is exact; scales and bias take a few float32 roundings.
    assert_close(run_layer(_layer(kind, codes, bias), {"x": x}, rank5=False)["y"], expected, 1e-6)


def test_quantization_costs_what_8_bits_cost(rng: np.random.Generator) -> None:
    codes = _codes(rng)
    x = rng.uniform(0, 5, (200, INPUTS)).astype(np.float32)
    exact = x.astype(np.float64) @ (codes.T * np.float64(SCALE))
    y = run_layer(_layer("innerProduct", codes), {"x": x}, rank5=False)["y"]
    snr = 10 * np.log10(np.mean(exact**2) / np.mean((y - exact) ** 2))
    # Uniform from 0 to 127 steps: noise 1/12 step² against a mean square of 127²/3, 48 dB for each product;
    # products of either sign, whose noise does not cancel, leave somewhat less.
    assert 40 < snr < 60, f"{snr:.1f} dB"


def test_an_input_of_zeros(rng: np.random.Generator) -> None:
    y = run_layer(_layer("batchedMatmul", _codes(rng)), {"x": np.zeros((2, INPUTS))}, rank5=False)["y"]
    np.testing.assert_array_equal(y, np.zeros((2, OUTPUTS)))


@pytest.mark.parametrize("kind", ["batchedMatmul", "innerProduct"])
def test_weights_in_another_form_are_refused(kind: str, rng: np.random.Generator) -> None:
    codes = _codes(rng)
    shapes = {"x": (2, INPUTS)}
    layer = _layer(kind, codes)
    getattr(layer, kind).weights.int8RawValue = codes.tobytes()[:-1]
    with pytest.raises(InvalidModelError, match=r"167 int8 codes where the layer needs 168.*weights"):
        convert_layer(layer, shapes, rank5=False)
    layer = _layer(kind, codes)
    getattr(layer, kind).weights.quantization.linearQuantization.bias.append(1)
    with pytest.raises(InvalidModelError, match="1 scales and 1 biases"):
        convert_layer(layer, shapes, rank5=False)
    layer = _layer(kind, codes)
    set_weight(getattr(layer, kind).weights, codes)
    with pytest.raises(InvalidModelError, match="0 bits"):
        convert_layer(layer, shapes, rank5=False)
