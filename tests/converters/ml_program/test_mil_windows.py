"""Convolution, pooling and normalisation against torch-free loops and NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from mil_programs import one_operation

from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(4)


def run(kind: str, x: np.ndarray, constants: dict[str, Any], expected: np.ndarray) -> None:
    spec = one_operation(kind, {"x": x}, constants, ("float32", expected.shape))
    found = Model(spec).predict({"x": x})["out"]
    # Sums of up to some hundred products, in another order.
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def convolved(
    x: np.ndarray,
    weight: np.ndarray,
    strides: list[int],
    dilations: list[int],
    pads: list[tuple[int, int]],
    groups: int,
) -> np.ndarray:
    """The definition of convolution, one output element after the other, in float64."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *pads])
    out_channels, in_channels, *kernel = weight.shape
    sizes = [
        (size - (taps - 1) * step - 1) // stride + 1
        for size, taps, step, stride in zip(x.shape[2:], kernel, dilations, strides, strict=True)
    ]
    out = np.zeros((x.shape[0], out_channels, *sizes))
    for channel, place in itertools.product(range(out_channels), itertools.product(*map(range, sizes))):
        first = channel // (out_channels // groups) * in_channels
        window = tuple(
            slice(at * stride, at * stride + (taps - 1) * step + 1, step)
            for at, stride, taps, step in zip(place, strides, kernel, dilations, strict=True)
        )
        patch = x[(slice(None), slice(first, first + in_channels), *window)]
        out[(slice(None), channel, *place)] = (patch * weight[channel]).reshape(x.shape[0], -1).sum(1)
    return out.astype(np.float32)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("pad_type", "strides", "dilations", "groups"),
    [("valid", 1, 1, 1), ("same", 2, 1, 2), ("same_lower", 3, 1, 1), ("custom", 2, 2, 2), ("same", 1, 2, 1)],
)
def test_conv(axes: int, pad_type: str, strides: int, dilations: int, groups: int) -> None:
    sizes, kernel = [7, 6, 5][:axes], [3, 2, 2][:axes]
    x = RNG.normal(size=(2, 4, *sizes)).astype(np.float32)
    weight = RNG.normal(size=(6, 4 // groups, *kernel)).astype(np.float32)
    bias = RNG.normal(size=6).astype(np.float32)
    pads = [(0, 0)] * axes
    if pad_type == "custom":
        pads = [(1, 2), (0, 1), (2, 0)][:axes]
    elif pad_type.startswith("same"):
        totals = [
            max(0, (-(size // -strides) - 1) * strides + (taps - 1) * dilations + 1 - size)
            for size, taps in zip(sizes, kernel, strict=True)
        ]
        pads = [
            (total // 2, total - total // 2) if pad_type == "same" else (total - total // 2, total // 2)
            for total in totals
        ]
    expected = convolved(x, weight, [strides] * axes, [dilations] * axes, pads, groups)
    constants = {
        "weight": weight,
        "bias": bias,
        "strides": np.full(axes, strides),
        "dilations": np.full(axes, dilations),
        "groups": np.int32(groups),
        "pad_type": pad_type,
        "pad": np.array(pads).reshape(-1),
    }
    run("conv", x, constants, expected + bias.reshape(-1, *(1,) * axes))


@pytest.mark.parametrize(
    ("given", "crop", "size"),
    [
        ({}, (0, 0), 11),
        ({"pad_type": "custom", "pad": np.array([1, 2])}, (1, 2), 8),
        ({"pad_type": "same"}, (1, 2), 8),
        ({"pad_type": "custom", "pad": np.array([1, 0]), "output_shape": np.array([1, 3, 9])}, (1, 1), 9),
        ({"output_shape": np.array([1, 3, 12])}, (0, 0), 12),
    ],
)
def test_conv_transpose(given: dict[str, Any], crop: tuple[int, int], size: int) -> None:
    x = RNG.normal(size=(1, 2, 4)).astype(np.float32)
    weight = RNG.normal(size=(2, 3, 5)).astype(np.float32)
    full = np.zeros((1, 3, 12), dtype=np.float32)
    for place, tap in itertools.product(range(4), range(5)):
        full[0, :, 2 * place + tap] += x[0, :, place] @ weight[:, :, tap]
    expected = full[:, :, crop[0] :][:, :, :size]
    run("conv_transpose", x, {"weight": weight, "strides": np.array([2]), **given}, expected)


def test_contradictions_of_a_convolution() -> None:
    x = np.zeros((1, 3, 5), dtype=np.float32)
    for constants in (
        {"weight": np.zeros((2, 4, 3), dtype=np.float32)},
        {"weight": np.zeros((2, 3), dtype=np.float32)},
        {"weight": np.zeros((2, 3, 3), dtype=np.float32), "strides": np.array([0])},
        {"weight": np.zeros((2, 3, 3), dtype=np.float32), "strides": np.array([1, 1])},
        {"weight": np.zeros((2, 3, 3), dtype=np.float32), "pad_type": "custom", "pad": np.array([-1, 0])},
        {"weight": np.zeros((2, 3, 3), dtype=np.float32), "groups": np.int32(0)},
    ):
        with pytest.raises(InvalidModelError):
            run("conv", x, constants, np.zeros((1, 2, 3), dtype=np.float32))


def pooled(x: np.ndarray, kind: str, given: dict[str, Any]) -> np.ndarray:
    """The definition along one axis: windows over padded elements, those that overhang cut off."""
    taps, stride = int(given["kernel_sizes"][0]), int(given["strides"][0])
    before, after = given.get("pad", (0, 0))
    size = x.shape[2]
    room = size + before + after - taps
    count = room // stride + 1
    if given.get("ceil_mode"):
        count = -(room // -stride) + 1
        if before + after and (count - 1) * stride >= size + before:
            count -= 1
    out = []
    for index in range(count):
        start = index * stride - before
        window = x[:, :, max(0, start) : max(0, min(size, start + taps))]
        padded = min(start + taps, size + after) - start
        if kind == "max_pool":
            out.append(window.max(-1))
        elif kind == "l2_pool":
            out.append(np.sqrt((window**2).sum(-1)))
        else:
            elements = window.shape[-1] if given.get("exclude_padding_from_average") else padded
            out.append(window.sum(-1) / elements)
    return np.stack(out, axis=-1).astype(np.float32)


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1)])
@pytest.mark.parametrize("kind", ["max_pool", "avg_pool", "l2_pool"])
def test_pooling(kind: str, pad: tuple[int, int], ceil_mode: bool, exclude: bool) -> None:
    x = RNG.normal(size=(1, 2, 8)).astype(np.float32) - 2
    given: dict[str, Any] = {
        "kernel_sizes": np.array([3]),
        "strides": np.array([2]),
        "pad_type": "custom",
        "pad": np.array(pad),
        "ceil_mode": np.bool_(ceil_mode),
    }
    if kind == "avg_pool":
        given["exclude_padding_from_average"] = np.bool_(exclude)
    run(kind, x, given, pooled(x, kind, given))


def test_pooling_over_three_axes() -> None:
    x = RNG.normal(size=(1, 2, 4, 4, 4)).astype(np.float32)
    blocks = x.reshape(1, 2, 2, 2, 2, 2, 2, 2)
    given = {"kernel_sizes": np.array([2, 2, 2]), "strides": np.array([2, 2, 2]), "pad_type": "valid"}
    run("max_pool", x, given, blocks.max((3, 5, 7)))
    run("avg_pool", x, given, blocks.mean((3, 5, 7)))


@pytest.mark.parametrize("pad", [(2, 0), (0, 3), (5, 4), (2, 2)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("kind", ["max_pool", "avg_pool", "avg_pool of the input", "l2_pool"])
def test_padding_as_wide_as_the_kernel(kind: str, ceil_mode: bool, stride: int, pad: tuple[int, int]) -> None:
    """Windows of nothing but padding sum to zero; a maximum or an average of the input they do not have."""
    x = RNG.normal(size=(1, 2, 4)).astype(np.float32) - 2
    given = {
        "kernel_sizes": np.array([2]),
        "strides": np.array([stride]),
        "pad_type": "custom",
        "pad": np.array(pad),
        "ceil_mode": np.bool_(ceil_mode),
    }
    if kind == "avg_pool of the input":
        kind, given["exclude_padding_from_average"] = "avg_pool", np.bool_(True)
    try:
        with np.errstate(invalid="raise"):
            expected = pooled(x, kind, given)
    except (ValueError, FloatingPointError):  # the largest of nothing, 0 / 0
        with pytest.raises(UnsupportedModelError, match="nothing but padding"):
            run(kind, x, given, np.zeros((1, 2, 1), dtype=np.float32))
    else:
        run(kind, x, given, expected)


def test_absurd_paddings_are_refused_before_anything_is_made_of_them() -> None:
    x = np.zeros((1, 1, 4), dtype=np.float32)
    given = {"kernel_sizes": np.array([2]), "pad_type": "custom", "pad": np.array([2**31 - 1, 2**31 - 1])}
    for kind in ("max_pool", "avg_pool", "l2_pool"):
        with pytest.raises(UnsupportedModelError, match="windows along axis 2"):
            run(kind, x, given, np.zeros((1, 1, 3), dtype=np.float32))


def test_windows_beyond_the_input_are_refused() -> None:
    x = np.zeros((1, 1, 5), dtype=np.float32)
    given = {"kernel_sizes": np.array([1]), "strides": np.array([3]), "ceil_mode": np.bool_(True)}
    for kind in ("max_pool", "avg_pool", "l2_pool"):
        with pytest.raises(UnsupportedModelError, match="nothing but padding"):
            run(kind, x, given, np.zeros((1, 1, 3), dtype=np.float32))


X = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
GAMMA, BETA = RNG.normal(size=(2, 3)).astype(np.float32)


def test_batch_norm() -> None:
    mean, variance = RNG.normal(size=3).astype(np.float32), np.float32([0.5, 1, 2])
    columns = [array.reshape(3, 1, 1) for array in (mean, variance, GAMMA, BETA)]
    normalised = (X - columns[0]) / np.sqrt(columns[1] + 1e-3)
    given = {"mean": mean, "variance": variance, "epsilon": np.float32(1e-3)}
    run("batch_norm", X, given, normalised)
    run("batch_norm", X, given | {"gamma": GAMMA, "beta": BETA}, normalised * columns[2] + columns[3])


@pytest.mark.parametrize(("kind", "axes"), [("instance_norm", (2, 3)), ("layer_norm", (2, 3)), ("layer_norm", (0, 1))])
def test_norms_of_parts(kind: str, axes: tuple[int, ...]) -> None:
    deviation = np.sqrt(X.var(axes, keepdims=True) + 1e-2)
    normalised = (X - X.mean(axes, keepdims=True)) / deviation
    given: dict[str, Any] = {"epsilon": np.float32(1e-2)}
    if kind == "instance_norm":
        run(kind, X, given, normalised)
        given |= {"gamma": GAMMA, "beta": BETA}
        run(kind, X, given, normalised * GAMMA.reshape(3, 1, 1) + BETA.reshape(3, 1, 1))
        return
    given["axes"] = np.array(axes)
    run(kind, X, given, normalised)
    sizes = [X.shape[axis] for axis in axes]
    gamma, beta = RNG.normal(size=(2, *sizes)).astype(np.float32)
    full = [X.shape[axis] if axis in axes else 1 for axis in range(4)]
    run(kind, X, given | {"gamma": gamma, "beta": beta}, normalised * gamma.reshape(full) + beta.reshape(full))


def test_l2_norm() -> None:
    expected = X / np.sqrt((X**2).sum((1, 2, 3), keepdims=True) + 0.1)
    run("l2_norm", X, {"epsilon": np.float32(0.1)}, expected)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_local_response_norm(size: int) -> None:
    before = (size - 1) // 2
    padded = np.pad(X**2, [(0, 0), (before, size - 1 - before), (0, 0), (0, 0)])
    total = sum(padded[:, offset : offset + 3] for offset in range(size))
    expected = X / (2 + 0.5 / size * total) ** 0.75
    given = {"size": np.int32(size), "alpha": np.float32(0.5), "beta": np.float32(0.75), "k": np.float32(2)}
    run("local_response_norm", X, given, expected)
