"""Sizes that are only known when the model runs stay flexible, and the numbers right at every size."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from checking import FORMATS, finished, reference, run_written, source_of, sqnr
from onnx import TensorProto, helper, numpy_helper

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml

RNG = np.random.default_rng(23)


def graph(nodes, shape, constants) -> onnx.ModelProto:
    return finished(
        helper.make_graph(
            [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
            "flexible",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
    )


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def image_classifier() -> tuple[onnx.ModelProto, list[tuple[int, ...]]]:
    nodes = [
        ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        ("Relu", ["n"], ["r"]),
        ("GlobalAveragePool", ["r"], ["p"]),
        ("Shape", ["p"], ["s"]),
        ("Gather", ["s", "zero"], ["batch"]),
        ("Concat", ["batch", "minus"], ["wanted"], {"axis": 0}),
        ("Reshape", ["p", "wanted"], ["f"]),
        ("Gemm", ["f", "k", "kb"], ["y"], {"transB": 1}),
    ]
    constants = {
        **{"w": random(4, 3, 3, 3), "g": random(4), "b": random(4), "m": random(4), "v": np.abs(random(4)) + 1},
        **{"zero": ints(0), "minus": ints(-1), "k": random(5, 4), "kb": random(5)},
    }
    return graph(nodes, ("batch", 3, "height", "width"), constants), [(1, 3, 5, 6), (2, 3, 8, 4)]


def attention() -> tuple[onnx.ModelProto, list[tuple[int, ...]]]:
    nodes = [
        ("MatMul", ["x", "w"], ["q"]),
        ("Shape", ["x"], ["s"]),
        ("Gather", ["s", "one"], ["length"]),
        ("Concat", ["minus", "length", "heads", "size"], ["wanted"], {"axis": 0}),
        ("Reshape", ["q", "wanted"], ["h"]),
        ("Transpose", ["h"], ["t"], {"perm": [0, 2, 1, 3]}),
        ("Transpose", ["h"], ["u"], {"perm": [0, 2, 3, 1]}),
        ("MatMul", ["t", "u"], ["scores"]),
        ("Softmax", ["scores"], ["a"], {"axis": -1}),
        ("MatMul", ["a", "t"], ["o"]),
        ("Transpose", ["o"], ["back"], {"perm": [0, 2, 1, 3]}),
        ("Reshape", ["back", "joined"], ["j"]),
        ("Add", ["j", "x"], ["sum"]),
        ("LayerNormalization", ["sum", "g", "b"], ["y"]),
    ]
    constants = {
        **{"w": random(6, 6), "one": ints(1), "minus": ints(-1), "heads": ints(2), "size": ints(3)},
        **{"joined": ints(0, 0, 6), "g": random(6), "b": random(6)},
    }
    return graph(nodes, (1, "length", 6), constants), [(1, 3, 6), (1, 7, 6)]


def slices_and_pads() -> tuple[onnx.ModelProto, list[tuple[int, ...]]]:
    nodes = [
        ("Slice", ["x", "starts", "ends", "axes", "steps"], ["s"]),
        ("Pad", ["s", "pads"], ["p"], {"mode": "reflect"}),
        ("Slice", ["p", "first", "last", "axes"], ["t"]),
        ("Flatten", ["t"], ["f"], {"axis": 1}),
        ("ReduceMax", ["f", "axis"], ["m"], {"keepdims": 0}),
        ("Unsqueeze", ["m", "axis"], ["y"]),
    ]
    constants = {
        **{"starts": ints(1, 0), "ends": ints(2**63 - 1, -1), "axes": ints(2, 3), "steps": ints(2, 1)},
        **{"pads": ints(0, 0, 1, 1, 0, 0, 1, 1), "first": ints(-3, 1), "last": ints(2**63 - 1, 2**63 - 1)},
        "axis": ints(1),
    }
    return graph(nodes, ("batch", 2, "height", "width"), constants), [(1, 2, 8, 6), (2, 2, 11, 7)]


@pytest.mark.parametrize("make", [image_classifier, attention, slices_and_pads])
@pytest.mark.parametrize("format", FORMATS)
def test_flexible_sizes(make, format):
    model, shapes = make()
    written = write_core_ml(source_of(model), CoreMLTarget(format=format))
    try:
        for shape in shapes:
            x = random(*shape)
            expected = reference(model, {"x": x})["y"]
            _, outputs = run_written(written, {"x": x})
            assert outputs["y"].shape == expected.shape
            assert sqnr(expected, outputs["y"]) > 90, f"{shape}: {sqnr(expected, outputs['y']):.1f} dB"
    finally:
        if written.weights_dir is not None:
            shutil.rmtree(written.weights_dir)
