"""Convolutions of all forms, in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, finished, one_node
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(7)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "kernel", "attributes"),
    [
        ((9, 8), (3, 3), {}),
        ((9, 8), (3, 2), {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
        ((9, 8), (3, 3), {"dilations": [2, 1], "pads": [2, 1, 2, 1]}),
        ((9, 8), (3, 4), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((9, 8), (3, 4), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
        ((9, 8), (3, 4), {"auto_pad": "VALID"}),
        ((11,), (3,), {"strides": [2], "pads": [1, 2]}),
        ((5, 6, 7), (3, 2, 3), {"strides": [2, 1, 2], "pads": [1, 0, 1, 1, 1, 0]}),
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_conv(size, kernel, attributes, groups, bias):
    x = random(2, 4, *size)
    constants = {"w": random(6, 4 // groups, *kernel)} | ({"b": random(6)} if bias else {})
    check_onnx(one_node("Conv", {"x": x}, constants, group=groups, **attributes), {"x": x})


@pytest.mark.parametrize("size", [(9, 8), (11,)])
def test_conv_with_computed_kernel(size):
    feeds = {"x": random(1, 4, *size), "w": random(6, 4, *[3] * len(size)), "b": random(6)}
    check_onnx(one_node("Conv", feeds), feeds)


@pytest.mark.parametrize(
    ("pads", "value", "left"),
    [((0, 0, 1, 0, 0, 0, 2, 1), 0.0, 0), ((0, 0, 1, 0, 0, 0, 2, 1), 1.0, 1), ((0, 1, 1, 0, 0, 0, 2, 1), 0.0, 1)],
)
def test_padding_before_is_the_convolution_s_own(pads, value, left):
    x = random(1, 4, 9, 8)
    weight = random(6, 4 + pads[1], 3, 3)
    graph = helper.make_graph(
        [
            helper.make_node("Pad", ["x", "p", "v"], ["padded"]),
            helper.make_node("Conv", ["padded", "w"], ["y"], pads=[0, 1, 0, 1], strides=[2, 2]),
        ],
        "padded",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array(pads), "p"),
            numpy_helper.from_array(np.array(value, np.float32), "v"),
            numpy_helper.from_array(weight, "w"),
        ],
    )
    for checked in check_onnx(finished(graph), {"x": x}).values():
        assert checked.written.operations.get("pad", 0) == left
