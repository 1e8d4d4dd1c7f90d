"""Large weights of networks take a way of their own into the file; they must arrive whole and in order."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, finished, one_node
from onnx import TensorProto, helper, numpy_helper

from mltoolkit.converters.mil.deferred_weights import DeferredWeights
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.protobuf import new_model

RNG = np.random.default_rng(41)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("size", [(11,), (9, 8), (4, 5, 6)])
@pytest.mark.parametrize("groups", [1, 4])
def test_convolutions(operator, size, groups):
    x = random(1, 32, *size)
    kernel = (3,) * len(size)
    weight = random(48, 32 // groups, *kernel) if operator == "Conv" else random(32, 48 // groups, *kernel)
    check_onnx(one_node(operator, {"x": x}, {"w": weight}, group=groups), {"x": x})


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_matrices(rank):
    x = random(*(2, 3, 4)[: rank - 1], 40)
    check_onnx(one_node("MatMul", {"x": x}, {"w": random(40, 50)}), {"x": x})
    if rank == 2:
        check_onnx(one_node("Gemm", {"x": x}, {"w": random(50, 40), "b": random(50)}, transB=1), {"x": x})
        check_onnx(one_node("MatMul", {"x": x.T.copy()}, {"w": random(50, 40)}, inputs=["w", "x"]), {"x": x.T.copy()})


def test_stacks_of_constant_matrices():
    x = random(3, 2, 40)
    check_onnx(one_node("MatMul", {"x": x}, {"w": random(3, 40, 50)}), {"x": x})


def test_shared_weights():
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["a", "w"], ["b"], pads=[1, 1, 1, 1]),
            helper.make_node("Reshape", ["w", "s"], ["m"]),
            helper.make_node("ReduceMean", ["m"], ["mean"], keepdims=1),
            helper.make_node("Add", ["b", "mean4"], ["y"]),
        ],
        "shared",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 16, 6, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(random(16, 16, 3, 3) / 10, "w"),
            numpy_helper.from_array(np.array([16, 144]), "s"),
            numpy_helper.from_array(random(16, 1, 1), "mean4"),
        ],
    )
    check_onnx(finished(graph), {"x": random(1, 16, 6, 6)})


def test_a_weight_without_a_place_is_an_error():
    deferred = DeferredWeights()
    (number,) = deferred.stand_in(random(40, 50)).T.flatten().flatten()
    assert number > 1e38
    with pytest.raises(UnsupportedModelError, match="1 weights found no layer"):
        deferred.fill(new_model())
