from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from running import assert_close, check_refused, compute, convert_layer, new_layer, run_layer
from spatial_reference import Borders, Pair, pool, same_borders

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.pooling import pooling
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder

KINDS = {"max": 0, "average": 1, "l2": 2}
# Float32 sums of up to 36 squares of unit normal numbers, against float64.
TOLERANCE = 1e-5
# 16 channels go through onnxruntime's blocked (NCHWc) kernels, 3 through the plain ones.
CHANNELS = [3, 16]


def pool_layer(kind: str, kernel: Pair, stride: Pair, *, exclude: bool = False) -> tuple[Any, Any]:
    layer, params = new_layer("pooling")
    params.type = KINDS[kind]
    params.kernelSize.extend(kernel)
    params.stride.extend(stride)
    params.avgPoolExcludePadding = exclude
    params.valid.SetInParent()
    return layer, params


def set_borders(params: Any, borders: Borders) -> None:
    params.valid.SetInParent()
    for start, end in borders:
        params.valid.paddingAmounts.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)


def last_pixel_count(size: int, kernel: int, stride: int, padding: int, any_padding: bool) -> int:
    """The formula of PoolingLayerParams, transcribed."""
    count = math.ceil((size + 2 * padding - kernel) / stride) + 1
    if any_padding and (count - 1) * stride >= size + padding:
        count -= 1
    return count


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("kind", ["max", "average", "average without padding", "l2"])
@pytest.mark.parametrize("seed", range(8))
def test_valid_padding(kind: str, channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel, stride = tuple(map(int, rng.integers(2, 5, 2))), tuple(map(int, rng.integers(1, 4, 2)))
    size = tuple(map(int, rng.integers(6, 11, 2)))
    sides = [[0] * 4, [1] * 4, rng.integers(0, 2, 4), [0, 0, 1, 1]][seed % 4]
    borders = ((int(sides[0]), int(sides[1])), (int(sides[2]), int(sides[3])))
    exclude = "without" in kind
    layer, params = pool_layer(kind.split()[0], kernel, stride, exclude=exclude)
    set_borders(params, borders)
    x = rng.standard_normal((2, channels, *size)).astype(np.float32)
    out = tuple((n + sum(b) - k) // s + 1 for n, b, k, s in zip(size, borders, kernel, stride, strict=True))
    expected = pool(x, kind.split()[0], kernel, stride, borders, out, exclude)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE, f"{kernel} {stride} {size} {borders}")


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("kind", ["max", "average", "average without padding", "l2"])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 2), (2, 2)), ((2, 4), (1, 3)), ((3, 3), (1, 1)), ((1, 2), (3, 3))])
def test_same_padding(kind: str, kernel: Pair, stride: Pair, heavy: bool) -> None:
    rng = np.random.default_rng(1)
    exclude = "without" in kind
    layer, params = pool_layer(kind.split()[0], kernel, stride, exclude=exclude)
    params.same.asymmetryMode = int(heavy)
    for size in ((7, 8), (8, 9)):
        x = rng.standard_normal((1, 3, *size)).astype(np.float32)
        out = (math.ceil(size[0] / stride[0]), math.ceil(size[1] / stride[1]))
        borders = same_borders(size, kernel, stride, heavy)
        expected = pool(x, kind.split()[0], kernel, stride, borders, out, exclude)
        assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE, f"{size}")


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("kind", ["max", "average", "average without padding", "l2"])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (1, 0), (2, 1)])
def test_include_last_pixel(kind: str, padding: Pair, channels: int) -> None:
    rng = np.random.default_rng(2)
    exclude = "without" in kind
    for kernel, stride in (((3, 3), (2, 2)), ((3, 4), (3, 2)), ((4, 3), (4, 1))):
        for size in ((7, 6), (8, 9), (10, 11), (4, 5)):
            layer, params = pool_layer(kind.split()[0], kernel, stride, exclude=exclude)
            params.includeLastPixel.SetInParent()
            if any(padding):
                params.includeLastPixel.paddingAmounts.extend(padding)
            out = tuple(
                last_pixel_count(n, k, s, p, any(padding))
                for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
            )
            x = rng.standard_normal((1, channels, *size)).astype(np.float32)
            borders = ((padding[0], padding[0]), (padding[1], padding[1]))
            expected = pool(x, kind.split()[0], kernel, stride, borders, out, exclude)
            result = run_layer(layer, {"x": x})["y"]
            assert_close(result, expected, TOLERANCE, f"{kernel} {stride} {size}")


