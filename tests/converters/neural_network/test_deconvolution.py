from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, check_refused, convert_layer, new_layer, run_layer, set_weight
from spatial_reference import deconvolve

from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.weights import LinearCodes, write_codes

# Outputs of about unit variance; float32 sums of up to 100 products, against float64.
TOLERANCE = 1e-5


def deconv_layer(
    rng: np.random.Generator,
    *,
    channels: int = 4,
    outputs: int = 6,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (2, 2),
    groups: int = 1,
    bias: bool = True,
) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """A deconvolution without padding: the layer, its parameters, the weights and the bias."""
    layer, params = new_layer("convolution")
    params.isDeconvolution = True
    params.outputChannels, params.kernelChannels, params.nGroups = outputs, channels, groups
    params.kernelSize.extend(kernel)
    params.stride.extend(stride)
    params.valid.SetInParent()
    w = rng.standard_normal((channels, outputs // groups, *kernel)).astype(np.float32)
    w /= np.sqrt(channels // groups * kernel[0] * kernel[1])
    b = rng.standard_normal(outputs).astype(np.float32)
    set_weight(params.weights, w)
    if bias:
        params.hasBias = True
        set_weight(params.bias, b)
    return layer, params, w, b


@pytest.mark.parametrize("seed", range(40))
def test_valid_padding_crops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 2, 4]))
    channels, outputs = (groups * int(rng.integers(1, 5)) for _ in range(2))
    kernel, stride = (tuple(map(int, rng.integers(1, 6, 2))) for _ in range(2))
    size = tuple(map(int, rng.integers(4, 7, 2)))
    crops = tuple(tuple(map(int, pair)) for pair in rng.integers(0, 2, (2, 2)))
    layer, params, w, b = deconv_layer(
        rng,
        channels=channels,
        outputs=outputs,
        kernel=kernel,
        stride=stride,
        groups=groups,
        bias=bool(rng.integers(2)),
    )
    for start, end in crops:
        params.valid.paddingAmounts.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)
    dilation = tuple(map(int, rng.integers(1, 4, 2)))
    params.dilationFactor.extend(dilation)
    x = rng.standard_normal((2, channels, *size)).astype(np.float32)
    spread = np.zeros((*w.shape[:2], *((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))))
    spread[:, :, :: dilation[0], :: dilation[1]] = w
    expected = deconvolve(x, spread, b if params.hasBias else None, stride, crops, (0, 0), groups)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE, f"{kernel} {stride} {dilation} {crops}")


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_same_padding_gives_input_times_stride(kernel: int, stride: int, heavy: bool) -> None:
    rng = np.random.default_rng(kernel * 10 + stride)
    layer, params, w, b = deconv_layer(rng, kernel=(kernel, 3), stride=(stride, 2))
    params.same.asymmetryMode = int(heavy)
    x = rng.standard_normal((1, 4, 5, 6)).astype(np.float32)
    crops, extensions = [], []
    for k, s in ((kernel, stride), (3, 2)):
        total = max(0, k - s)
        less = total // 2
        crops.append((total - less, less) if heavy else (less, total - less))
        extensions.append(max(0, s - k))
    expected = deconvolve(x, w, b, (stride, 2), tuple(crops), tuple(extensions), 1)
    assert expected.shape[2:] == (5 * stride, 12)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize(
    ("wanted", "amounts", "crops", "extensions"),
    [
        # An input of 5 gives 11 at stride 2, kernel 3.
        ((11, 11), None, ((0, 0), (0, 0)), (0, 0)),
        ((10, 9), None, ((0, 1), (1, 1)), (0, 0)),
        ((8, 6), None, ((1, 2), (2, 3)), (0, 0)),
        ((12, 11), None, ((0, 0), (0, 0)), (1, 0)),
        ((10, 10), ((1, 0), (1, 0)), ((1, 0), (1, 0)), (0, 0)),
        ((10, 8), ((1, 1), (1, 1)), ((0, 1), (1, 2)), (0, 0)),
    ],
    ids=[
        "full",
        "even split",
        "beyond the kernel",
        "extended",
        "stated amounts fit",
        "stated amounts do not",
    ],
)
def test_output_shape_decides(wanted: tuple[int, int], amounts: Any, crops: Any, extensions: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    layer, params, w, b = deconv_layer(rng)
    params.outputShape.extend(wanted)
    for start, end in amounts or ():
        params.valid.paddingAmounts.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)
    x = rng.standard_normal((1, 4, 5, 5)).astype(np.float32)
    expected = deconvolve(x, w, b, (2, 2), crops, extensions, 1)
    assert expected.shape[2:] == wanted
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("heavy", [False, True])
def test_output_shape_with_same_padding_follows_its_mode(heavy: bool) -> None:
    rng = np.random.default_rng(8)
    layer, params, w, b = deconv_layer(rng)
    params.outputShape.extend((10, 10))
    params.same.asymmetryMode = int(heavy)
    x = rng.standard_normal((1, 4, 5, 5)).astype(np.float32)
    crop = (1, 0) if heavy else (0, 1)
    expected = deconvolve(x, w, b, (2, 2), (crop, crop), (0, 0), 1)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


