"""The network of a shape (network_builder.py) as torch.onnx.export would write it, to compare with.

Batch normalisations are folded into the convolutions before them, ReLU6 is a Clip, the classifier's head is
GlobalAveragePool, Flatten, Gemm, Softmax; preprocessing is the caller's. Made with ``onnx.helper`` from the
weights of the Core ML file; nothing of mltoolkit's converters is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mltoolkit.formats.weights import read_weight

_OPSET = 17
_RELU6 = ["ReLU", "linear", "threshold", "linear"]


class _Export:
    """Nodes and weights; ``blob`` names follow the Core ML layers."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))

    def weight(self, name: str, values: NDArray[np.float32]) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(values, np.float32, order="C"), name))
        return name

    def convolution(self, layer: Any, norm: Any | None, output: str) -> None:
        params = layer.convolution
        shape = (params.outputChannels, params.kernelChannels, *params.kernelSize)
        weights = read_weight(params.weights, shape, layer.name)
        if norm is None:
            bias = read_weight(params.bias, shape[:1], layer.name)
        else:
            gamma, beta, mean, variance = (
                read_weight(getattr(norm, field), shape[:1], field) for field in ("gamma", "beta", "mean", "variance")
            )
            factor = gamma / np.sqrt(variance + norm.epsilon)
            weights, bias = weights * factor[:, None, None, None], beta - mean * factor
        edges = params.valid.paddingAmounts.borderAmounts
        self.node(
            "Conv",
            [layer.input[0], self.weight(f"{output}.weight", weights), self.weight(f"{output}.bias", bias)],
            output,
            kernel_shape=list(params.kernelSize),
            strides=list(params.stride),
            pads=[edge.startEdgeSize for edge in edges] + [edge.endEdgeSize for edge in edges],
            dilations=[1, 1],
            group=params.nGroups,
        )

    def clip(self, blob: str, output: str) -> None:
        low = self.weight(f"{output}.min", np.array(0, np.float32))
        high = self.weight(f"{output}.max", np.array(6, np.float32))
        self.node("Clip", [blob, low, high], output)

    def pooling(self, layer: Any) -> None:
        params = layer.pooling
        if params.globalPooling:
            self.node("GlobalAveragePool", list(layer.input), layer.output[0])
            return
        edges = params.valid.paddingAmounts.borderAmounts
        self.node(
            "MaxPool",
            list(layer.input),
            layer.output[0],
            kernel_shape=list(params.kernelSize),
            strides=list(params.stride),
            pads=[edge.startEdgeSize for edge in edges] + [edge.endEdgeSize for edge in edges],
        )

    def head(self, layer: Any, flat: str) -> None:
        params = layer.innerProduct
        shape = (params.outputChannels, params.inputChannels)
        self.node("Flatten", list(layer.input), flat, axis=1)
        weights = self.weight(f"{layer.name}.weight", read_weight(params.weights, shape, layer.name))
        bias = self.weight(f"{layer.name}.bias", read_weight(params.bias, shape[:1], layer.name))
        self.node("Gemm", [flat, weights, bias], layer.output[0], transB=1)


def _kind(layer: Any) -> str:
    kind = str(layer.WhichOneof("layer"))
    if kind == "activation":
        return str(layer.activation.WhichOneof("NonlinearityType"))
    return "threshold" if kind == "unary" else kind


def export(spec: Any) -> bytes:
    """A classifier of :mod:`network_builder` as a serialised ONNX model: normalised image → probabilities."""
    layers = list(spec.neuralNetworkClassifier.layers)
    size = spec.description.input[0].type.imageType
    build = _Export()
    index = 0
    while index < len(layers):
        layer, kinds = layers[index], [_kind(item) for item in layers[index : index + 4]]
        if kinds[:2] == ["convolution", "batchnorm"]:
            build.convolution(layer, layers[index + 1].batchnorm, layers[index + 1].output[0])
            index += 2
            continue
        if kinds == _RELU6:
            build.clip(layer.input[0], layers[index + 3].output[0])
            index += 4
            continue
        if kinds[0] == "convolution":
            build.convolution(layer, None, layer.output[0])
        elif kinds[0] == "pooling":
            build.pooling(layer)
        elif kinds[0] == "innerProduct":
            build.head(layer, "flat")
        else:
            attributes = {"axis": 1} if kinds[0] == "softmax" else {}
            op_type = {"ReLU": "Relu", "add": "Add", "softmax": "Softmax"}[kinds[0]]
            build.node(op_type, list(layer.input), layer.output[0], **attributes)
        index += 1
    classes = len(spec.neuralNetworkClassifier.stringClassLabels.vector)
    graph = helper.make_graph(
        build.nodes,
        "native",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, size.height, size.width])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, [1, classes])],
        build.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