@pytest.mark.parametrize("kind", ["max", "average", "l2"])
def test_include_last_pixel_with_a_stride_beyond_the_kernel(kind: str) -> None:
    rng = np.random.default_rng(3)
    layer, params = pool_layer(kind, (2, 2), (4, 4))
    params.includeLastPixel.paddingAmounts.extend((1, 1))
    x = rng.standard_normal((1, 3, 3, 7)).astype(np.float32)
    # The last row of the padded input (3 + 2) is never reached: its only window would start in the padding.
    expected = pool(x, kind, (2, 2), (4, 4), ((1, 1), (1, 1)), (1, 2))
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("leading", [(2,), (2, 3)])
@pytest.mark.parametrize("by", ["globalPooling", "a kernel as large as the input"])
@pytest.mark.parametrize("kind", ["max", "average", "l2"])
def test_one_window_for_all(kind: str, by: str, leading: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    if by == "a kernel as large as the input":
        layer, params = pool_layer(kind, (5, 7), (2, 3))
    else:
        # Real files state sizes of 0 here.
        layer, params = pool_layer(kind, (0, 0), (0, 0))
        params.globalPooling = True
    x = rng.standard_normal((*leading, 3, 5, 7)).astype(np.float32)
    flat = x.astype(np.float64).reshape(*leading, 3, -1)
    expected = {
        "max": flat.max(axis=-1),
        "average": flat.mean(axis=-1),
        "l2": np.sqrt((flat**2).sum(axis=-1)),
    }[kind]
    result = run_layer(layer, {"x": x}, rank5=len(leading) == 1)["y"]
    assert_close(result, expected.reshape(*leading, 3, 1, 1), TOLERANCE)


def test_empty_sizes_mean_kernel_3_stride_1() -> None:
    rng = np.random.default_rng(5)
    layer, params = new_layer("pooling")
    params.valid.SetInParent()
    x = rng.standard_normal((1, 2, 5, 6)).astype(np.float32)
    expected = pool(x, "max", (3, 3), (1, 1), ((0, 0), (0, 0)), (3, 4))
    assert_close(run_layer(layer, {"x": x})["y"], expected, 0)


BROKEN = {
    "no padding type": (lambda p: p.ClearField("valid"), "padding type"),
    "kernel size 0": (lambda p: p.kernelSize.__setitem__(1, 0), "kernelSize"),
    "stride 0": (lambda p: p.stride.__setitem__(1, 0), "stride"),
    "a huge stride": (lambda p: p.stride.__setitem__(1, 2**64 - 1), "stride"),
    "a kernel beyond the input": (lambda p: p.kernelSize.__setitem__(1, 9), "kernel spans 9"),
    "a huge kernel": (lambda p: p.kernelSize.__setitem__(1, 2**31), "kernelSize"),
    "an unknown type": (lambda p: setattr(p, "type", 7), "pooling type 7"),
    "a huge padding": (lambda p: p.includeLastPixel.paddingAmounts.extend((2**50, 0)), "paddingAmounts"),
    "a padding of one axis": (lambda p: p.includeLastPixel.paddingAmounts.append(1), "paddingAmounts"),
    "a last pixel far from the kernel": (
        lambda p: (p.includeLastPixel.SetInParent(), p.kernelSize.__setitem__(0, 20)),
        "kernel spans 20",
    ),
    "a padding beyond memory": (
        lambda p: (
            set_borders(p, ((2**20, 2**20),) * 2),
            p.kernelSize.__setitem__(slice(None), [2**20 + 1] * 2),
            p.ClearField("stride"),
        ),
        "GiB",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_layers_are_refused(case: str) -> None:
    layer, params = pool_layer("max", (3, 3), (2, 2))
    breaks, message = BROKEN[case]
    breaks(params)
    check_refused(layer, {"x": (1, 3, 8, 8)}, match=message)


@pytest.mark.parametrize("borders", [((2, 0), (0, 0)), ((0, 5), (1, 0)), ((3, 2), (2, 2))])
@pytest.mark.parametrize("kind", ["average", "l2"])
def test_windows_without_any_element_sum_to_zero(kind: str, borders: Borders) -> None:
    rng = np.random.default_rng(7)
    layer, params = pool_layer(kind, (2, 2), (1, 2))
    set_borders(params, borders)
    x = rng.standard_normal((1, 3, 8, 8)).astype(np.float32)
    out = (7 + sum(borders[0]), (6 + sum(borders[1])) // 2 + 1)
    expected = pool(x, kind, (2, 2), (1, 2), borders, out)
    assert (expected == 0).any()
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("kind", ["max", "average without padding"])
def test_windows_without_any_element_have_no_maximum(kind: str) -> None:
    layer, params = pool_layer(kind.split()[0], (2, 2), (1, 1), exclude="without" in kind)
    set_borders(params, ((2, 0), (0, 0)))
    with pytest.raises(UnsupportedModelError, match="along the height see nothing but padding"):
        convert_layer(layer, {"x": (1, 3, 8, 8)})


@pytest.mark.parametrize("kind", ["max", "average", "average without padding", "l2"])
def test_padding_as_wide_as_the_kernel_that_no_window_reaches(kind: str) -> None:
    exclude = "without" in kind
    layer, params = pool_layer(kind.split()[0], (2, 2), (3, 1), exclude=exclude)
    set_borders(params, ((1, 2), (1, 1)))
    x = np.random.default_rng(8).standard_normal((1, 16, 4, 6)).astype(np.float32) - 3
    expected = pool(x, kind.split()[0], (2, 2), (3, 1), ((1, 2), (1, 1)), (2, 7), exclude)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


def test_too_many_windows_are_refused_before_they_are_counted() -> None:
    layer, params = pool_layer("average", (2**28 + 1, 1), (1, 1))
    set_borders(params, ((2**28, 2**27), (0, 0)))
    with pytest.raises(UnsupportedModelError, match="windows"):
        convert_layer(layer, {"x": (1, 1, 8, 1)})


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kind", ["max", "average", "average without padding", "l2"])
def test_zeros_of_a_pad_before_it_are_elements(kind: str, padding: int, channels: int) -> None:
    """onnxruntime fuses a Pad of zeros into the MaxPool behind it, which then does not see the zeros."""
    exclude = "without" in kind
    layer, params = pool_layer(kind.split()[0], (3, 3), (2, 2), exclude=exclude)
    borders = ((padding, 0), (0, padding))
    set_borders(params, borders)
    # All negative: a zero is the largest element wherever a window meets one.
    x = (np.random.default_rng(6).random((1, channels, 8, 8)) - 2).astype(np.float32)
    builder = GraphBuilder("test")
    context = LayerContext(builder, rank5=True)
    pads = builder.constant([0, 0, 1, 0, 0, 0, 0, 1])
    context.values["x"] = builder.op("Pad", builder.input("x", np.float32, x.shape), pads)
    context.layer = layer
    pooling(context, layer)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)))
    out = ((9 + padding - 3) // 2 + 1,) * 2
    expected = pool(padded, kind.split()[0], (3, 3), (2, 2), borders, out, exclude)
    assert_close(compute(builder, {"y": context.values["y"]}, {"x": x})["y"], expected, TOLERANCE)
