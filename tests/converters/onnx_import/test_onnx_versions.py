"""Every opset from 7 on: what an operator meant there, it means in the hub.

Three ways to say it must agree: the old form in onnxruntime, its import in onnxruntime, and for ONNX's own node tests
the outputs that ONNX expects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, version_converter
from onnx_models import FLOAT, decibels, model_of, normal, operators, run

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import UnsupportedLayersError, UnsupportedModelError
from mltoolkit.graph.opset import OPSET

INT64 = TensorProto.INT64
X = normal(2, 3, 8, 6)


def check(
    nodes: list[onnx.NodeProto],
    opset: int,
    feeds: dict[str, Any] | None = None,
    outputs: Any = ("y",),
    weights: dict[str, Any] | None = None,
    enough: float = 120,
) -> list[str]:
    """The operators of the hub, after its outputs were found equal to the source's."""
    feeds = {"x": X} if feeds is None else feeds
    infos = {name: (helper.np_dtype_to_tensor_dtype(value.dtype), value.shape) for name, value in feeds.items()}
    model = model_of(nodes, infos, outputs, weights, opset=opset)
    source = import_onnx(model, simplify=False)
    assert source.model.graph.opset_imports[""] == OPSET
    for expected, got in zip(run(model, feeds), run(source, feeds), strict=True):
        assert expected.dtype == got.dtype
        found = decibels(expected, got)
        assert found >= enough, f"{found:.1f} dB"
    return operators(source)


OLD_FORMS = [
    (helper.make_node("Unsqueeze", ["x"], ["y"], axes=[0, 5]), (7, 11)),
    (helper.make_node("Unsqueeze", ["x"], ["y"], axes=[-1]), (11,)),
    (helper.make_node("ReduceSum", ["x"], ["y"], axes=[1, -1], keepdims=0), (7, 11)),
    (helper.make_node("ReduceSum", ["x"], ["y"]), (7, 11)),
    *((helper.make_node(name, ["x"], ["y"], axes=[2]), (7, 11, 13, 17)) for name in ("ReduceMean", "ReduceMax")),
    (helper.make_node("ReduceL2", ["x"], ["y"], axes=[1, 2], keepdims=0), (7, 13, 17)),
    *((helper.make_node(name, ["x"], ["y"]), (7, 11, 12)) for name in ("Softmax", "LogSoftmax", "Hardmax")),
    *((helper.make_node(name, ["x"], ["y"], axis=2), (7, 12)) for name in ("Softmax", "LogSoftmax", "Hardmax")),
    (helper.make_node("Softmax", ["x"], ["y"], axis=-1), (11, 12)),
    (helper.make_node("Slice", ["x"], ["y"], starts=[1, -4], ends=[100, -1], axes=[2, 3]), (7, 9)),
    (helper.make_node("Pad", ["x"], ["y"], pads=[0, 0, 1, 2, 0, 0, 0, 1], value=2.5), (7, 10)),
    (helper.make_node("Pad", ["x"], ["y"], pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"), (7, 10)),
    (helper.make_node("Clip", ["x"], ["y"], min=-0.5, max=0.25), (7, 10)),
    (helper.make_node("Clip", ["x"], ["y"], min=-0.5), (7, 10)),
    (helper.make_node("Dropout", ["x"], ["y"], ratio=0.4), (7, 11)),
    (helper.make_node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 3.0]), (7, 8)),
    (helper.make_node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 2.0], mode="linear"), (7, 8)),
]


@pytest.mark.parametrize(
    ("node", "opset"),
    [pytest.param(node, opset, id=f"{index}-{node.op_type}-{opset}")
     for index, (node, opsets) in enumerate(OLD_FORMS) for opset in opsets],
)  # fmt: skip
def test_old_forms(node: onnx.NodeProto, opset: int) -> None:
    check([node], opset)


def test_softmax_over_several_axes_becomes_one_over_a_flat_axis() -> None:
    assert check([helper.make_node("Softmax", ["x"], ["y"], axis=1)], 11) == ["Flatten", "Softmax", "Reshape"]
    feeds = {"x": normal(2, 5, 1, 1)}
    assert check([helper.make_node("Softmax", ["x"], ["y"], axis=1)], 11, feeds) == ["Softmax"]


def test_squeeze() -> None:
    for opset in (7, 11):
        check([helper.make_node("Squeeze", ["x"], ["y"], axes=[0, 3])], opset, {"x": normal(1, 3, 4, 1)})
        check([helper.make_node("Squeeze", ["x"], ["y"])], opset, {"x": normal(1, 3, 4, 1)})


@pytest.mark.parametrize("opset", [7, 11, 13, 17, 18])
def test_split(opset: int) -> None:
    halves = {"num_outputs": 2} if opset >= 18 else {}
    check([helper.make_node("Split", ["x"], ["y", "z"], axis=2, **halves)], opset, outputs=("y", "z"))
    if opset < 13:
        check([helper.make_node("Split", ["x"], ["y", "z"], axis=-1, split=[1, 5])], opset, outputs=("y", "z"))
    else:
        node = helper.make_node("Split", ["x", "sizes"], ["y", "z"], axis=-1)
        check([node], opset, outputs=("y", "z"), weights={"sizes": np.array([1, 5])})


