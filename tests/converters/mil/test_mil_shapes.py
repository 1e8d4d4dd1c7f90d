"""Operators that change shapes, join, cut, pad, cast and reduce, in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node

RNG = np.random.default_rng(31)
FLOATS = RNG.standard_normal((2, 3, 4)).astype(np.float32)
WHOLE = RNG.integers(-50, 50, (2, 3, 4)).astype(np.int32)
BOOLS = RNG.integers(0, 2, (2, 3, 4)).astype(bool)
KINDS = [FLOATS, WHOLE, BOOLS]


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("x", KINDS)
@pytest.mark.parametrize("shape", [(6, 4), (2, 12), (24,), (0, -1), (0, 2, -1), (1, 2, 3, 4), (-1, 1)])
def test_reshape(x, shape):
    check_onnx(one_node("Reshape", {"x": x}, {"s": ints(*shape)}), {"x": x})


@pytest.mark.parametrize("x", KINDS)
@pytest.mark.parametrize("order", [None, (0, 2, 1), (2, 0, 1)])
def test_transpose(x, order):
    check_onnx(one_node("Transpose", {"x": x}, **({} if order is None else {"perm": order})), {"x": x})


@pytest.mark.parametrize("axis", [-1, 0, 1, 2, 3])
def test_flatten(axis):
    check_onnx(one_node("Flatten", {"x": FLOATS}, axis=axis), {"x": FLOATS})


@pytest.mark.parametrize("axes", [(0,), (1, 3), (-1,), (0, -1)])
def test_unsqueeze_and_squeeze(axes):
    check_onnx(one_node("Unsqueeze", {"x": FLOATS}, {"a": ints(*axes)}), {"x": FLOATS})
    x = np.expand_dims(FLOATS, axes)
    check_onnx(one_node("Squeeze", {"x": x}, {"a": ints(*axes)}), {"x": x})
    check_onnx(one_node("Squeeze", {"x": x}), {"x": x})


@pytest.mark.parametrize("x", KINDS)
@pytest.mark.parametrize("shape", [(2, 3, 4), (1,), (5, 2, 3, 4)])
def test_expand(x, shape):
    check_onnx(one_node("Expand", {"x": x}, {"s": ints(*shape)}), {"x": x})
    column = x[:, :1]
    check_onnx(one_node("Expand", {"x": column}, {"s": ints(2, 6, 4)}), {"x": column})


@pytest.mark.parametrize("x", KINDS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(x, axis):
    feeds = {"a": x, "b": x[::-1].copy()}
    check_onnx(one_node("Concat", feeds, {"c": x}, axis=axis), feeds)


@pytest.mark.parametrize("x", KINDS)
def test_split(x):
    check_onnx(one_node("Split", {"x": x}, {"s": ints(1, 3)}, outputs=2, axis=2), {"x": x})
    check_onnx(one_node("Split", {"x": x}, outputs=2, axis=-1, num_outputs=2), {"x": x})
    check_onnx(one_node("Split", {"x": x}, outputs=2, axis=1, num_outputs=2), {"x": x})


@pytest.mark.parametrize(
    "limits",
    [
        ((0, 1), (2, 3), (0, 2), (1, 1)),
        ((1,), (-1,), (2,), (1,)),
        ((-3,), (2**63 - 1,), (2,), (2,)),
        ((-1,), (-(2**63) + 1,), (2,), (-1,)),
        ((3,), (0,), (2,), (-2,)),
        ((0, 0, 1), (1000, 1000, 1000), (0, 1, 2), (1, 2, 3)),
    ],
)
@pytest.mark.parametrize("x", KINDS)
def test_slice(limits, x):
    constants = dict(zip(("s", "e", "a", "t"), (ints(*part) for part in limits), strict=True))
    check_onnx(one_node("Slice", {"x": x}, constants), {"x": x})


def test_slice_with_computed_limits():
    feeds = {"x": FLOATS, "s": ints(1), "e": ints(3)}
    model = one_node("Slice", feeds, {"a": ints(2)})
    check_onnx(model, feeds)


PADS = [
    ("constant", (0, 0, 1, 0, 0, 2)),
    ("constant", (1, 2, 0, 0, 1, 1)),
    ("constant", (0, -1, 0, 0, 0, -2)),
    ("reflect", (0, 1, 2, 0, 2, 1)),
    ("reflect", (1, 0, 0, 1, 0, 3)),
    ("edge", (0, 1, 2, 0, 0, 5)),
    ("edge", (2, 0, 0, 1, 0, 0)),
    ("wrap", (1, 0, 2, 0, 1, 3)),
]


@pytest.mark.parametrize(("mode", "pads"), PADS)
def test_pad(mode, pads):
    check_onnx(one_node("Pad", {"x": FLOATS}, {"p": ints(*pads)}, mode=mode), {"x": FLOATS})


@pytest.mark.parametrize("x", KINDS)
def test_pad_with_a_value(x):
    constants = {"p": ints(1, 2), "v": np.array(1, x.dtype), "a": ints(-1)}
    check_onnx(one_node("Pad", {"x": x}, constants, mode="constant"), {"x": x})


@pytest.mark.parametrize("x", KINDS[:2])
def test_pad_with_a_computed_value(x):
    feeds = {"x": x, "v": np.array(7, x.dtype)}
    check_onnx(one_node("Pad", feeds, {"p": ints(0, 1, 2, 1, 0, 1)}, inputs=["x", "p", "v"]), feeds)


TYPES = [np.float32, np.int32, np.int64, np.uint8, np.int8, np.bool_]


@pytest.mark.parametrize("source", TYPES)
@pytest.mark.parametrize("target", TYPES)
def test_cast(source, target):
    from onnx import helper

    x = np.array([-3.7, -1.0, -0.5, 0.0, 0.5, 1.0, 2.5, 100.9])
    if target is np.uint8 or source is np.uint8:
        x = np.abs(x)
    x = x.astype(source)
    check_onnx(one_node("Cast", {"x": x}, to=helper.np_dtype_to_tensor_dtype(np.dtype(target))), {"x": x})


def test_cast_keeps_the_lowest_bits():
    from onnx import TensorProto

    x = np.array([-300, -129, -1, 127, 128, 255, 256, 1000], np.int32)
    for target in (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT16):
        check_onnx(one_node("Cast", {"x": x}, to=target), {"x": x})


def test_values_that_are_handed_on():
    for operator in ("Identity", "Dropout"):
        for x in KINDS[:1] if operator == "Dropout" else KINDS:
            check_onnx(one_node(operator, {"x": x}), {"x": x})


def test_dropout_in_training_is_refused():
    constants = {"r": np.array(0.5, np.float32), "t": np.array(True)}
    check_refused(one_node("Dropout", {"x": FLOATS}, constants), "training mode")


REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"]


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("axes", [None, (1,), (-1, 0), (0, 1, 2)])
@pytest.mark.parametrize("keep", [0, 1])
def test_reduction(operator, axes, keep):
    x = np.abs(FLOATS) if operator == "LogSum" else FLOATS
    constants = {} if axes is None else {"a": ints(*axes)}
    check_onnx(one_node("Reduce" + operator, {"x": x}, constants, keepdims=keep), {"x": x})


@pytest.mark.parametrize("operator", ["Sum", "Max", "Min", "Prod", "SumSquare"])
def test_reduction_of_whole_numbers(operator):
    x = WHOLE % 5 + 1
    check_onnx(one_node("Reduce" + operator, {"x": x}, {"a": ints(1)}), {"x": x})


def test_reduction_of_nothing():
    for operator in ("ReduceSum", "ReduceL2"):
        model = one_node(operator, {"x": FLOATS}, {"a": ints()}, noop_with_empty_axes=1)
        expected = FLOATS if operator == "ReduceSum" else np.abs(FLOATS)
        check_onnx(model, {"x": FLOATS}, expected={"y": expected})