def test_quantization_scales_lie_along_the_second_axis() -> None:
    rng = np.random.default_rng(9)
    layer, params, w, b = deconv_layer(rng, groups=2)
    codes = rng.integers(0, 16, w.size).astype(np.uint8)
    scale, shift = rng.standard_normal((2, 3)).astype(np.float32) / 16
    write_codes(params.weights, LinearCodes(codes, 4, scale, shift))
    w = codes.reshape(w.shape) * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)
    x = rng.standard_normal((1, 4, 5, 5)).astype(np.float32)
    expected = deconvolve(x, w, b, (2, 2), ((0, 0), (0, 0)), (0, 0), 2)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


def test_leading_dimensions_are_batch() -> None:
    rng = np.random.default_rng(10)
    layer, _, w, b = deconv_layer(rng)
    x = rng.standard_normal((2, 3, 4, 5, 5)).astype(np.float32)
    expected = deconvolve(x.reshape(6, 4, 5, 5), w, b, (2, 2), ((0, 0), (0, 0)), (0, 0), 1)
    result = run_layer(layer, {"x": x}, rank5=False)["y"]
    assert_close(result, expected.reshape(2, 3, *expected.shape[1:]), TOLERANCE)


BROKEN = {
    "groups that do not divide the input": (lambda p: setattr(p, "nGroups", 3), "do not divide the 4 input"),
    "other input channels": (lambda p: setattr(p, "kernelChannels", 8), "8 input channels but gets 4"),
    "a missing weight": (lambda p: p.weights.floatValue.pop(), "weights"),
    "no padding type": (lambda p: p.ClearField("valid"), "padding type"),
    "an output shape out of reach": (lambda p: p.outputShape.extend((13, 11)), "outputShape"),
    "a huge output shape": (lambda p: p.outputShape.extend((2**40, 11)), "outputShape"),
    "an output shape of one axis": (lambda p: p.outputShape.append(11), "outputShape"),
    "everything cropped": (
        lambda p: p.valid.paddingAmounts.borderAmounts.extend(
            [type(p.valid.paddingAmounts).EdgeSizes(startEdgeSize=6, endEdgeSize=5)] * 2
        ),
        "leaves nothing",
    ),
    "a stride beyond memory": (lambda p: p.stride.__setitem__(slice(None), [2**20, 2**20]), "GiB"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_layers_are_refused(case: str) -> None:
    layer, params, _, _ = deconv_layer(np.random.default_rng(11))
    breaks, message = BROKEN[case]
    breaks(params)
    check_refused(layer, {"x": (1, 4, 5, 5)}, match=message)


def test_output_shape_needs_a_known_input_size() -> None:
    layer, params, _, _ = deconv_layer(np.random.default_rng(12))
    params.outputShape.extend((11, 11))
    with pytest.raises(UnsupportedModelError, match="size"):
        convert_layer(layer, {"x": (1, 4, "height", 5)})