def test_top_values() -> None:
    outputs = {"y": (FLOAT, None), "i": (INT64, None)}
    check([helper.make_node("TopK", ["x"], ["y", "i"], k=3, axis=2)], 7, outputs=outputs)
    for opset in (10, 11):
        node = helper.make_node("TopK", ["x", "k"], ["y", "i"], axis=2)
        check([node], opset, outputs=outputs, weights={"k": np.array([3])})


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("op_type", "opset"), [("Upsample", 9), ("Resize", 10)])
def test_first_resizes_with_an_input(op_type: str, opset: int, mode: str) -> None:
    scales = {"s": np.array([1, 1, 2, 1.5], np.float32)}
    check([helper.make_node(op_type, ["x", "s"], ["y"], mode=mode)], opset, weights=scales)


@pytest.mark.parametrize("opset", [11, 13, 18, 19])
def test_resize_with_empty_inputs(opset: int) -> None:
    weights = {"roi": np.zeros(0, np.float32), "none": np.zeros(0, np.float32), "sizes": np.array([2, 3, 5, 9])}
    node = helper.make_node("Resize", ["x", "roi", "none", "sizes"], ["y"], mode="linear")
    assert check([node], opset, weights=weights) == ["Resize"]


def test_batch_normalization() -> None:
    weights = {name: np.abs(normal(3, seed=seed)) for seed, name in enumerate("sbmv")}
    for opset in (7, 9, 14, 15):
        check([helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"])], opset, weights=weights)
    node = helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"], spatial=0)
    with pytest.raises(UnsupportedLayersError, match="spatial"):
        import_onnx(model_of([node], {"x": (FLOAT, X.shape)}, ["y"], weights, opset=7))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode: str) -> None:
    feeds = {"x": X, "grid": np.tanh(normal(2, 4, 5, 2, seed=1))}
    check([helper.make_node("GridSample", ["x", "grid"], ["y"], mode=mode)], 16, feeds)


@pytest.mark.parametrize("opset", [10, 16])
def test_regions(opset: int) -> None:
    weights = {"rois": np.array([[0, 0, 4, 6], [1, 1, 5, 3]], np.float32), "batch": np.array([0, 1])}
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["y"], output_height=2, output_width=2, sampling_ratio=2
    )
    check([node], opset, weights=weights)


def test_scatter_was_renamed() -> None:
    weights = {"i": np.array([[1, 0, 2]]), "u": np.array([[1.5, 2.5, 3.5]], np.float32)}
    feeds = {"x": normal(3, 3)}
    assert check([helper.make_node("Scatter", ["x", "i", "u"], ["y"])], 9, feeds, weights=weights) == [
        "ScatterElements"
    ]


def test_group_normalization_of_opset_18() -> None:
    weights = {"s": normal(2), "b": normal(2, seed=1)}
    feeds = {"x": normal(2, 6, 5)}
    node = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)
    # GroupNormalization-18 was deprecated; onnxruntime still expands it.
    check([node], 18, feeds, weights=weights)


@pytest.mark.parametrize("opset", [9, 10, 12, 14, 16, 19, 22])
def test_version_converter_made_opsets(opset: int) -> None:
    """A network that ONNX's own converter brings to another opset gives the same after its import."""
    weights = {"w": normal(4, 3, 3, 3), "b": normal(4), "fc": normal(48, 10)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Add", ["r", "c"], ["a"]),
        helper.make_node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["t"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["g"]),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    old = model_of(nodes, {"x": (FLOAT, (2, 3, 8, 6))}, {"y": (FLOAT, (2, 10))}, weights, opset=8)
    other = version_converter.convert_version(old, opset)
    assert other.opset_import[0].version == opset
    assert decibels(run(old, {"x": X})[0], run(import_onnx(other), {"x": X})[0]) >= 110


def test_functions_of_newer_opsets_are_composed() -> None:
    node = helper.make_node("Swish", ["x"], ["y"], alpha=1.5)
    source = import_onnx(model_of([node], {"x": (FLOAT, (3, 4))}, ["y"], opset=24), simplify=False)
    assert set(operators(source)) == {"Mul", "Sigmoid"}
    x = normal(3, 4)
    assert decibels(x / (1 + np.exp(-1.5 * x)), run(source, {"x": x})[0]) > 120


def test_an_opset_that_onnx_does_not_know_yet() -> None:
    newest = onnx.defs.onnx_opset_version()
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, (1,))}, ["y"], opset=newest + 1)
    with pytest.raises(UnsupportedModelError, match=f"opset {newest + 1}.*knows 1 to {newest}"):
        import_onnx(model)


def test_operators_of_the_oldest_opsets_only_where_they_still_mean_the_same() -> None:
    feeds = {"x": (FLOAT, (2, 2)), "z": (FLOAT, (2, 2))}
    assert operators(import_onnx(model_of([helper.make_node("Relu", ["x"], ["y"])], feeds, ["y"], opset=6))) == ["Relu"]
    with pytest.raises(UnsupportedLayersError, match="opset 6 is not known"):
        import_onnx(model_of([helper.make_node("Add", ["x", "z"], ["y"])], feeds, ["y"], opset=6))
