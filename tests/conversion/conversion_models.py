"""Small models of every framework for the tests of conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def onnx_model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[Any, ...]],
    outputs: dict[str, tuple[Any, ...]],
    weights: dict[str, np.ndarray] | None = None,
    types: dict[str, int] | None = None,
    opset: int = 17,
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """A graph of nodes; types are float unless given."""

    def describe(features: dict[str, tuple[Any, ...]]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, (types or {}).get(name, TensorProto.FLOAT), shape)
            for name, shape in features.items()
        ]

    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "small", describe(inputs), describe(outputs), initializers)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def onnx_classifier(shape: tuple[Any, ...] = (1, 3, 8, 10)) -> onnx.ModelProto:
    """Picture → convolution → mean → four probabilities."""
    rng = np.random.default_rng(0)
    return onnx_model(
        [
            helper.make_node("Conv", ["picture", "w"], ["conv"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["conv"], ["relu"], "relu"),
            helper.make_node("GlobalAveragePool", ["relu"], ["mean"], "mean"),
            helper.make_node("Flatten", ["mean"], ["flat"], "flat"),
            helper.make_node("Gemm", ["flat", "v"], ["scores"], "scores"),
            helper.make_node("Softmax", ["scores"], ["probs"], "softmax"),
        ],
        {"picture": shape},
        {"probs": (shape[0], 4)},
        {
            "w": rng.standard_normal((5, 3, 3, 3)).astype(np.float32),
            "v": rng.standard_normal((5, 4)).astype(np.float32),
        },
    )


def custom_onnx() -> onnx.ModelProto:
    """Relu between two layers that no conversion knows, of one foreign domain."""
    return onnx_model(
        [
            helper.make_node("Warp", ["x"], ["a"], "warp_1", domain="com.example", strength=0.5),
            helper.make_node("Relu", ["a"], ["b"], "relu"),
            helper.make_node("Bend", ["b"], ["y"], "bend_1", domain="com.example"),
        ],
        {"x": (1, 2, 3, 4)},
        {"y": (1, 2, 3, 4)},
        domains=("com.example",),
    )
