"""Pooling of all forms, in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node

RNG = np.random.default_rng(11)
FORMS = [
    ((9, 8), {"kernel_shape": [3, 3]}),
    ((9, 8), {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    ((9, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ((9, 8), {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    ((9, 8), {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((9, 8), {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((9, 8), {"kernel_shape": [2, 3], "dilations": [2, 1], "strides": [1, 2], "pads": [1, 1, 0, 1]}),
    ((11,), {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "ceil_mode": 1}),
    ((5, 6, 7), {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2], "pads": [1, 1, 0, 0, 1, 1]}),
]


@pytest.mark.parametrize(("size", "attributes"), FORMS)
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool", "counted"])
def test_pooling(size, attributes, operator):
    x = RNG.standard_normal((2, 3, *size)).astype(np.float32)
    if operator == "counted":
        operator, attributes = "AveragePool", attributes | {"count_include_pad": 1}
    check_onnx(one_node(operator, {"x": x}, **attributes), {"x": x})


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
@pytest.mark.parametrize("rank", [3, 4, 5])
def test_global_pooling(operator, rank):
    x = RNG.standard_normal((2, 3, 4, 5, 6)[:rank]).astype(np.float32)
    check_onnx(one_node(operator, {"x": x}), {"x": x})


def test_whole_numbers():
    x = RNG.integers(0, 255, (1, 2, 5, 6)).astype(np.uint8)
    check_onnx(one_node("MaxPool", {"x": x}, kernel_shape=[2, 2]), {"x": x})


@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_flexible_size(ceil_mode):
    x = RNG.standard_normal((1, 3, 9, 8)).astype(np.float32)
    model = one_node(
        "MaxPool",
        {"x": x},
        shapes={"x": (1, 3, "height", "width")},
        kernel_shape=[3, 3],
        strides=[2, 2],
        ceil_mode=ceil_mode,
    )
    check_onnx(model, {"x": x})


@pytest.mark.parametrize("storage_order", [0, 1])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 0, 1, 1]},
        {"kernel_shape": [2, 2], "dilations": [2, 2]},
    ],
)
def test_places_of_the_largest_elements(attributes, storage_order):
    x = RNG.integers(0, 5, (2, 3, 7, 6)).astype(np.float32)
    check_onnx(one_node("MaxPool", {"x": x}, outputs=2, storage_order=storage_order, **attributes), {"x": x})


def test_places_in_a_flexible_size_are_refused():
    x = RNG.standard_normal((1, 3, 9, 8)).astype(np.float32)
    model = one_node("MaxPool", {"x": x}, outputs=2, shapes={"x": (1, 3, "height", 8)}, kernel_shape=[3, 3])
    check_refused(model, "places are counted over the whole input")
