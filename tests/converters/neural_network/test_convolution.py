from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, check_refused, convert_layer, new_layer, run_layer, set_weight
from spatial_reference import convolve, same_borders

from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.formats.weights import LinearCodes, TableCodes, write_codes, write_float16

# Weights are scaled so that outputs have unit variance; float32 sums of up to 400 products, against float64.
TOLERANCE = 1e-5


def conv_layer(
    rng: np.random.Generator,
    *,
    channels: int = 3,
    outputs: int = 4,
    kernel: tuple[int, int] | None = (3, 3),
    stride: tuple[int, int] | None = None,
    dilation: tuple[int, int] | None = None,
    groups: int = 0,
    borders: Any = None,
    bias: bool = True,
) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """A valid convolution with random weights: the layer, its parameters, the weights and the bias."""
    layer, params = new_layer("convolution")
    params.outputChannels = outputs
    params.kernelChannels = channels // (groups or 1)
    params.nGroups = groups
    for field, value in (("kernelSize", kernel), ("stride", stride), ("dilationFactor", dilation)):
        getattr(params, field).extend(value or ())
    params.valid.SetInParent()
    for start, end in borders or ():
        params.valid.paddingAmounts.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)
    w = rng.standard_normal((outputs, channels // (groups or 1), *(kernel or (3, 3)))).astype(np.float32)
    w /= np.sqrt(w[0].size)
    b = rng.standard_normal(outputs).astype(np.float32)
    set_weight(params.weights, w)
    if bias:
        params.hasBias = True
        set_weight(params.bias, b)
    return layer, params, w, b


@pytest.mark.parametrize("seed", range(60))
def test_options_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([0, 1, 2, 4]))
    channels, outputs = (int(rng.integers(1, 5)) * max(1, groups) * int(rng.choice([1, 4])) for _ in range(2))
    kernel, stride, dilation = (tuple(map(int, rng.integers(1, top, 2))) for top in (6, 4, 3))
    size = tuple(map(int, rng.integers(10, 15, 2)))
    borders = tuple(tuple(map(int, pair)) for pair in rng.integers(0, 4, (2, 2)))
    layer, params, w, b = conv_layer(
        rng,
        channels=channels,
        outputs=outputs,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        borders=borders,
        bias=bool(rng.integers(2)),
    )
    if rng.integers(2):
        heavy = bool(rng.integers(2))
        params.same.asymmetryMode = int(heavy)
        extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        borders = same_borders(size, extent, stride, heavy)
    x = rng.standard_normal((int(rng.integers(1, 3)), channels, *size)).astype(np.float32)
    expected = convolve(x, w, b if params.hasBias else None, stride, dilation, borders, max(1, groups))
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE, f"{params}"[:300])


def test_empty_sizes_mean_kernel_3_stride_1_dilation_1() -> None:
    rng = np.random.default_rng(0)
    layer, _, w, b = conv_layer(rng, kernel=None)
    x = rng.standard_normal((1, 3, 6, 7)).astype(np.float32)
    expected = convolve(x, w, b, (1, 1), (1, 1), ((0, 0), (0, 0)), 1)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("leading", [(2, 3), (2, 1, 3)])
def test_leading_dimensions_are_batch(leading: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    layer, _, w, b = conv_layer(rng, stride=(2, 1))
    x = rng.standard_normal((*leading, 3, 6, 7)).astype(np.float32)
    expected = convolve(x.reshape(-1, 3, 6, 7), w, b, (2, 1), (1, 1), ((0, 0), (0, 0)), 1)
    result = run_layer(layer, {"x": x}, rank5=False)["y"]
    assert_close(result, expected.reshape(*leading, *expected.shape[1:]), TOLERANCE)


def test_an_unknown_size_is_refused() -> None:
    layer, _, _, _ = conv_layer(np.random.default_rng(2))
    with pytest.raises(UnsupportedModelError, match="size of axis -2"):
        convert_layer(layer, {"x": (1, 3, "height", 8)})


def test_weights_may_come_from_the_second_input() -> None:
    rng = np.random.default_rng(3)
    layer, params, w, _ = conv_layer(rng, bias=False, stride=(2, 2))
    params.ClearField("weights")
    layer.input.append("w")
    x = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    result = run_layer(layer, {"x": x, "w": w}, rank5=False)["y"]
    assert_close(result, convolve(x, w, None, (2, 2), (1, 1), ((0, 0), (0, 0)), 1), TOLERANCE)


@pytest.mark.parametrize("nbits", range(1, 9))
@pytest.mark.parametrize("scales", [0, 1, 4], ids=["table", "one scale", "a scale per channel"])
def test_quantized_weights(nbits: int, scales: int) -> None:
    rng = np.random.default_rng(nbits)
    layer, params, w, b = conv_layer(rng)
    codes = rng.integers(0, 1 << nbits, w.size).astype(np.uint8)
    if scales:
        scale, shift = rng.standard_normal((2, scales)).astype(np.float32)
        write_codes(params.weights, LinearCodes(codes, nbits, scale, shift))
        w = codes.reshape(w.shape) * scale.reshape(-1, 1, 1, 1) + shift.reshape(-1, 1, 1, 1)
    else:
        table = rng.standard_normal(1 << nbits).astype(np.float32)
        write_codes(params.weights, TableCodes(codes, nbits, table))
        w = table[codes].reshape(w.shape)
    x = rng.standard_normal((1, 3, 6, 6)).astype(np.float32)
    expected = convolve(x, w, b, (1, 1), (1, 1), ((0, 0), (0, 0)), 1)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE * np.abs(expected).max())


