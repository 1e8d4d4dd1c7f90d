from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight
from volume_reference import convolve, deconvolve, same_borders

from mltoolkit.errors import InvalidModelError

# Outputs of unit variance: float32 sums of up to 100 products, against float64.
TOLERANCE = 1e-5

CUSTOM, VALID, SAME = 0, 1, 2
AXES = ("Depth", "Height", "Width")
SIDES = ("Front", "Back", "Top", "Bottom", "Left", "Right")
INPUTS, OUTPUTS = 4, 6


def _layer(
    rng: np.random.Generator,
    kernel: tuple[int, ...] = (3, 2, 3),
    *,
    stride: tuple[int, ...] = (1, 1, 1),
    dilation: tuple[int, ...] = (1, 1, 1),
    groups: int = 1,
    padding: int = VALID,
    custom: tuple[int, ...] = (0,) * 6,
    deconvolution: bool = False,
) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    layer, params = new_layer("convolution3d")
    params.inputChannels, params.outputChannels, params.nGroups = INPUTS, OUTPUTS, groups
    for name, values in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        for axis, value in zip(AXES, values, strict=True):
            setattr(params, name + axis, value)
    params.paddingType = padding
    for side, value in zip(SIDES, custom, strict=True):
        setattr(params, f"customPadding{side}", value)
    params.isDeconvolution = deconvolution
    shape = (INPUTS, OUTPUTS // groups) if deconvolution else (OUTPUTS, INPUTS // groups)
    weights = rng.normal(0, (np.prod(kernel) * shape[1]) ** -0.5, (*shape, *kernel)).astype(np.float32)
    bias = rng.normal(size=OUTPUTS).astype(np.float32)
    params.hasBias = True
    set_weight(params.weights, weights)
    set_weight(params.bias, bias)
    return layer, params, weights, bias


def _pairs(custom: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(custom[i], custom[i + 1]) for i in (0, 2, 4)]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", [CUSTOM, VALID, SAME])
@pytest.mark.parametrize(
    ("stride", "dilation"), [((1, 1, 1), (1, 1, 1)), ((2, 1, 3), (1, 1, 1)), ((1, 2, 1), (2, 3, 1))]
)
def test_convolution(
    groups: int, padding: int, stride: tuple[int, ...], dilation: tuple[int, ...], rng: np.random.Generator
) -> None:
    custom = (1, 0, 2, 1, 0, 3)
    layer, _, weights, bias = _layer(
        rng, stride=stride, dilation=dilation, groups=groups, padding=padding, custom=custom
    )
    x = rng.normal(size=(2, INPUTS, 5, 6, 7)).astype(np.float32)
    extent = [(k - 1) * d + 1 for k, d in zip(weights.shape[2:], dilation, strict=True)]
    borders = {
        CUSTOM: _pairs(custom),
        VALID: [(0, 0)] * 3,
        SAME: same_borders(x.shape[2:], extent, stride),
    }[padding]
    expected = convolve(x, weights, stride, dilation, borders, groups) + bias.reshape(-1, 1, 1, 1)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", [CUSTOM, VALID, SAME])
@pytest.mark.parametrize(
    ("stride", "dilation"), [((1, 1, 1), (1, 1, 1)), ((2, 1, 4), (1, 1, 1)), ((1, 2, 1), (2, 3, 1))]
)
def test_deconvolution(
    groups: int, padding: int, stride: tuple[int, ...], dilation: tuple[int, ...], rng: np.random.Generator
) -> None:
    custom = (1, 0, 2, 1, 0, 2)
    layer, _, weights, bias = _layer(
        rng,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=padding,
        custom=custom,
        deconvolution=True,
    )
    x = rng.normal(size=(2, INPUTS, 4, 3, 5)).astype(np.float32)
    y = run_layer(layer, {"x": x}, rank5=False)["y"]
    if padding == SAME:
        assert y.shape[2:] == tuple(n * s for n, s in zip(x.shape[2:], stride, strict=True))
        totals = [(k - 1) * d + 1 - s for k, s, d in zip(weights.shape[2:], stride, dilation, strict=True)]
        borders = [(t // 2, t - t // 2) if t >= 0 else (0, t) for t in totals]
    else:
        borders = _pairs(custom) if padding == CUSTOM else [(0, 0)] * 3
    expected = deconvolve(x, weights, stride, dilation, borders, groups) + bias.reshape(-1, 1, 1, 1)
    assert_close(y, expected, TOLERANCE)


@pytest.mark.parametrize(
    ("wanted", "borders"),
    [
        # The full output is 9 × 4 × 11.
        ((9, 4, 11), [(0, 0), (0, 0), (0, 0)]),
        ((8, 3, 8), [(0, 1), (0, 1), (1, 2)]),
        # Just what the stated amounts lead to.
        ((8, 3, 9), [(1, 0), (1, 0), (2, 0)]),
        # Beyond the full output, as output_padding of 1.
        ((10, 4, 12), [(0, -1), (0, 0), (0, -1)]),
    ],
)
def test_output_shape(wanted: tuple[int, ...], borders: list[tuple[int, int]], rng: np.random.Generator) -> None:
    stride = (2, 1, 2)
    layer, params, weights, bias = _layer(
        rng, stride=stride, padding=CUSTOM, custom=(1, 0, 1, 0, 2, 0), deconvolution=True
    )
    params.outputShape.extend(wanted)
    x = rng.normal(size=(1, INPUTS, 4, 3, 5)).astype(np.float32)
    expected = deconvolve(x, weights, stride, (1, 1, 1), borders, 1) + bias.reshape(-1, 1, 1, 1)
    y = run_layer(layer, {"x": x}, rank5=False)["y"]
    assert y.shape[2:] == wanted
    assert_close(y, expected, TOLERANCE)


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no kernel": ({"kernelHeight": 0}, "kernelHeight is 0"),
    "negative stride": ({"strideWidth": -1}, "strideWidth is -1"),
    "no dilation": ({"dilationDepth": 0}, "dilationDepth is 0"),
    "no groups": ({"nGroups": 0}, "nGroups is 0"),
    "uneven groups": ({"nGroups": 3}, "3 groups do not divide"),
    "other inputs": ({"inputChannels": 5}, "expects 5 input channels but gets 4"),
    "other outputs": ({"outputChannels": 7}, "6 values where the layer needs 7"),
    "negative padding": ({"paddingType": CUSTOM, "customPaddingTop": -1}, "customPaddingTop is -1"),
    "unknown padding": ({"paddingType": 3}, "padding type 3"),
    "large kernel": ({"dilationDepth": 3}, "spans 7 elements along the depth"),
    "huge kernel": ({"kernelDepth": (1 << 31) - 1}, "spans 2147483647 elements|values where the layer needs"),
}


# A deconvolution takes any kernel.
@pytest.mark.parametrize(
    ("case", "deconvolution"),
    [(case, False) for case in BROKEN] + [(case, True) for case in BROKEN if case != "large kernel"],
)
def test_broken_layers_are_refused(case: str, deconvolution: bool, rng: np.random.Generator) -> None:
    changes, message = BROKEN[case]
    layer, params, _, _ = _layer(rng, deconvolution=deconvolution)
    for name, value in changes.items():
        setattr(params, name, value)
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"x": (1, INPUTS, 5, 6, 7)}, rank5=False)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ((8, 8), "2 entries"),
        ((0, 8, 8), "outputShape is 0"),
        ((1 << 31, 8, 8), "outputShape"),
        ((8, 8, 12), "width is 12"),
    ],
)
def test_broken_output_shapes_are_refused(wanted: tuple[int, ...], message: str, rng: np.random.Generator) -> None:
    layer, params, _, _ = _layer(rng, deconvolution=True)
    params.outputShape.extend(wanted)
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"x": (1, INPUTS, 6, 7, 9)}, rank5=False)


def test_padding_that_leaves_nothing_is_refused(rng: np.random.Generator) -> None:
    layer, _, _, _ = _layer(rng, padding=CUSTOM, custom=(0, 0, 4, 4, 0, 0), deconvolution=True)
    with pytest.raises(InvalidModelError, match="8 along the height leaves nothing of the 8"):
        convert_layer(layer, {"x": (1, INPUTS, 6, 7, 9)}, rank5=False)


@pytest.mark.parametrize("shape", [(INPUTS, 5, 6, 7), (1, 1, INPUTS, 5, 6, 7)])
def test_another_rank_is_refused(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    layer, _, _, _ = _layer(rng)
    with pytest.raises(InvalidModelError, match="blob of rank 5"):
        convert_layer(layer, {"x": shape}, rank5=False)
