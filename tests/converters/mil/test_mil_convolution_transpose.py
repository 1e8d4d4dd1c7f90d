"""Transposed convolutions of all forms, in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node

RNG = np.random.default_rng(13)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "kernel", "attributes"),
    [
        ((5, 4), (3, 3), {}),
        ((5, 4), (3, 3), {"strides": [2, 3]}),
        ((5, 4), (4, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((5, 4), (4, 3), {"strides": [2, 2], "pads": [1, 0, 2, 1]}),
        ((5, 4), (3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
        ((5, 4), (3, 3), {"strides": [3, 3], "output_padding": [2, 1]}),
        ((5, 4), (3, 3), {"strides": [2, 2], "output_shape": [10, 8]}),
        ((5, 4), (3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((5, 4), (3, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
        ((5, 4), (2, 3), {"dilations": [2, 2], "pads": [1, 1, 1, 1]}),
        ((6,), (4,), {"strides": [2], "pads": [1, 2]}),
        ((3, 4, 5), (2, 3, 2), {"strides": [2, 1, 2], "pads": [0, 1, 0, 0, 1, 0]}),
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_conv_transpose(size, kernel, attributes, groups, bias):
    x = random(2, 4, *size)
    constants = {"w": random(4, 6 // groups, *kernel)} | ({"b": random(6)} if bias else {})
    check_onnx(one_node("ConvTranspose", {"x": x}, constants, group=groups, **attributes), {"x": x})


@pytest.mark.parametrize("size", [(6,), (5, 4)])
@pytest.mark.parametrize("attributes", [{}, {"strides": [2], "pads": [1, 0]}, {"strides": [3], "output_padding": [2]}])
def test_computed_kernel(size, attributes):
    feeds = {"x": random(2, 4, *size), "w": random(4, 6, *[3] * len(size)), "b": random(6)}
    attributes = {name: [value for value in values for _ in size] for name, values in attributes.items()}
    check_onnx(one_node("ConvTranspose", feeds, **attributes), feeds)


def test_computed_kernel_over_three_axes():
    feeds = {"x": random(1, 2, 3, 2, 2), "w": random(2, 3, 2, 2, 2)}
    model = one_node("ConvTranspose", feeds, strides=[2, 1, 1])
    check_onnx(model, feeds, formats=["mlpackage"], minimum_deployment_target="iOS17")
    check_refused(model, "a constant kernel")


def test_computed_kernel_with_groups():
    feeds = {"x": random(1, 4, 5, 4), "w": random(4, 3, 3, 3)}
    model = one_node("ConvTranspose", feeds, group=2, pads=[1, 1, 1, 1])
    check_onnx(model, feeds, formats=["mlpackage"], minimum_deployment_target="iOS17")
    check_refused(model, "minimum_deployment_target='iOS17'")
