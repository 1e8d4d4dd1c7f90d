from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, check_refused, new_layer, run_layer, set_weight

from mltoolkit.formats.weights import LinearCodes, write_codes

# One multiplication and one addition in float32, against float64.
TOLERANCE = 1e-6

SHAPES = [(1,), (3,), (1, 4, 5), (3, 4, 5), (3, 1, 1)]


def aligned(array: np.ndarray) -> np.ndarray:
    """[C] means [C, 1, 1]."""
    return array.reshape(-1, 1, 1).astype(np.float64) if array.ndim == 1 else array.astype(np.float64)


@pytest.mark.parametrize("blob", [(2, 3, 4, 5), (3, 4, 5), (2, 1, 3, 4, 5)])
@pytest.mark.parametrize("bias_shape", [None, *SHAPES])
@pytest.mark.parametrize("shape", SHAPES)
def test_scale(shape: tuple[int, ...], bias_shape: tuple[int, ...] | None, blob: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    layer, params = new_layer("scale")
    factors = rng.standard_normal(shape).astype(np.float32)
    params.shapeScale.extend(shape)
    set_weight(params.scale, factors)
    x = rng.standard_normal(blob).astype(np.float32)
    expected = x * aligned(factors)
    if bias_shape:
        terms = rng.standard_normal(bias_shape).astype(np.float32)
        params.hasBias = True
        params.shapeBias.extend(bias_shape)
        set_weight(params.bias, terms)
        expected = expected + aligned(terms)
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("shape", SHAPES)
def test_bias(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    layer, params = new_layer("bias")
    terms = rng.standard_normal(shape).astype(np.float32)
    params.shape.extend(shape)
    set_weight(params.bias, terms)
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    assert_close(run_layer(layer, {"x": x})["y"], x + aligned(terms), TOLERANCE)


def test_a_scale_per_channel_of_quantized_factors() -> None:
    rng = np.random.default_rng(3)
    layer, params = new_layer("scale")
    params.shapeScale.extend((3, 4, 5))
    codes = rng.integers(0, 8, 60).astype(np.uint8)
    scale, shift = rng.standard_normal((2, 3)).astype(np.float32)
    write_codes(params.scale, LinearCodes(codes, 3, scale, shift))
    factors = codes.reshape(3, 4, 5) * scale.reshape(3, 1, 1) + shift.reshape(3, 1, 1)
    x = rng.standard_normal((1, 3, 4, 5)).astype(np.float32)
    assert_close(run_layer(layer, {"x": x})["y"], x * factors.astype(np.float64), 1e-5)


@pytest.mark.parametrize("rank5", [True, False])
def test_load_constant(rank5: bool) -> None:
    layer, params = new_layer("loadConstant", [])
    params.shape.extend((2, 3, 4))
    data = np.random.default_rng(4).standard_normal((2, 3, 4)).astype(np.float32)
    set_weight(params.data, data)
    result = run_layer(layer, {}, rank5)["y"]
    assert_close(result, data.reshape((1, 2, 3, 4) if rank5 else (1, 1, 2, 3, 4)), 0)


BROKEN: dict[str, tuple[str, Any, str]] = {
    "scale of rank 2": ("scale", lambda p: p.shapeScale.extend((3, 4)), "scale is"),
    "scale without shape": ("scale", lambda p: None, "scale is"),
    "scale of size 0": ("scale", lambda p: p.shapeScale.extend((3, 0, 5)), "scale is"),
    "scale for other channels": ("scale", lambda p: p.shapeScale.append(2), "does not fit"),
    "a huge scale": ("scale", lambda p: p.shapeScale.extend((2**40, 2**40, 1)), "does not fit"),
    "scale for another size": ("scale", lambda p: p.shapeScale.extend((3, 4, 4)), "does not fit"),
    "scale without values": ("scale", lambda p: p.shapeScale.append(3), r"0 values.*\(scale\), scale"),
    "bias without values": (
        "scale",
        lambda p: (
            p.shapeScale.append(1),
            set_weight(p.scale, [1]),
            setattr(p, "hasBias", True),
            p.shapeBias.append(3),
        ),
        r"0 values.*\(scale\), bias",
    ),
    "bias of rank 4": ("bias", lambda p: p.shape.extend((1, 3, 4, 5)), "bias is"),
    "too many biases": ("bias", lambda p: (p.shape.append(3), set_weight(p.bias, [1] * 4)), "4 values"),
    "constant of rank 2": ("loadConstant", lambda p: p.shape.extend((3, 4)), r"not \[C, H, W\]"),
    "constant of size 0": ("loadConstant", lambda p: p.shape.extend((3, 4, 0)), r"not \[C, H, W\]"),
    "a huge constant": ("loadConstant", lambda p: p.shape.extend((2**60, 2**60, 1)), "0 values"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_layers_are_refused(case: str) -> None:
    kind, breaks, message = BROKEN[case]
    layer, params = new_layer(kind, [] if kind == "loadConstant" else ["x"])
    breaks(params)
    check_refused(layer, {"x": (1, 3, 4, 5)}, match=message)