def test_float16_weights() -> None:
    rng = np.random.default_rng(4)
    layer, params, w, b = conv_layer(rng)
    write_float16(params.weights, w)
    x = rng.standard_normal((1, 3, 6, 6)).astype(np.float32)
    expected = convolve(x, w.astype(np.float16), b, (1, 1), (1, 1), ((0, 0), (0, 0)), 1)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


BROKEN = {
    "no output channels": (lambda p: setattr(p, "outputChannels", 0), "outputChannels"),
    "no kernel channels": (lambda p: setattr(p, "kernelChannels", 0), "kernelChannels"),
    "kernel size 0": (lambda p: p.kernelSize.__setitem__(0, 0), "kernelSize"),
    "kernel of one axis": (lambda p: p.kernelSize.pop(), "kernelSize"),
    "a huge kernel": (lambda p: p.kernelSize.__setitem__(0, 2**40), "kernelSize"),
    "kernels without weights": (lambda p: p.kernelSize.__setitem__(0, 2**30), "weights"),
    "stride 0": (lambda p: p.stride.extend((0, 1)), "stride"),
    "a huge stride": (lambda p: p.stride.extend((1, 2**63)), "stride"),
    "dilation 0": (lambda p: p.dilationFactor.extend((1, 0)), "dilationFactor"),
    "dilated beyond the input": (lambda p: p.dilationFactor.extend((2**31 - 1, 1)), "kernel spans"),
    "groups that do not divide": (lambda p: setattr(p, "nGroups", 3), "groups"),
    "groups beyond the input": (lambda p: setattr(p, "nGroups", 2), "6 input channels but gets 3"),
    "a missing weight": (lambda p: p.weights.floatValue.pop(), "weights"),
    "no weights": (lambda p: p.ClearField("weights"), "weights"),
    "no bias": (lambda p: p.ClearField("bias"), "bias"),
    "no padding type": (lambda p: p.ClearField("valid"), "padding type"),
    "padding of one axis": (lambda p: p.valid.paddingAmounts.borderAmounts.add(), "paddingAmounts"),
    "too much padding": (
        lambda p: p.valid.paddingAmounts.borderAmounts.extend(
            [type(p.valid.paddingAmounts).EdgeSizes(startEdgeSize=2**60)] * 2
        ),
        "paddingAmounts",
    ),
    "an output beyond memory": (
        lambda p: p.valid.paddingAmounts.borderAmounts.extend(
            [type(p.valid.paddingAmounts).EdgeSizes(startEdgeSize=2**20)] * 2
        ),
        "GiB",
    ),
    "a kernel larger than the input": (
        lambda p: (p.kernelSize.__setitem__(0, 9), set_weight(p.weights, np.zeros((4, 3, 9, 3)))),
        "kernel spans 9",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_layers_are_refused(case: str) -> None:
    layer, params, _, _ = conv_layer(np.random.default_rng(5))
    breaks, message = BROKEN[case]
    breaks(params)
    check_refused(layer, {"x": (1, 3, 8, 8)}, match=message)


def test_rank_3_is_refused() -> None:
    layer, _, _, _ = conv_layer(np.random.default_rng(6))
    with pytest.raises(InvalidModelError, match="rank"):
        convert_layer(layer, {"x": (3, 8, 8)}, rank5=False)
