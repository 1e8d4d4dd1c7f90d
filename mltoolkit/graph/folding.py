"""Computing a node of constants while the graph is built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import shape_inference

from mltoolkit.graph.opset import OPSET

# What gives another result each time; Identity, which is there to make a value of its own; and what the
# reference computes without the attributes (activations, directions) or the outer values that it needs.
_NEVER = frozenset(
    (
        "Bernoulli",
        "Dropout",
        "GRU",
        "Identity",
        "LSTM",
        "Multinomial",
        "RNN",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Scan",
    )
)
# A folded result is a constant of the file; larger ones are left to run.
_MAX_ELEMENTS = 4096


def fold(
    op_type: str, inputs: Sequence[ir.Value | None], attributes: Mapping[str, Any], outputs: int
) -> list[NDArray[Any]] | None:
    """The outputs of a node of constants, by ONNX's own reference; None where it cannot tell."""
    if op_type in _NEVER:
        return None
    from onnx.reference import ReferenceEvaluator

    names = [f"i{index}" if value is not None else "" for index, value in enumerate(inputs)]
    results = [f"o{index}" for index in range(outputs)]
    node = ir.to_proto(
        ir.node(
            op_type,
            [ir.Value(name=name) if name else None for name in names],
            dict(attributes),
            outputs=[ir.Value(name=name) for name in results],
        )
    )
    graph = onnx.helper.make_graph(
        [node],
        "folded",
        [onnx.ValueInfoProto(name=name) for name in names if name],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    feeds = {
        name: value.const_value.numpy()
        for name, value in zip(names, inputs, strict=True)
        if value is not None and value.const_value is not None
    }
    try:
        if _is_too_large(node, feeds):
            return None
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(model).run(None, feeds)
    except Exception:  # the reference raises whatever NumPy does; onnxruntime then says what is wrong
        return None
    arrays = [np.asarray(value) for value in values]
    if any(array.dtype == object or array.size > _MAX_ELEMENTS for array in arrays):
        return None
    return arrays


def _is_too_large(node: onnx.NodeProto, feeds: Mapping[str, NDArray[Any]]) -> bool:
    """Whether an output is so large that it must not even be tried: sizes may be those of a damaged file."""
    tensors = {name: onnx.numpy_helper.from_array(array, name) for name, array in feeds.items()}
    types = {
        name: onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims) for name, tensor in tensors.items()
    }
    inferred = shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, OPSET, ""),
        node,
        types,
        tensors,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    return any(
        math.prod(size.dim_value for size in output.tensor_type.shape.dim if size.HasField("dim_value")) > _MAX_ELEMENTS
        for output in inferred.values()
    )


def known_truth(value: ir.Value) -> bool | None:
    """What a bool scalar is, if that is known while the graph is built."""
    return None if value.const_value is None else bool(value.const_value.numpy().reshape(()))
